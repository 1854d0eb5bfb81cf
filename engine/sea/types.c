/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug information is large and hostile in equal measure, and libdw was not made for the second:
 * it is read by a child process with limits of its own, which sends what it found as lines of text.
 * Whatever happens to the child, the analysis goes on without types.
 */
#include "sea/types.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/xalloc.h"

#define MAX_ANSWER   (16u << 20)
#define CHILD_MEMORY (2ull << 30)
#define CHILD_CPU_S  20
#define CHILD_WALL_S 30

static void limit(int what, rlim_t value)
{
	struct rlimit r = { value, value };

	setrlimit(what, &r); /* where it fails there is the timeout */
}

static void run_child(int fd, const char *const paths[2])
{
	struct str out = STR_INIT;

#ifndef __SANITIZE_ADDRESS__ /* its shadow alone is terabytes of addresses */
	limit(RLIMIT_AS, CHILD_MEMORY);
#endif
	limit(RLIMIT_CPU, CHILD_CPU_S);
	limit(RLIMIT_CORE, 0);
	signal(SIGPIPE, SIG_DFL);
	sea_read_types(paths, &out);
	_exit(io_write_all(fd, str_text(&out), out.len) < 0);
}

static bool read_answer(int fd, struct str *out)
{
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + CHILD_WALL_S;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char *at = str_reserve(out, 65536);
		ssize_t n;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end || out->len > MAX_ANSWER)
			return false;
		if (poll(&p, 1, (end - now.tv_sec) * 1000) <= 0)
			continue;
		n = read(fd, at, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		out->len += n;
		out->data[out->len] = '\0';
	}
	return str_ends(str_text(out), "\nE\n");
}

static char *field(char **at)
{
	char *start = *at, *tab = strchr(start, '\t');

	if (!tab)
		return NULL;
	*tab = '\0';
	*at = tab + 1;
	return start;
}

static void take_type(struct sea_analysis *a, char *line)
{
	char *name = field(&line), *so = field(&line), *sn = field(&line);

	if (!name || !so || !sn)
		return;
	a->types = xreallocarray(a->types, a->n_types + 1, sizeof(*a->types));
	a->types[a->n_types++] = (struct sea_type_change){ xstrdup(name),
		{ strtoull(so, NULL, 10), strtoull(sn, NULL, 10) }, xstrdup(line) };
}

static void take_func(struct sea_analysis *a, char *line)
{
	char *side = field(&line), *addr = field(&line);
	uint32_t f;
	int s;

	if (!side || !addr)
		return;
	s = *side == '1';
	f = sea_func_at(a->im[s], strtoull(addr, NULL, 16));
	if (f != SEA_NONE && a->func[s][f].verdict != SEA_V_IDENTICAL) {
		sea_refuse(a, s, f, xasprintf("uses %s, whose layout differs", line));
		/* The other version's function of the same name uses it as well. */
		if (a->m.peer[s][f] != SEA_NONE)
			sea_refuse(a, !s, a->m.peer[s][f],
				xasprintf("uses %s, whose layout differs", line));
	}
}

void sea_take_types(struct sea_analysis *a, char *text)
{
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (str_starts(line, "T\t"))
			take_type(a, line + 2);
		else if (str_starts(line, "F\t"))
			take_func(a, line + 2);
	}
}

bool sea_judge_types(struct sea_analysis *a, const char *const paths[2])
{
	cleanup_str struct str out = STR_INIT;
	int fds[2], status = 0;
	bool ok;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		run_child(fds[1], paths);
	}
	close(fds[1]);
	ok = pid > 0 && read_answer(fds[0], &out);
	close(fds[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (!ok) {
		str_puts(&a->notes, "the debug information could not be read within the limits: "
				    "types are not compared\n");
		return false;
	}
	if (strstr(str_text(&out), "\nN\n") || str_starts(str_text(&out), "N\n"))
		return false; /* one side has none */
	sea_take_types(a, out.data);
	return true;
}
