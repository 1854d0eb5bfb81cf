/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's usual way to end: a handler sets a flag, the loop looks at it, and waits. Between the
 * two it computes for 10 ms here, and the signal comes in that time. Alone it would wait in vain; a
 * version is told of the signal at its next call, and is not told to wait then.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

#include "victim.h"

#define LOOPS 1000000ul

static volatile sig_atomic_t asked;
static volatile unsigned long work;

static void ask(int sig)
{
	asked = 1;
}

static void compute(unsigned long loops)
{
	for (unsigned long i = 0; i < loops; i++)
		work += i;
}

static unsigned long loops_of_10_ms(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	compute(LOOPS);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	return LOOPS * 10000000 /
	       (unsigned long)((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec + 1);
}

static int wait_by(const char *how, int set, struct pollfd *p)
{
	struct epoll_event ev;

	if (!strcmp(how, "poll"))
		return poll(p, 1, 20000);
	if (!strcmp(how, "epoll"))
		return epoll_wait(set, &ev, 1, 20000);
	if (!strcmp(how, "select"))
		return select(0, NULL, NULL, NULL, NULL);
	return pause();
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = ask, .sa_flags = SA_RESTART };
	struct itimerval soon = { .it_value.tv_usec = 2000 };
	int pipes[2], set = MUST(epoll_create1(0));
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p = { .events = POLLIN };
	unsigned long loops = loops_of_10_ms();

	MUST(pipe(pipes));
	p.fd = pipes[0];
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &ev));
	MUST(sigaction(SIGALRM, &sa, NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	compute(loops);
	SEE(wait_by(argv[1], set, &p) == -1 && errno == EINTR);
	SEE(asked);
	return 0;
}
