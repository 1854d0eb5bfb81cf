/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/xalloc.h"
#include "ctl/wire.h"

struct ctl_client {
	int fd;
	int timeout_ms;
	char *path;
	struct str in;
	size_t begin; /* of what was not given out yet */
};

int ctl_client_open(
	const char *path, int timeout_ms, struct ctl_client **ret_client, struct err *err)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* In a container's state its user could have put a link there, to another's socket. */
	cleanup_close int at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ctl_client *c;
	struct stat st;

	if (fd < 0)
		return err_errno(err, errno, "socket");
	if (at < 0 || fstat(at, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, EINVAL, "%s is no socket", path);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", at);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(err, errno, "%s", path);
	c = xzalloc(sizeof(*c));
	c->fd = take_fd(&fd);
	c->timeout_ms = timeout_ms;
	c->path = xstrdup(path);
	*ret_client = c;
	return 0;
}

void ctl_client_close(struct ctl_client *c)
{
	if (!c)
		return;
	close(c->fd);
	str_free(&c->in);
	free(c->path);
	free(c);
}

static int wait_for(struct ctl_client *c, short what, int timeout_ms, struct err *err)
{
	struct pollfd p = { c->fd, what, 0 };
	int n;

	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(err, ETIMEDOUT, "%s: the engine does not answer", c->path);
	return n < 0 ? err_errno(err, errno, "%s", c->path) : 0;
}

int ctl_client_send(struct ctl_client *c, const char *line, struct err *err)
{
	cleanup_free char *text = xasprintf("%s\n", line);
	size_t len = strlen(text), sent = 0;

	while (sent < len) {
		int rc = wait_for(c, POLLOUT, c->timeout_ms, err);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = send(c->fd, text + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_errno(err, errno, "%s", c->path);
		sent += n > 0 ? n : 0;
	}
	return 0;
}

static bool take_line(struct ctl_client *c, const char **ret_line)
{
	char *at = c->in.len > c->begin ? c->in.data + c->begin : NULL;
	char *end = at ? memchr(at, '\n', c->in.len - c->begin) : NULL;

	if (!end)
		return false;
	*end = '\0';
	*ret_line = at;
	c->begin = end + 1 - c->in.data;
	return true;
}

int ctl_client_line(struct ctl_client *c, int timeout_ms, const char **ret_line, struct err *err)
{
	for (;;) {
		ssize_t n;
		int rc;

		if (take_line(c, ret_line))
			return 0;
		if (c->begin) {
			memmove(c->in.data, c->in.data + c->begin, c->in.len - c->begin);
			c->in.len -= c->begin;
			c->begin = 0;
		}
		if (c->in.len > CTL_ANSWER_MAX)
			return err_set(err, EMSGSIZE, "%s: the answer is too long", c->path);
		rc = wait_for(c, POLLIN, timeout_ms, err);
		if (rc < 0)
			return rc;
		n = read(c->fd, str_reserve(&c->in, 65536), 65536);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0 && errno != ECONNRESET)
			return err_errno(err, errno, "%s", c->path);
		if (n <= 0) {
			*ret_line = NULL;
			return 0;
		}
		c->in.len += n;
	}
}
