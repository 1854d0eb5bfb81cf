/* SPDX-License-Identifier: Apache-2.0 */
/*
 * again CASE: two versions of which one sets what is set already, would make a file that is there,
 * waits for another while, or opens one file more as it starts; and (cases that begin with x) two
 * that only look so.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "victim.h"

#define TIMES 12

static void set(int fd, int level, int option, int value)
{
	MUST(setsockopt(fd, level, option, &value, sizeof(value)));
}

/* The folder stays open: what a leader has closed, a follower that comes later may lack. */
static void own(void)
{
	const int here = MUST(open(".", O_RDONLY | O_DIRECTORY));

	if (NEW) {
		MUST(chdir("."));
		MUST(fchdir(here));
		MUST(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0)));
	}
	printf("own\n");
}

/* What a socket or a pipe is set to already. */
static void options(void)
{
	int s = MUST(socket(AF_INET, SOCK_STREAM, 0)), p[2];

	MUST(pipe(p));
	for (int i = 0; i < (NEW ? 2 : 1); i++)
		set(s, SOL_SOCKET, SO_REUSEADDR, 1);
	for (int i = 0; i < (NEW ? 1 : 3); i++)
		set(s, IPPROTO_TCP, TCP_NODELAY, 1);
	MUST(fcntl(p[0], F_SETFL, O_NONBLOCK));
	if (NEW)
		MUST(fcntl(p[0], F_SETFL, O_NONBLOCK));
	else
		MUST(fcntl(p[1], F_SETFL, MUST(fcntl(p[1], F_GETFL))));
	MUST(close(s));
	MUST(close(p[0]));
	MUST(close(p[1]));
	printf("set\n");
}

static void creation(void)
{
	int fd = MUST(open("there", O_WRONLY | O_APPEND | (NEW ? O_CREAT : 0), 0600));

	MUST(write(fd, "a line\n", 7));
	MUST(close(fd));
	fd = MUST(open("there", O_RDWR | (NEW ? 0 : O_CREAT), 0640));
	MUST(write(fd, "A", 1));
	MUST(close(fd));
	printf("made\n");
}

static void places(void)
{
	struct pollfd fds[4] = { { .fd = -1 } };
	int p[2], at = NEW ? 2 : 0;

	MUST(pipe(p));
	if (NEW)
		fds[1].fd = fds[3].fd = -7;
	fds[at] = (struct pollfd){ p[0], POLLIN, 0 };
	if (!NEW)
		fds[1].fd = -1;
	printf("%d", MUST(poll(fds, NEW ? 4 : 2, 2)));
	MUST(write(p[1], "x", 1));
	printf(" %d", MUST(poll(fds, NEW ? 4 : 2, 100)));
	printf(" %x\n", fds[at].revents);
	MUST(close(p[0]));
	MUST(close(p[1]));
}

static void while_ms(int ms)
{
	struct timeval tv = { 0, ms * 1000 };
	struct epoll_event ev = { .events = EPOLLIN };
	int set = MUST(epoll_create1(0)), p[2];
	struct pollfd one;
	fd_set in;

	MUST(pipe(p));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[0], &ev));
	one = (struct pollfd){ p[0], POLLIN, 0 };
	printf("%d", MUST(poll(&one, 1, ms)));
	printf(" %d", MUST(epoll_wait(set, &ev, 1, ms)));
	MUST(write(p[1], "x", 1));
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	printf(" %d", MUST(select(p[0] + 1, &in, NULL, NULL, &tv)));
	printf(" %d\n", MUST(poll(&one, 1, ms)));
	MUST(close(set));
	MUST(close(p[0]));
	MUST(close(p[1]));
}

static void patience(void)
{
	while_ms(NEW ? 5 : 3);
}

/* One opens a file of the system's before its start-up, of looks and settings, and its socket. */
static void starts(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct stat st;
	char c;
	int fd;

	if (NEW) {
		fd = MUST(open("/proc/sys/vm/overcommit_memory", O_RDONLY));
		MUST(read(fd, &c, 1));
		MUST(close(fd));
	}
	/* Where the old one follows, the new one is far ahead by now. */
	for (volatile int i = 0; !NEW && i < 10000000; i = i + 1)
		;
	for (int i = 0; i < 150; i++)
		(void)lstat("nothing", &st);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(fd, 1));
	MUST(close(fd));
	printf("started\n");
}

static void harmful(const char *what)
{
	struct pollfd fds[2];
	int p[2], fd = MUST(socket(AF_INET, SOCK_STREAM, 0));

	MUST(pipe(p));
	MUST(write(p[1], "x", 1));
	fds[0] = (struct pollfd){ p[0], POLLIN, 0 };
	fds[1] = (struct pollfd){ p[1], POLLOUT, 0 };
	if (!strcmp(what, "x-option") && NEW)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!strcmp(what, "x-option-off")) {
		set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		if (NEW)
			set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
	}
	if (!strcmp(what, "x-option-flush")) {
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		set(fd, IPPROTO_TCP, TCP_CORK, 1);
		if (NEW)
			set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	}
	if (!strcmp(what, "x-option-size"))
		set(fd, SOL_SOCKET, SO_SNDBUF, NEW ? 20000 : 30000);
	if (!strcmp(what, "x-flags")) {
		MUST(fcntl(p[0], F_SETFL, O_NONBLOCK));
		if (NEW)
			MUST(fcntl(p[0], F_SETFL, 0));
	}
	if (!strcmp(what, "x-elsewhere") && NEW)
		MUST(chdir(".."));
	if (!strcmp(what, "x-nicer") && NEW)
		MUST(setpriority(PRIO_PROCESS, 0, 3));
	if (!strcmp(what, "x-creates")) {
		(void)!open("new-file", O_WRONLY | (NEW ? O_CREAT : 0), 0600);
		printf("opened\n");
	}
	if (!strcmp(what, "x-empties"))
		MUST(open("there", O_WRONLY | (NEW ? O_CREAT | O_TRUNC : 0), 0600));
	if (!strcmp(what, "x-more"))
		MUST(poll(fds, NEW ? 2 : 1, 100));
	if (!strcmp(what, "x-forever"))
		MUST(poll(fds, 1, NEW ? -1 : 100));
	MUST(close(fd));
	MUST(close(p[0]));
	MUST(close(p[1]));
}

static const struct {
	const char *name;
	void (*run)(void);
	int times;
} cases[] = { { "own", own, TIMES }, { "options", options, 1 }, { "creation", creation, TIMES },
	{ "places", places, TIMES }, { "patience", patience, TIMES }, { "starts", starts, 1 } };

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	bool found = what[0] == 'x';

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(close(MUST(open("there", O_WRONLY | O_CREAT, 0600))));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_it = !strcmp(what, cases[i].name);

		for (int n = 0; is_it && n < cases[i].times; n++)
			cases[i].run();
		found |= is_it;
	}
	if (what[0] == 'x')
		harmful(what);
	printf("end\n");
	return found ? 0 : 2;
}
