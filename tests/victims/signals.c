/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers, SA_RESTART, masks, sigsuspend, sigqueue, siginfo, alarm, self-kill, SIGCHLD. */
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "victim.h"

static volatile sig_atomic_t got[65];
static volatile int last_value, last_code;
static volatile pid_t last_pid;

static void count(int sig)
{
	got[sig]++;
}

static void inform(int sig, siginfo_t *info, void *context)
{
	got[sig]++;
	last_value = info->si_value.sival_int;
	last_code = info->si_code;
	last_pid = info->si_pid;
}

static void handle(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = count, .sa_flags = flags };

	MUST(sigaction(sig, &sa, NULL));
}

static void masks(void)
{
	sigset_t block, old, pending;
	struct timespec none = { 0, 0 };

	handle(SIGUSR1, 0);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &block, &old));
	MUST(kill(getpid(), SIGUSR1));
	MUST(kill(getpid(), SIGUSR1));
	SEE(got[SIGUSR1] == 0);
	MUST(sigpending(&pending));
	SEE(sigismember(&pending, SIGUSR1));
	SEE(sigsuspend(&old) == -1 && errno == EINTR);
	SEE(got[SIGUSR1] == 1);
	MUST(raise(SIGUSR1));
	SEE(ppoll(NULL, 0, NULL, &old) == -1 && errno == EINTR);
	SEE(got[SIGUSR1] == 2);
	MUST(raise(SIGUSR1));
	SEE(sigtimedwait(&block, NULL, &none) == SIGUSR1);
	SEE(sigtimedwait(&block, NULL, &none) == -1 && errno == EAGAIN);
	MUST(sigprocmask(SIG_SETMASK, &old, NULL));
	SEE(got[SIGUSR1] == 2);
}

static void blocked_calls(void)
{
	int p[2];
	char c;
	struct itimerval soon = { { 0, 0 }, { 0, 50000 } };

	MUST(pipe(p));
	handle(SIGALRM, 0);
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	SEE(read(p[0], &c, 1) == -1 && errno == EINTR);
	SEE(got[SIGALRM] == 1);
	handle(SIGALRM, SA_RESTART);
	if (MUST(fork()) == 0) {
		usleep(200000);
		_exit(write(p[1], "x", 1) != 1);
	}
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	SEE(read(p[0], &c, 1) == 1 && c == 'x');
	SEE(got[SIGALRM] == 2);
	MUST(wait(NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	SEE(pause() == -1 && errno == EINTR);
	SEE(got[SIGALRM] == 3);
}

static void spin(void)
{
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };

	got[SIGALRM] = 0;
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	while (!got[SIGALRM]) {
	}
	SEE(got[SIGALRM] == 1);
}

static void information(void)
{
	struct sigaction sa = { .sa_sigaction = inform, .sa_flags = SA_SIGINFO };
	union sigval value = { .sival_int = 4711 };

	MUST(sigaction(SIGRTMIN, &sa, NULL));
	MUST(sigqueue(getpid(), SIGRTMIN, value));
	SEE(got[SIGRTMIN] == 1 && last_value == 4711 && last_code == SI_QUEUE);
	SEE(last_pid == getpid());
}

static void end_by_it(int sig)
{
	MUST(write(STDOUT_FILENO, "handled\n", 8));
	raise(sig);
}

/* The first SIGALRM finds a handler, which the kernel takes away, and the second one is its end. */
static void die_handled(void)
{
	struct sigaction sa = { .sa_handler = end_by_it, .sa_flags = SA_RESETHAND };
	struct itimerval soon = { .it_value = { 0, 20000 } };
	struct timespec now;

	sigfillset(&sa.sa_mask);
	MUST(sigaction(SIGALRM, &sa, NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	for (;;)
		MUST(clock_gettime(CLOCK_MONOTONIC, &now));
}

int main(int argc, char **argv)
{
	if (argc > 1 && atoi(argv[1]) == SIGALRM)
		die_handled();
	setvbuf(stdout, NULL, _IOLBF, 0);
	masks();
	blocked_calls();
	spin();
	information();
	if (argc > 1)
		raise(atoi(argv[1]));
	return 2;
}
