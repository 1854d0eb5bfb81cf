/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that computes, without a call, until signals have come: from a timer, with a handler
 * that only says so, which is looked at between steps; from a child, more than any small table
 * holds; and with a handler that makes calls, while others of the kind wait.
 */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "victim.h"

#define QUEUED 24

static volatile sig_atomic_t flag, got, wrong;

static void say(int sig)
{
	flag = 1;
}

static void count(int sig, siginfo_t *info, void *context)
{
	wrong |= info->si_value.sival_int != got;
	got++;
}

static void call(int sig, siginfo_t *info, void *context)
{
	sigset_t pending;

	count(sig, info, context);
	sigpending(&pending);
	getppid();
}

static void by_timer(void)
{
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } };
	struct sigaction sa = { .sa_handler = say };
	int seen = 0;

	MUST(sigaction(SIGALRM, &sa, NULL));
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	while (seen < 12) {
		for (volatile int i = 0; i < 100000; i++) {
		}
		if (flag) {
			flag = 0;
			seen++;
		}
	}
	every = (struct itimerval){ 0 };
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	printf("timer\n");
}

static void by_child(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	pid_t child;

	got = wrong = 0;
	MUST(sigaction(sig, &sa, NULL));
	fflush(stdout);
	child = MUST(fork());
	if (child == 0) {
		for (int i = 0; i < QUEUED; i++)
			MUST(sigqueue(getppid(), sig, (union sigval){ .sival_int = i }));
		_exit(0);
	}
	while (got < QUEUED) {
	}
	while (waitpid(child, NULL, 0) == -1 && errno == EINTR) {
	}
	printf("%d signals, %s order\n", got, wrong ? "another" : "in");
}

int main(void)
{
	by_timer();
	by_child(SIGRTMIN, count);
	by_child(SIGRTMIN + 1, call);
	return 0;
}
