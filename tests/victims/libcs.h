/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcs CASE: what differs between C libraries where a process or thread is made: signals that are
 * blocked meanwhile, handlers of the library's own signals, the name of the call. Cases that begin
 * with x do something else.
 */
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "victim.h"

#define LIBC_SIGNAL 33

/* As the kernel has them: a libc keeps some signals to itself. */
static uint64_t mask_of(int how, uint64_t set)
{
	uint64_t before = 0;

	MUST(syscall(SYS_rt_sigprocmask, how, &set, &before, sizeof(set)));
	return before;
}

static void in_child(const char *text)
{
	MUST(write(1, text, strlen(text)));
	_exit(7);
}

static void reap(pid_t child)
{
	int status;

	SEE(MUST(waitpid(child, &status, 0)) == child);
	printf("status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static long by_clone3(uint64_t flags, uint64_t sig)
{
	struct clone_args args = { .flags = flags, .exit_signal = sig };

	return syscall(SYS_clone3, &args, sizeof(args));
}

static pid_t masked_fork(bool parent_undoes, bool child_undoes)
{
	uint64_t before = mask_of(SIG_BLOCK, ~0ul);
	pid_t child = MUST(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));

	if (child ? parent_undoes : child_undoes)
		mask_of(SIG_SETMASK, before);
	return child;
}

static pid_t plain_fork(void)
{
	return (pid_t)MUST(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static volatile sig_atomic_t seen;

static void on_signal(int sig)
{
	seen = sig;
}

/* The library's own: struct sigaction as the kernel has it. */
static void own_handler(int sig)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} sa = { .handler = (uint64_t)SIG_IGN };

	MUST(syscall(SYS_rt_sigaction, sig, &sa, NULL, 8));
}

/* What a handler is told, and its stack; with @restarts, also how calls go on after it. */
static void handler_form(bool restarts)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sa.sa_flags = (NEW ? SA_ONSTACK | SA_SIGINFO : 0) | (NEW && restarts ? SA_RESTART : 0);
	MUST(sigaction(SIGUSR1, &sa, NULL));
	MUST(raise(SIGUSR1));
	printf("handled %d\n", (int)seen);
	sa.sa_handler = SIG_IGN;
	sa.sa_flags = NEW ? SA_ONSTACK | SA_RESTART : 0;
	if (NEW)
		sigaddset(&sa.sa_mask, SIGUSR2);
	MUST(sigaction(SIGPIPE, &sa, NULL));
	MUST(raise(SIGPIPE));
}

/* A shell's: some signals are blocked around the fork by both. */
static void fork_within_mask(void)
{
	const uint64_t some = 1ul << (SIGINT - 1) | 1ul << (SIGCHLD - 1);
	pid_t child;

	mask_of(SIG_BLOCK, some);
	child = NEW ? masked_fork(true, true) : plain_fork();
	mask_of(SIG_SETMASK, 0);
	for (int i = 0; i < 2; i++) {
		mask_of(SIG_BLOCK, 1ul << (SIGCHLD - 1));
		mask_of(SIG_SETMASK, 0);
	}
	signal(SIGUSR2, on_signal);
	if (!child)
		in_child("child\n");
	reap(child);
}

static void look_at_handler(int sig)
{
	MUST(syscall(SYS_rt_sigaction, sig, NULL, NULL, 8));
}

/* Of what it does when it has begun a version sees nothing but naps. */
static void *nap_for_ever(void *arg)
{
	const struct timespec nap = { .tv_nsec = 1000000 };

	if (NEW)
		mask_of(SIG_BLOCK, 0);
	for (;;)
		syscall(SYS_nanosleep, &nap, NULL);
	return arg;
}

static void *exit_masked(void *arg)
{
	if (NEW)
		mask_of(SIG_BLOCK, ~0ul);
	syscall(SYS_exit, 0);
	return arg;
}

