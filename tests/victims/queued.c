/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals that wait, blocked, with what they bring: values that it has sent itself, and that of a
 * timer that fires once. It says its id, waits until the file that it is given is there, and then
 * says what has come, in this order.
 */
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "victim.h"

static const char name[] = "the timer";
static int came[8], ncame;

static void take(int sig, siginfo_t *info, void *context)
{
	if (ncame < 8)
		came[ncame++] = info->si_value.sival_ptr == name ? 100 : info->si_value.sival_int;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = take, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };
	struct timespec nap = { 0, 10000000 };
	timer_t timer;
	sigset_t set;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	MUST(sigaction(SIGRTMIN, &sa, NULL));
	for (int i = 1; i <= 3; i++)
		MUST(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
	ev.sigev_value.sival_ptr = (void *)name;
	MUST(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	MUST(timer_settime(timer, 0, &soon, NULL));
	printf("ready %d\n", getpid());
	while (access(argv[1], F_OK) < 0)
		nanosleep(&nap, NULL);
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
	for (int i = 0; i < ncame; i++)
		printf("came %d\n", came[i]);
	return 0;
}
