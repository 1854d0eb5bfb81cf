/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for events many times over, with room for as many as a server asks for. */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROUNDS 2000
#define ROOM   10128

int main(void)
{
	static struct epoll_event events[ROOM];
	struct epoll_event in = { .events = EPOLLIN };
	int set = epoll_create1(0), ends[2], got = 0;
	char byte = 'x';

	if (set < 0 || pipe(ends) < 0)
		return 1;
	in.data.fd = ends[0];
	if (epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &in) < 0)
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		if (write(ends[1], &byte, 1) != 1)
			return 1;
		got += epoll_wait(set, events, ROOM, -1) == 1 && events[0].data.fd == ends[0];
		if (read(ends[0], &byte, 1) != 1)
			return 1;
	}
	printf("%d\n", got);
	return 0;
}
