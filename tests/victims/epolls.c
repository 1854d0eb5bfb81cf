/* SPDX-License-Identifier: Apache-2.0 */
/* epoll with pointers as data, edge triggers, modified and deleted members, dup and fork. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

struct client {
	int fd;
	const char *name;
};

static void show(int ep)
{
	struct epoll_event events[8];
	int n = MUST(epoll_wait(ep, events, 8, 0));

	printf("%d:", n);
	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		printf(" %s/%x", c->name, events[i].events);
	}
	puts("");
}

int main(void)
{
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC)), pairs[3][2];
	struct client *clients[3];
	char c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 3; i++) {
		struct epoll_event ev = { .events = EPOLLIN | (i == 2 ? EPOLLET : 0) };

		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
		clients[i] = malloc(sizeof(*clients[i]));
		clients[i]->fd = pairs[i][0];
		clients[i]->name = i == 0 ? "a" : i == 1 ? "b" : "c";
		ev.data.ptr = clients[i];
		MUST(epoll_ctl(ep, EPOLL_CTL_ADD, pairs[i][0], &ev));
	}
	show(ep);
	for (int i = 0; i < 3; i++)
		MUST(write(pairs[i][1], "xy", 2));
	show(ep);
	show(ep);
	MUST(read(pairs[0][0], &c, 1));
	MUST(epoll_ctl(ep, EPOLL_CTL_MOD, pairs[0][0],
		&(struct epoll_event){ .events = EPOLLOUT, .data.ptr = clients[1] }));
	show(ep);
	MUST(epoll_ctl(ep, EPOLL_CTL_DEL, pairs[1][0], NULL));
	show(ep);
	/* A closed descriptor stays a member while a duplicate of it is open. */
	int other = MUST(dup(pairs[0][0]));
	close(pairs[0][0]);
	show(ep);
	close(other);
	show(ep);
	SEE(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &(struct epoll_event){ 0 }) == -1 && errno == EBADF);
	fflush(stdout);
	if (MUST(fork()) == 0) {
		MUST(write(pairs[2][1], "z", 1));
		show(ep);
		fflush(stdout);
		_exit(0);
	}
	MUST(wait(NULL));
	MUST(write(pairs[2][1], "z", 1));
	show(ep);
	return 0;
}
