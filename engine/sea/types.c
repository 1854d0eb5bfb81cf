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

/* One that has a type whose layout differs, or points to it. */
struct variable {
	int side;
	uint64_t addr, size;
	const char *type;
};

struct variables {
	struct variable *v;
	uint32_t n, room;
};

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

/* The function uses the type, and so does the other version's. */
static void refuse_user(struct sea_analysis *a, int s, uint32_t f, const char *type)
{
	if (a->func[s][f].verdict == SEA_V_IDENTICAL)
		return;
	sea_refuse(a, s, f, xasprintf("uses %s, whose layout differs", type));
	if (a->m.peer[s][f] != SEA_NONE)
		sea_refuse(
			a, !s, a->m.peer[s][f], xasprintf("uses %s, whose layout differs", type));
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
	if (f != SEA_NONE)
		refuse_user(a, s, f, line);
}

static void take_variable(struct variables *v, char *line)
{
	char *side = field(&line), *addr = field(&line), *size = field(&line);
	struct variable *x;

	if (!side || !addr || !size)
		return;
	if (v->n == v->room) {
		v->room = v->room ? v->room * 2 : 64;
		v->v = xreallocarray(v->v, v->room, sizeof(*v->v));
	}
	x = &v->v[v->n++];
	*x = (struct variable){ *side == '1', strtoull(addr, NULL, 16), strtoull(size, NULL, 10),
		line };
}

static int by_address(const void *x, const void *y)
{
	const struct variable *a = x, *b = y;

	if (a->side != b->side)
		return a->side - b->side;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

/* The variable that @addr of @side lies in, or NULL; of those that overlap the last to begin. */
static const struct variable *find_variable(const struct variables *v, int side, uint64_t addr)
{
	uint32_t lo = 0, hi = v->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct variable *x = &v->v[mid];

		if (x->side < side || (x->side == side && x->addr <= addr))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || v->v[lo - 1].side != side || addr - v->v[lo - 1].addr >= v->v[lo - 1].size)
		return NULL;
	return &v->v[lo - 1];
}

/* Whoever refers to such a variable uses its type, whether a name of its own has it or not. */
static void judge_variables(struct sea_analysis *a, struct variables *v)
{
	if (!v->n)
		return;
	qsort(v->v, v->n, sizeof(*v->v), by_address);
	for (int s = 0; s < 2; s++)
		for (uint32_t i = 0; i < a->im[s]->n_refs && !sea_budget_spent(a->budget); i++) {
			const struct sea_ref *r = &a->im[s]->refs[i];
			const struct variable *x =
				r->kind == SEA_R_TLS ? NULL : find_variable(v, s, r->target);

			if (x)
				refuse_user(a, s, r->func, x->type);
		}
	free(v->v);
}

void sea_take_types(struct sea_analysis *a, char *text)
{
	struct variables v = { 0 };

	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (str_starts(line, "T\t"))
			take_type(a, line + 2);
		else if (str_starts(line, "F\t"))
			take_func(a, line + 2);
		else if (str_starts(line, "V\t"))
			take_variable(&v, line + 2);
	}
	judge_variables(a, &v);
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
