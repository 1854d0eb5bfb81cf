/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfds: a descriptor of signalfd(2) in an epoll set beside the standard input. At each line it
 * sends itself the signal, and waits for the set to tell of it.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "victim.h"

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct signalfd_siginfo info;
	int set, told = 0, by_signal;
	sigset_t mask;
	char c;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	by_signal = MUST(signalfd(-1, &mask, SFD_CLOEXEC));
	set = MUST(epoll_create1(EPOLL_CLOEXEC));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, 0, &event));
	event.data.fd = by_signal;
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, by_signal, &event));
	for (;;) {
		MUST(epoll_wait(set, &event, 1, -1));
		if (event.data.fd) {
			MUST(read(by_signal, &info, sizeof(info)));
			printf("told of signal %d, %d times\n", (int)info.ssi_signo, ++told);
			fflush(stdout);
			continue;
		}
		if (read(0, &c, 1) != 1)
			return 0;
		if (c == '\n')
			kill(getpid(), SIGUSR1);
	}
}
