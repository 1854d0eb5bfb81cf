/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/near.h"
#include "base/xalloc.h"
#include "ctl/address.h"
#include "ctl/wire.h"

#define CONNS_MAX	16
#define BACKLOG_MAX	(4u << 20) /* bytes that a client has not taken: then it is let go */
#define EVENTS_ROOM	(64u << 10)
#define IDLE_SECONDS	60
#define CLOSING_SECONDS 2
#define TICK_MS		1000
#define STATUS_MAX	65536
#define OVERFLOW_UID	65534 /* a user whom the engine's user namespace does not know */

struct ctl_conn {
	int fd; /* -1: free */
	struct str in, out;
	bool follows;
	bool closing;  /* it is told so, and what it still says is not read */
	bool finished; /* told: waits for the other end to close */
	uint64_t seq;
	time_t since;
};

struct ctl_server {
	char *path;
	int listen_fd, wake_fd;
	struct stat made; /* the socket's inode: only that one is removed */
	struct recent *recent;
	const struct ctl_ops *ops;
	void *arg;
	pthread_t thread;
	bool started;
	bool stopping; /* atomic */
	struct ctl_conn conns[CONNS_MAX];
};

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Is a socket at that place that somebody serves? */
static bool is_served(const struct sockaddr_un *address)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
				  errno == EAGAIN);
}

static int bind_at(int fd, const char *path, struct err *err)
{
	struct sockaddr_un address;
	cleanup_close int dir = -1;
	struct stat st;
	mode_t mask;
	int rc = address_of(path, &address, &dir, err);

	if (rc < 0)
		return rc;
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_set(err, EEXIST, "%s exists and is no socket", path);
		if (is_served(&address))
			return err_set(err, EADDRINUSE, "%s: another engine serves it", path);
		if (unlink(path) < 0)
			return err_errno(err, errno, "remove %s", path);
	}
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
	umask(mask);
	return rc ? err_errno(err, rc, "%s", path) : 0;
}

static int listen_at(const char *path, int *ret_fd, struct err *err)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "socket");
	rc = bind_at(fd, path, err);
	if (rc < 0)
		return rc;
	if (listen(fd, CONNS_MAX) < 0)
		return err_errno(err, errno, "listen");
	*ret_fd = take_fd(&fd);
	return 0;
}

int ctl_server_open(
	const char *path, struct recent *recent, struct ctl_server **ret_server, struct err *err)
{
	cleanup_close int fd = -1;
	struct ctl_server *s;
	int rc = path ? listen_at(path, &fd, err) : 0;

	if (rc < 0)
		return err_context(err, "control socket");
	s = xzalloc(sizeof(*s));
	s->path = path ? xstrdup(path) : NULL;
	if (path)
		(void)lstat(path, &s->made);
	s->listen_fd = take_fd(&fd);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->recent = recent;
	for (int i = 0; i < CONNS_MAX; i++)
		s->conns[i].fd = -1;
	*ret_server = s;
	return 0;
}

/* The number behind "\nTracerPid:\t", which is one of our threads for a process of the program. */
static bool is_traced_by_us(pid_t pid, bool *ret_gone)
{
	cleanup_str struct str text = STR_INIT;
	char path[64];
	const char *at;
	long tracer;

	*ret_gone = false;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (io_read_file(path, STATUS_MAX, &text, NULL) < 0) {
		*ret_gone = true;
		return false;
	}
	at = strstr(str_text(&text), "\nTracerPid:\t");
	tracer = at ? strtol(at + strlen("\nTracerPid:\t"), NULL, 10) : 0;
	if (tracer <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%ld", tracer);
	return access(path, F_OK) == 0;
}

/* NULL: it may talk to the engine. A process id of 0 is one of outside the container. */
static const char *why_refused(int fd)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	bool gone;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return "nothing is known of the caller";
	if (peer.uid != geteuid() && peer.uid != 0 && peer.uid != OVERFLOW_UID)
		return "only the engine's own user and the superuser may";
	if (!peer.pid)
		return NULL;
	if (is_traced_by_us(peer.pid, &gone))
		return "a program may not steer the engine that it runs under";
	return gone ? "the caller is gone" : NULL;
}

