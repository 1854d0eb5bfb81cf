/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay PORT MILLISECONDS: a far-away server, on one machine. Listens on a free port of loopback,
 * which it prints, and passes on to PORT what comes, each direction that much later: a connection
 * is made, a byte arrives and an end is seen after MILLISECONDS, so a round trip takes twice as
 * long. What is on its way is not bounded by the delay: bytes are held as a long cable holds them.
 * Runs until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	  65536
#define HELD_MAX  (8u << 20) /* in one direction; more is left in the sender's socket */
#define PAIRS_MAX 1024

struct piece {
	struct piece *next;
	uint64_t due;
	size_t len, sent; /* len 0: the end */
	char data[];
};

struct way {
	struct piece *first, *last;
	size_t held;
	int ended; /* the sender has said that nothing more comes */
};

struct pair {
	int fd[2];	   /* the client's, the server's; the second is -1 until it is connected */
	struct way way[2]; /* from fd[0] to fd[1], and back */
	uint64_t connects; /* when the server sees the connection */
};

static struct pair *pairs[PAIRS_MAX];
static int n_pairs;
static uint64_t delay;
static struct sockaddr_in server;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void make_prompt(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct pair *p;

	if (fd < 0)
		return;
	p = n_pairs < PAIRS_MAX ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		close(fd);
		return;
	}
	make_prompt(fd);
	p->fd[0] = fd;
	p->fd[1] = -1;
	p->connects = now() + delay;
	pairs[n_pairs++] = p;
}

static int connect_server(struct pair *p)
{
	p->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd[1] < 0 || connect(p->fd[1], (struct sockaddr *)&server, sizeof(server)) < 0)
		return -1;
	make_prompt(p->fd[1]);
	return 0;
}

static void drop(int i)
{
	struct pair *p = pairs[i];

	for (int w = 0; w < 2; w++) {
		while (p->way[w].first) {
			struct piece *piece = p->way[w].first;

			p->way[w].first = piece->next;
			free(piece);
		}
		if (p->fd[w] >= 0)
			close(p->fd[w]);
	}
	free(p);
	pairs[i] = pairs[--n_pairs];
}

/* -1: the connection is broken. */
static int take_in(struct pair *p, int w)
{
	static char buf[CHUNK];
	struct way *way = &p->way[w];
	ssize_t n = read(p->fd[w], buf, sizeof(buf));
	struct piece *piece;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	piece = malloc(sizeof(*piece) + n);
	if (!piece)
		fail("malloc");
	*piece = (struct piece){ .due = now() + delay, .len = n };
	memcpy(piece->data, buf, n);
	if (way->first)
		way->last->next = piece;
	else
		way->first = piece;
	way->last = piece;
	way->held += n;
	way->ended = n == 0;
	return 0;
}

/* Hands on what is due. -1: the connection is broken. */
static int give_out(struct pair *p, int w, uint64_t at)
{
	struct way *way = &p->way[w];
	int to = p->fd[!w];

	while (way->first && way->first->due <= at) {
		struct piece *piece = way->first;

		if (!piece->len)
			shutdown(to, SHUT_WR);
		while (piece->sent < piece->len) {
			ssize_t n = send(to, piece->data + piece->sent, piece->len - piece->sent,
				MSG_NOSIGNAL);

			if (n < 0)
				return errno == EAGAIN || errno == EINTR ? 0 : -1;
			piece->sent += n;
		}
		way->held -= piece->len;
		way->first = piece->next;
		free(piece);
	}
	return 0;
}

static int is_over(const struct pair *p)
{
	return p->way[0].ended && p->way[1].ended && !p->way[0].first && !p->way[1].first;
}

/* The next moment at which something is due, and what to listen to until then. */
static uint64_t look_ahead(struct pollfd *polls, uint64_t at)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < n_pairs; i++) {
		const struct pair *p = pairs[i];

		if (p->fd[1] < 0 && p->connects < next)
			next = p->connects;
		for (int w = 0; w < 2; w++) {
			const struct piece *first = p->way[w].first;
			struct pollfd *from = &polls[2 * i + w], *to = &polls[2 * i + !w];

			from->fd = p->fd[w];
			if (!p->way[w].ended && p->way[w].held < HELD_MAX)
				from->events |= POLLIN;
			if (!first || p->fd[1] < 0)
				continue;
			if (first->due <= at)
				to->events |= POLLOUT;
			else if (first->due < next)
				next = first->due;
		}
		/* One that has hung up would end every wait. */
		for (int w = 0; w < 2; w++) {
			if (!polls[2 * i + w].events)
				polls[2 * i + w].fd = -1;
		}
	}
	return next;
}

static int serve_pair(struct pair *p, const struct pollfd *polls, uint64_t at)
{
	if (p->fd[1] < 0 && p->connects <= at && connect_server(p) < 0)
		return -1;
	for (int w = 0; w < 2; w++) {
		if ((polls[w].revents & (POLLIN | POLLHUP | POLLERR)) && !p->way[w].ended &&
			take_in(p, w) < 0)
			return -1;
	}
	if (p->fd[1] < 0)
		return 0;
	return give_out(p, 0, at) < 0 || give_out(p, 1, at) < 0 || is_over(p) ? -1 : 0;
}

static void serve(int listener)
{
	static struct pollfd polls[2 * PAIRS_MAX + 1];

	for (;;) {
		uint64_t at = now(), next;
		struct timespec wait;
		int n = n_pairs;

		memset(polls, 0, sizeof(polls));
		next = look_ahead(polls, at);
		polls[2 * n] = (struct pollfd){ .fd = listener, .events = POLLIN };
		next = next > at ? next - at : 0;
		wait = (struct timespec){ next / 1000000000, next % 1000000000 };
		if (ppoll(polls, 2 * n + 1, next < UINT64_MAX / 2 ? &wait : NULL, NULL) < 0 &&
			errno != EINTR)
			fail("poll");
		at = now();
		/* From the last one: dropping moves the last into the gap. */
		for (int i = n - 1; i >= 0; i--) {
			if (serve_pair(pairs[i], &polls[2 * i], at) < 0)
				drop(i);
		}
		if (polls[2 * n].revents)
			accept_one(listener);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t len = sizeof(here);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 3 || atoi(argv[1]) < 1 || atoi(argv[2]) < 0) {
		fprintf(stderr, "Usage: relay PORT MILLISECONDS\n");
		return 2;
	}
	delay = atoi(argv[2]) * 1000000ull;
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = here;
	server.sin_port = htons(atoi(argv[1]));
	if (listener < 0 || bind(listener, (struct sockaddr *)&here, len) < 0 ||
		listen(listener, 128) < 0 ||
		getsockname(listener, (struct sockaddr *)&here, &len) < 0)
		fail("socket");
	printf("%d\n", ntohs(here.sin_port));
	fflush(stdout);
	serve(listener);
}
