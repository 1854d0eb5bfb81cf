/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of an epoll set by numbers that differ between two versions, by so little that the one
 * knows a member by the number that the other has for another one. Half of them are added when the
 * file @go is there.
 */
#ifndef MX_VICTIM_MEMBERS_H
#define MX_VICTIM_MEMBERS_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "victim.h"

#define MEMBERS 12

static int members(uint64_t first, const char *go)
{
	int set = MUST(epoll_create1(EPOLL_CLOEXEC)), pairs[MEMBERS][2], wrong = 0;
	struct epoll_event events[4];
	char c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u64 = first + i };

		if (i == MEMBERS / 2) {
			printf("ready %d\n", getpid());
			while (access(go, F_OK) < 0)
				usleep(10000);
		}
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, pairs[i][0], &ev));
	}
	for (unsigned i = 0; i < 2 * MEMBERS; i++) {
		unsigned k = i % MEMBERS;

		MUST(write(pairs[k][1], "x", 1));
		wrong += MUST(epoll_wait(set, events, 4, -1)) != 1 ||
			 events[0].data.u64 != first + k;
		MUST(read(pairs[k][0], &c, 1));
	}
	SEE(wrong == 0);
	return 0;
}

#endif