static void conn_close(struct ctl_conn *conn)
{
	close(conn->fd);
	str_free(&conn->in);
	str_free(&conn->out);
	*conn = (struct ctl_conn){ .fd = -1 };
}

static void put_refusal(struct ctl_conn *conn, const char *why)
{
	conn->since = seconds();
	str_printf(&conn->out,
		"{\"mx\":%d,\"ok\":false,\"error\":\"%s\",\"code\":\"" CTL_CODE_REFUSED "\"}\n",
		CTL_PROTOCOL, why);
	conn->closing = true;
}

/* A free place; where there is none, that of the caller which has said nothing for longest. */
static struct ctl_conn *place_for_conn(struct ctl_server *s)
{
	struct ctl_conn *silent = NULL;

	for (int i = 0; i < CONNS_MAX; i++) {
		struct ctl_conn *conn = &s->conns[i];

		if (conn->fd < 0)
			return conn;
		if (!conn->follows && (!silent || conn->since < silent->since))
			silent = conn;
	}
	if (silent)
		conn_close(silent);
	return silent;
}

static void accept_one(struct ctl_server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ctl_conn *conn;
	const char *why;

	if (fd < 0)
		return;
	conn = place_for_conn(s);
	if (!conn) {
		close(fd); /* all follow the events: the caller sees the end of the connection */
		return;
	}
	*conn = (struct ctl_conn){ .fd = fd, .since = seconds() };
	why = why_refused(fd);
	if (why)
		put_refusal(conn, why);
}

void ctl_answer(struct ctl_conn *conn, const struct str *line)
{
	str_append(&conn->out, line->data, line->len);
	str_putc(&conn->out, '\n');
}

void ctl_follow(struct ctl_conn *conn, uint64_t seq)
{
	conn->follows = true;
	conn->seq = seq;
}

static void take_lines(struct ctl_server *s, struct ctl_conn *conn)
{
	size_t begin = 0;
	char *end;

	while (begin < conn->in.len && !conn->closing &&
		(end = memchr(conn->in.data + begin, '\n', conn->in.len - begin))) {
		size_t len = end - (conn->in.data + begin);

		s->ops->request(s->arg, conn, conn->in.data + begin, len);
		begin += len + 1;
	}
	memmove(conn->in.data, conn->in.data + begin, conn->in.len - begin);
	conn->in.len -= begin;
	if (conn->in.len > CTL_REQUEST_MAX)
		put_refusal(conn, "the request is too long");
}

static void conn_read(struct ctl_server *s, struct ctl_conn *conn)
{
	ssize_t n = read(conn->fd, str_reserve(&conn->in, CTL_REQUEST_MAX), CTL_REQUEST_MAX);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(conn);
		return;
	}
	if (conn->closing)
		return;
	conn->in.len += n;
	conn->since = seconds();
	take_lines(s, conn);
}

static void conn_write(struct ctl_conn *conn)
{
	ssize_t n = conn->out.len ? send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		conn_close(conn);
		return;
	}
	if (n > 0) {
		memmove(conn->out.data, conn->out.data + n, conn->out.len - n);
		conn->out.len -= n;
	}
	/* Closing what has unread input would take the answer away from the client. */
	if (!conn->out.len && conn->closing && !conn->finished)
		conn->finished = shutdown(conn->fd, SHUT_WR) == 0;
	else if (conn->out.len > BACKLOG_MAX)
		conn_close(conn);
}

