/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family: a parent and two children, which share memory: anonymous, and of the file that is named,
 * if any. It reads commands, a line each:
 *   N        child N % 2 answers; the new version crashes there at 13
 *   13 x     the same, in the parent
 *   who K    child K says whether its parent and its group are what they were
 *   cont     a signal to all of the group that does nothing
 *   stop K   child K stops itself, and is waited for; it changes the memory when it goes on
 *   go K     it is continued, waited for, and answers
 *   exit K N, kill K N   ends it, waits for it, says how it ended, and makes another one
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

struct common {
	long sum, calls[2];
};

static struct common *memory, *mapped;
static int wire[2];
static pid_t child[2];
static volatile sig_atomic_t ended;

static long compute(int n);

__attribute__((noinline)) static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	if (write(fd, text, len) != (ssize_t)len)
		_exit(3);
}

static void on_child(int sig, siginfo_t *info, void *context)
{
	ended += info->si_code != CLD_STOPPED && info->si_code != CLD_CONTINUED;
}

/* The child's: one command at a time. */
static void serve(int k, int fd, pid_t parent, pid_t group)
{
	char line[64], text[128];
	ssize_t n;

	while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		memory->calls[k]++;
		if (line[0] == 'e')
			_exit(atoi(line + 1));
		if (line[0] == 's') {
			raise(SIGSTOP);
			memory->sum += 7;
			say(fd, "on\n");
			continue;
		}
		if (line[0] == 'w')
			snprintf(text, sizeof(text), "parent %s, group %s\n",
				getppid() == parent ? "same" : "other",
				getpgrp() == group ? "same" : "other");
		else
			snprintf(text, sizeof(text), "%d: %ld\n", k, compute(atoi(line)));
		say(fd, text);
	}
	_exit(0);
}

static void bear(int k)
{
	pid_t parent = getpid(), group = getpgrp();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		_exit(4);
	child[k] = fork();
	if (child[k] == 0) {
		close(pair[0]);
		serve(k, pair[1], parent, group);
	}
	close(pair[1]);
	wire[k] = pair[0];
}

static void ask(int k, const char *what)
{
	char text[128];
	ssize_t n;

	say(wire[k], what);
	n = read(wire[k], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		printf("read %ld: %s\n", (long)n, strerror(errno));
	printf("%s", text);
}

/* It stops, or goes on after it has. */
static void stop(int k, bool stops)
{
	int status = 0;
	pid_t pid;

	if (stops)
		say(wire[k], "s");
	else
		kill(child[k], SIGCONT);
	pid = waitpid(child[k], &status, stops ? WUNTRACED : WCONTINUED);
	if (!stops)
		ask(k, "");
	printf("%s %s by %d, sum %ld\n", pid == child[k] ? "it" : "another",
		WIFSTOPPED(status)     ? "stopped"
		: WIFCONTINUED(status) ? "continued"
				       : "other",
		WIFSTOPPED(status) ? WSTOPSIG(status) : 0, memory->sum);
}

static void bury(int k)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	printf("%s: %s %d, told %d times; calls %ld, sum %ld\n", pid == child[k] ? "it" : "another",
		WIFEXITED(status) ? "exit" : "signal",
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), (int)ended,
		memory->calls[k], mapped ? mapped->sum : 0);
	close(wire[k]);
	bear(k);
}

static void obey(char *line)
{
	char text[64];
	int k, n;

	if (sscanf(line, "who %d", &k) == 1) {
		ask(k & 1, "w");
	} else if (sscanf(line, "exit %d %d", &k, &n) == 2) {
		snprintf(text, sizeof(text), "e%d", n);
		say(wire[k & 1], text);
		bury(k & 1);
	} else if (sscanf(line, "kill %d %d", &k, &n) == 2) {
		kill(child[k & 1], n);
		bury(k & 1);
	} else if (sscanf(line, "stop %d", &k) == 1) {
		stop(k & 1, true);
	} else if (sscanf(line, "go %d", &k) == 1) {
		stop(k & 1, false);
	} else if (strcmp(line, "cont") == 0) {
		printf("cont: %d\n", kill(0, SIGCONT));
	} else if (strchr(line, 'x')) {
		printf("parent: %ld\n", compute(atoi(line)));
	} else {
		ask(atoi(line) & 1, line);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_child, .sa_flags = SA_RESTART | SA_SIGINFO };
	struct pollfd p = { 0, POLLIN, 0 };
	char line[64];
	size_t len = 0;

	memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc > 1) {
		int fd = open(argv[1], O_RDWR | O_CREAT, 0600);

		if (fd < 0 || ftruncate(fd, 4096) < 0)
			return 5;
		mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	sigaction(SIGCHLD, &sa, NULL);
	bear(0);
	bear(1);
	for (;;) {
		if (poll(&p, 1, -1) < 0)
			continue;
		if (read(0, line + len, 1) != 1)
			break;
		if (line[len] != '\n') {
			len += len < sizeof(line) - 2;
			continue;
		}
		line[len] = '\0';
		len = 0;
		obey(line);
	}
	return 0;
}
