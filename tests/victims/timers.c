/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd, signalfd, eventfd, inotify, POSIX timers, sleeps: each through poll or read. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "victim.h"

static volatile int ticks, *value_at;

static void tick(int sig, siginfo_t *info, void *context)
{
	value_at = info->si_value.sival_ptr;
	ticks++;
}

static void files(void)
{
	struct itimerspec soon = { { 0, 0 }, { 0, 20000000 } };
	struct signalfd_siginfo info;
	sigset_t set;
	uint64_t n = 0;
	char buf[4096];
	int t = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)),
	    e = MUST(eventfd(3, EFD_NONBLOCK));
	int i = MUST(inotify_init1(IN_NONBLOCK)), s;

	MUST(timerfd_settime(t, 0, &soon, NULL));
	struct pollfd p[2] = { { t, POLLIN, 0 }, { e, POLLIN, 0 } };
	SEE(poll(p, 2, 1000) >= 1 && (p[1].revents & POLLIN));
	MUST(read(e, &n, 8));
	SEE(n == 3);
	SEE(read(e, &n, 8) == -1 && errno == EAGAIN);
	SEE(poll(p, 2, 1000) == 1 && (p[0].revents & POLLIN));
	MUST(read(t, &n, 8));
	SEE(n == 1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	s = MUST(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	SEE(read(s, &info, sizeof(info)) == -1 && errno == EAGAIN);
	MUST(kill(getpid(), SIGUSR1));
	SEE(read(s, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1);
	SEE(info.ssi_pid == (uint32_t)getpid());
	MUST(inotify_add_watch(i, ".", IN_CREATE));
	close(MUST(open("noticed", O_CREAT | O_WRONLY, 0600)));
	MUST(read(i, buf, sizeof(buf)));
	puts(((struct inotify_event *)buf)->name);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = tick, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec often = { { 0, 10000000 }, { 0, 10000000 } };
	struct timespec ts = { 0, 5000000 }, a, b;
	timer_t timer;
	fd_set set;
	int mark;

	setvbuf(stdout, NULL, _IOLBF, 0);
	files();
	MUST(sigaction(SIGRTMIN, &sa, NULL));
	ev.sigev_value.sival_ptr = &mark;
	MUST(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	MUST(timer_settime(timer, 0, &often, NULL));
	while (ticks < 3)
		pause();
	MUST(timer_delete(timer));
	SEE(value_at == &mark);
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (nanosleep(&ts, &ts) < 0) {
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	SEE((b.tv_sec - a.tv_sec) * 1000000000l + b.tv_nsec - a.tv_nsec >= 5000000);
	FD_ZERO(&set);
	FD_SET(0, &set);
	struct timeval tv = { 0, 1000 };
	SEE(select(0, NULL, NULL, NULL, &tv) == 0);
	for (int i = 0; i < 1000; i++)
		dprintf(i < 999 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : 2, "%ld",
			time(NULL) & 0);
	return 0;
}