static void harmless(const char *what)
{
	uint64_t before = 0;
	pid_t child;

	if (!strcmp(what, "fork-masked") || !strcmp(what, "fork-masked-twice")) {
		for (int i = !strcmp(what, "fork-masked"); i < 2; i++) {
			child = NEW ? masked_fork(true, true) : plain_fork();
			if (!child)
				in_child("child\n");
			reap(child);
		}
		signal(SIGUSR1, on_signal);
		MUST(kill(getpid(), SIGUSR1));
		SEE(seen == SIGUSR1);
	}
	if (!strcmp(what, "fork-within-mask"))
		fork_within_mask();
	if (!strcmp(what, "handler-masked")) {
		if (NEW)
			before = mask_of(SIG_BLOCK, ~0ul);
		look_at_handler(SIGABRT);
		if (NEW)
			mask_of(SIG_SETMASK, before);
		look_at_handler(SIGHUP);
	}
	if (!strcmp(what, "napping-thread")) {
		pthread_t thread;

		SEE(pthread_create(&thread, NULL, nap_for_ever, NULL) == 0);
		for (int i = 0; i < 5; i++)
			usleep(10000);
	}
	if (!strcmp(what, "exit-masked")) {
		pthread_t thread;

		SEE(pthread_create(&thread, NULL, exit_masked, NULL) == 0);
		SEE(pthread_join(thread, NULL) == 0);
	}
	if (!strcmp(what, "look-before")) {
		if (NEW)
			look_at_handler(SIGUSR2);
		signal(SIGUSR1, on_signal);
		MUST(kill(getpid(), SIGUSR1));
		SEE(seen == SIGUSR1);
	}
	if (!strcmp(what, "own-handler") && NEW)
		own_handler(LIBC_SIGNAL);
	if (!strcmp(what, "handler-form") || !strcmp(what, "x-restarts"))
		handler_form(what[0] == 'x');
	if (!strcmp(what, "mask-as-it-is") && NEW) {
		mask_of(SIG_UNBLOCK, 1ul << (SIGUSR2 - 1));
		mask_of(SIG_BLOCK, 0);
	}
	if (!strcmp(what, "fork-names")) {
		child = NEW ? MUST(by_clone3(0, SIGCHLD)) : plain_fork();
		if (!child)
			in_child("clone3 or clone\n");
		reap(child);
		child = (pid_t)MUST(
			NEW ? syscall(SYS_fork) : syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
		if (!child)
			in_child("fork or clone\n");
		reap(child);
	}
}

static void harmful(const char *what)
{
	pid_t child;
	int ends[2];
	char byte;

	if (!strcmp(what, "x-mask")) {
		if (NEW)
			mask_of(SIG_BLOCK, 1ul << (SIGTERM - 1));
		MUST(write(1, "busy\n", 5));
	}
	if (!strcmp(what, "x-mask-stays") || !strcmp(what, "x-child-mask")) {
		child = NEW ? masked_fork(what[2] == 'c', what[2] == 'm') : plain_fork();
		if (!child)
			in_child("child\n");
		reap(child);
		MUST(write(1, "busy\n", 5));
	}
	if (!strcmp(what, "x-handler") && NEW)
		own_handler(SIGTERM);
	if (!strcmp(what, "x-shares-files") || !strcmp(what, "x-exit-signal")) {
		bool files = !strcmp(what, "x-shares-files");

		signal(SIGUSR1, SIG_IGN);
		child = MUST(by_clone3(
			NEW && files ? CLONE_FILES : 0, NEW && !files ? SIGUSR1 : SIGCHLD));
		if (!child)
			in_child("child\n");
		MUST(waitpid(child, NULL, __WALL));
	}
	if (!strcmp(what, "x-parent")) {
		MUST(pipe(ends));
		child = MUST(by_clone3(NEW ? CLONE_PARENT : 0, SIGCHLD));
		if (!child)
			in_child("child\n");
		close(ends[1]);
		SEE(MUST(read(ends[0], &byte, 1)) == 0); /* it has ended */
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	harmless(what);
	harmful(what);
	printf("end\n");
	return 0;
}
