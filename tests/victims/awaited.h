/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awaited CASE: two versions of which one waits until a descriptor is ready before it uses it, or
 * waits by another call, with a set of its own; and (cases that begin with x) two that only look
 * so. Each case is done often enough for the agents to have their part in it.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

#include "victim.h"

#define TIMES 12

static int p[2], q[2];

static void say(const char *text)
{
	MUST(write(1, text, strlen(text)));
}

static void await(int fd, short what, int ms)
{
	struct pollfd one = { fd, what, 0 };

	if (MUST(poll(&one, 1, ms)) != 1 || !(one.revents & what))
		say("not ready\n");
}

static void show_read(int fd)
{
	char buf[16] = "";

	MUST(read(fd, buf, sizeof(buf) - 1));
	say(buf);
}

/* One of them waits first: to read, to write, to accept. */
static void first(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	fd_set set;
	int s = MUST(socket(AF_INET, SOCK_STREAM, 0)), c = MUST(socket(AF_INET, SOCK_STREAM, 0)), k;

	if (NEW)
		await(p[0], POLLOUT, 1000);
	MUST(write(p[0], "first\n", 6));
	if (!NEW)
		await(p[1], POLLIN, -1);
	show_read(p[1]);
	MUST(bind(s, (struct sockaddr *)&a, len));
	MUST(listen(s, 5));
	MUST(getsockname(s, (struct sockaddr *)&a, &len));
	MUST(connect(c, (struct sockaddr *)&a, len));
	FD_ZERO(&set);
	FD_SET(s, &set);
	if (NEW && MUST(select(s + 1, &set, NULL, NULL, NULL)) != 1)
		say("nobody\n");
	k = MUST(accept(s, NULL, NULL));
	MUST(close(k));
	MUST(close(c));
	MUST(close(s));
}

/* Which of the two can be read? By poll, or by a set of the version's own. */
static int which(int set, int ms)
{
	struct pollfd both[2] = { { p[1], POLLIN, 0 }, { q[1], POLLIN, 0 } };
	struct epoll_event ev = { .data.fd = -1 };

	if (NEW)
		return MUST(epoll_wait(set, &ev, 1, ms)) ? ev.data.fd : -1;
	if (!MUST(poll(both, 2, ms)))
		return -1;
	return both[0].revents ? p[1] : q[1];
}

static int set_of_both(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = p[1] };
	int set = NEW ? MUST(epoll_create1(EPOLL_CLOEXEC)) : -1;

	if (!NEW)
		return set;
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[1], &ev));
	ev.data.fd = q[1];
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, q[1], &ev));
	return set;
}

static void in_sets(void)
{
	int set = set_of_both();

	for (int i = 0; i < TIMES; i++) {
		if (which(set, 1) != -1)
			say("too early\n");
		MUST(write(i % 3 ? p[0] : q[0], "set\n", 4));
		show_read(which(set, i % 2 ? 10000 : -1));
	}
	if (NEW)
		MUST(close(set));
}

static void harmful(const char *what)
{
	int set = set_of_both();

	MUST(write(p[0], "harm\n", 5));
	if (!strcmp(what, "x-forever")) {
		/* In a stream the one that is let go can have read it, and said so. */
		MUST(shutdown(p[0], SHUT_WR));
		show_read(which(set, NEW ? 10000 : -1));
	}
	if (!strcmp(what, "x-unused")) {
		if (NEW)
			await(p[1], POLLIN, 1000);
		say("unused\n");
	}
	if (!strcmp(what, "x-bytes")) {
		if (NEW)
			await(p[0], POLLOUT, 1000);
		MUST(write(p[0], NEW ? "other\n" : "bytes\n", 6));
	}
	if (!strcmp(what, "x-other")) {
		MUST(write(q[0], "other\n", 6));
		if (NEW)
			await(q[1], POLLIN, -1);
		show_read(NEW ? q[1] : p[1]);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
	for (int i = 0; i < TIMES && !strcmp(what, "first"); i++)
		first();
	if (!strcmp(what, "sets"))
		in_sets();
	if (what[0] == 'x')
		harmful(what);
	say("end\n");
	return 0;
}
