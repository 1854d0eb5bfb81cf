/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/xalloc.h"

#define REQUEST_MAX 8192
#define PATIENCE_MS 5000
#define BACKLOG	    16

/* Numbers only: a static program cannot ask NSS. */
static int parse_address(const char *where, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	const char *colon = strrchr(where, ':');
	cleanup_free char *host = colon ? xstrndup(where, colon - where) : xstrdup("127.0.0.1");
	size_t len = strlen(host);
	long port;

	if (str_to_long(colon ? colon + 1 : where, 1, 65535, &port) < 0)
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*in6);
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	*ret_len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

int http_listen(const char *where, int *ret_fd, struct err *err)
{
	struct sockaddr_storage address;
	cleanup_close int fd = -1;
	socklen_t len;
	int one = 1;

	if (parse_address(where, &address, &len) < 0)
		return err_set(
			err, EINVAL, "'%s' is no PORT, ADDRESS:PORT or [ADDRESS]:PORT", where);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(err, errno, "listen at %s", where);
	*ret_fd = take_fd(&fd);
	return 0;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool wait_for(int fd, short what, long until)
{
	struct pollfd p = { fd, what, 0 };
	long left = until - now_ms();

	return left > 0 && poll(&p, 1, (int)left) > 0;
}

/* The request's head, up to the empty line. */
static int read_head(int fd, struct str *head)
{
	long until = now_ms() + PATIENCE_MS;

	while (!strstr(str_text(head), "\r\n\r\n") && !strstr(str_text(head), "\n\n")) {
		ssize_t n;

		if (head->len >= REQUEST_MAX || !wait_for(fd, POLLIN, until))
			return -EINVAL;
		n = recv(fd, str_reserve(head, 1024), 1024, MSG_DONTWAIT);
		if (n <= 0)
			return -EINVAL;
		head->len += n;
		head->data[head->len] = '\0';
	}
	return 0;
}

static void send_all(int fd, const struct str *s)
{
	long until = now_ms() + PATIENCE_MS;

	for (size_t sent = 0; sent < s->len;) {
		ssize_t n;

		if (!wait_for(fd, POLLOUT, until))
			return;
		n = send(fd, s->data + sent, s->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		sent += n > 0 ? n : 0;
	}
}

static void put_answer(
	struct str *out, const char *status, const char *type, const char *body, bool with_body)
{
	str_printf(out,
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: "
		"close\r\n\r\n",
		status, type, strlen(body));
	if (with_body)
		str_puts(out, body);
}

static void answer(int fd, void (*page)(void *arg, struct str *out), void *arg)
{
	cleanup_str struct str head = STR_INIT, body = STR_INIT, out = STR_INIT;
	const char *path;
	bool get;

	if (read_head(fd, &head) < 0) {
		put_answer(&out, "400 Bad Request", "text/plain", "no request\n", true);
		send_all(fd, &out);
		return;
	}
	get = str_starts(head.data, "GET ");
	path = strchr(head.data, ' ');
	if (!get && !str_starts(head.data, "HEAD ")) {
		put_answer(&out, "405 Method Not Allowed", "text/plain", "GET or HEAD\n", true);
	} else if (str_starts(path, " /metrics ") || str_starts(path, " /metrics?")) {
		page(arg, &body);
		put_answer(&out, "200 OK", "text/plain; version=0.0.4; charset=utf-8",
			str_text(&body), get);
	} else {
		put_answer(&out, "404 Not Found", "text/plain", "there is /metrics\n", get);
	}
	send_all(fd, &out);
	shutdown(fd, SHUT_WR);
}

int http_serve_one(int listen_fd, void (*page)(void *arg, struct str *out), void *arg)
{
	cleanup_close int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		answer(fd, page, arg);
		return 0;
	}
	/* The client's affairs, not the listening socket's: accept(2), "Error handling". */
	return errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EOPNOTSUPP
		       ? -errno
		       : 0;
}
