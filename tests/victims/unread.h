/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unread read|poll|select|epoll|message|peek: reads lines from its standard input, which is a
 * socket for the last two, and says them again. The new version makes a folder first, and the old
 * one does not: what the old one has read by then is the new one's to answer, if that is preferred.
 */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "victim.h"

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "read";
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &ev };
	struct pollfd p = { 0, POLLIN, 0 };
	int set = MUST(epoll_create1(0));
	char buf[64];
	struct iovec v = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	long n;
	fd_set in;

	if (!strcmp(way, "epoll"))
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, 0, &ev));
	if (NEW)
		MUST(mkdir("folder", 0700));
	do {
		FD_ZERO(&in);
		FD_SET(0, &in);
		if (!strcmp(way, "poll"))
			MUST(poll(&p, 1, -1));
		if (!strcmp(way, "select"))
			MUST(select(1, &in, NULL, NULL, NULL));
		if (!strcmp(way, "epoll"))
			MUST(epoll_wait(set, &ev, 1, -1));
		if (!strcmp(way, "message") || !strcmp(way, "peek"))
			MUST(poll(&p, 1, -1));
		if (!strcmp(way, "peek"))
			MUST(recv(0, buf, 1, MSG_PEEK));
		if (!strcmp(way, "message"))
			n = MUST(recvmsg(0, &m, 0));
		else
			n = MUST(read(0, buf, sizeof(buf)));
		MUST(write(1, buf, (size_t)n));
	} while (n);
	return 0;
}