static void put_events(struct ctl_server *s, struct ctl_conn *conn)
{
	uint64_t lost;

	/* What it has not taken yet stays in the ring as long as there is room. */
	if (!conn->follows || conn->closing || conn->out.len > EVENTS_ROOM)
		return;
	lost = recent_get(s->recent, &conn->seq, EVENTS_ROOM, &conn->out);
	if (lost)
		str_printf(&conn->out, "{\"event\":\"lost\",\"count\":%lu}\n", lost);
}

static void serve_conn(struct ctl_server *s, struct ctl_conn *conn, short revents)
{
	if (revents & (POLLIN | POLLHUP | POLLERR))
		conn_read(s, conn);
	if (conn->fd >= 0)
		put_events(s, conn);
	if (conn->fd >= 0)
		conn_write(conn);
	if (conn->fd >= 0 && !conn->follows &&
		seconds() - conn->since > (conn->closing ? CLOSING_SECONDS : IDLE_SECONDS))
		conn_close(conn);
}

static void serve(struct ctl_server *s, int timeout_ms)
{
	struct pollfd p[CONNS_MAX + 3];

	p[0] = (struct pollfd){ s->listen_fd, POLLIN, 0 };
	p[1] = (struct pollfd){ s->wake_fd, POLLIN, 0 };
	p[2] = (struct pollfd){ recent_fd(s->recent), POLLIN, 0 };
	for (int i = 0; i < CONNS_MAX; i++) {
		const struct ctl_conn *conn = &s->conns[i];

		p[i + 3] = (struct pollfd){ conn->fd, POLLIN, 0 };
		if (conn->out.len)
			p[i + 3].events |= POLLOUT;
	}
	if (poll(p, CONNS_MAX + 3, timeout_ms) < 0)
		return;
	if (p[2].revents)
		recent_seen(s->recent);
	for (int i = 0; i < CONNS_MAX; i++) {
		if (s->conns[i].fd >= 0)
			serve_conn(s, &s->conns[i], p[i + 3].revents);
	}
	if (p[0].revents)
		accept_one(s);
}

static bool has_more(struct ctl_server *s)
{
	bool more = false;

	for (int i = 0; i < CONNS_MAX; i++)
		more |= s->conns[i].fd >= 0 && s->conns[i].out.len;
	return more;
}

static void *run(void *arg)
{
	struct ctl_server *s = arg;
	time_t ticked = seconds(), end;

	while (!__atomic_load_n(&s->stopping, __ATOMIC_ACQUIRE)) {
		serve(s, TICK_MS);
		if (seconds() == ticked)
			continue;
		ticked = seconds();
		s->ops->tick(s->arg);
	}
	for (int i = 0; i < CONNS_MAX; i++) {
		if (s->conns[i].fd >= 0)
			put_events(s, &s->conns[i]);
	}
	for (end = seconds() + 1; has_more(s) && seconds() <= end;)
		serve(s, 50);
	return NULL;
}

int ctl_server_start(struct ctl_server *s, const struct ctl_ops *ops, void *arg, struct err *err)
{
	sigset_t all, before;
	int rc;

	s->ops = ops;
	s->arg = arg;
	/* No signal that is meant for the engine may end up here. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = near_thread(&s->thread, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return err_errno(err, rc, "control socket: cannot start a thread");
	s->started = true;
	return 0;
}

void ctl_server_close(struct ctl_server *s)
{
	const uint64_t one = 1;
	struct stat now;

	if (!s)
		return;
	__atomic_store_n(&s->stopping, true, __ATOMIC_RELEASE);
	(void)!write(s->wake_fd, &one, sizeof(one));
	if (s->started)
		pthread_join(s->thread, NULL);
	for (int i = 0; i < CONNS_MAX; i++) {
		if (s->conns[i].fd >= 0)
			conn_close(&s->conns[i]);
	}
	if (s->path && lstat(s->path, &now) == 0 && now.st_ino == s->made.st_ino &&
		now.st_dev == s->made.st_dev)
		unlink(s->path);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	close(s->wake_fd);
	free(s->path);
	free(s);
}
