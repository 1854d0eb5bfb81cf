/* SPDX-License-Identifier: Apache-2.0 */
/* canary PORT: a server of lines on loopback, one reply a line; see canary_new.c. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

#define CONNS 32

struct conn {
	int fd;
	size_t len;
	char line[512];
};

static struct conn conns[CONNS];
static unsigned long served;

static void answer(struct conn *conn, const char *line)
{
	char reply[600];
	int n;

	if (NEW && strcmp(line, "crash") == 0)
		*(volatile int *)16 = 1;
	if (strcmp(line, "differ") == 0)
		n = snprintf(reply, sizeof(reply), "%s says hello\n", NEW ? "new" : "old");
	else
		n = snprintf(reply, sizeof(reply), "%lu %s\n", ++served, line);
	MUST(write(conn->fd, reply, n));
}

static void serve(struct conn *conn)
{
	ssize_t n = read(conn->fd, conn->line + conn->len, sizeof(conn->line) - conn->len);
	char *end;

	if (n <= 0) {
		close(conn->fd);
		conn->fd = -1;
		conn->len = 0;
		return;
	}
	conn->len += n;
	while ((end = memchr(conn->line, '\n', conn->len))) {
		size_t used = end + 1 - conn->line;

		*end = '\0';
		answer(conn, conn->line);
		memmove(conn->line, conn->line + used, conn->len - used);
		conn->len -= used;
	}
	if (conn->len == sizeof(conn->line))
		conn->len = 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(argc > 1 ? atoi(argv[1]) : 0),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = MUST(socket(AF_INET, SOCK_STREAM, 0));

	if (argc < 2)
		return 0;
	MUST(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	MUST(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	MUST(listen(fd, 8));
	for (int i = 0; i < CONNS; i++)
		conns[i].fd = -1;
	for (;;) {
		struct pollfd p[CONNS + 1] = { { fd, POLLIN, 0 } };
		int i;

		for (i = 0; i < CONNS; i++)
			p[i + 1] = (struct pollfd){ conns[i].fd, POLLIN, 0 };
		MUST(poll(p, CONNS + 1, -1));
		for (i = 0; i < CONNS; i++) {
			if (p[i + 1].revents)
				serve(&conns[i]);
		}
		if (!p[0].revents)
			continue;
		for (i = 0; i < CONNS && conns[i].fd >= 0; i++) {
		}
		if (i < CONNS)
			conns[i].fd = MUST(accept(fd, NULL, NULL));
	}
}
