/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/notify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/str.h"
#include "base/xalloc.h"

#define ANSWER_MAX 4096

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0; -ETIMEDOUT; or -errno. */
static int wait_for(int fd, short what, long until)
{
	struct pollfd p = { fd, what, 0 };
	long left;
	int n;

	do {
		left = until - now_ms();
		n = left > 0 ? poll(&p, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

/* All of it, on a descriptor that does not block. */
static int write_until(int fd, const char *data, size_t len, long until)
{
	while (len) {
		ssize_t n = write(fd, data, len);
		int rc;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		rc = errno == EAGAIN ? wait_for(fd, POLLOUT, until) : -errno;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* a program */

static _Noreturn void be_program(const char *program, int input)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (setpgid(0, 0) < 0 || dup2(input, STDIN_FILENO) < 0)
		_exit(126);
	execlp(program, program, (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static int reap(pid_t pid, long until, int *ret_status)
{
	cleanup_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int rc = fd < 0 ? -errno : wait_for(fd, POLLIN, until);

	/* What it has left behind counts as much. */
	if (rc < 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return rc;
}

int notify_program(const char *program, const char *line, int within_ms, struct err *err)
{
	const long until = now_ms() + within_ms;
	int pipefd[2], status = 0, rc;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	pid = fork();
	if (pid == 0)
		be_program(program, pipefd[0]);
	close(pipefd[0]);
	if (pid < 0) {
		close(pipefd[1]);
		return err_errno(err, errno, "fork");
	}
	setpgid(pid, pid); /* whoever comes first */
	rc = fcntl(pipefd[1], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (rc == 0)
		rc = write_until(pipefd[1], line, strlen(line), until);
	if (rc == 0)
		rc = write_until(pipefd[1], "\n", 1, until);
	close(pipefd[1]);
	/* EPIPE: it does not want to read, which is its own affair. */
	rc = reap(pid, rc == -ETIMEDOUT ? now_ms() : until, &status);
	if (rc == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "%s did not end within %d ms", program, within_ms);
	if (rc < 0)
		return err_errno(err, -rc, "waiting for %s", program);
	if (WIFSIGNALED(status))
		return err_set(err, EIO, "%s was ended by signal %d", program, WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(err, EIO, "%s was not found", program);
	if (WEXITSTATUS(status) == 126)
		return err_set(err, EIO, "%s cannot be executed", program);
	if (WEXITSTATUS(status))
		return err_set(err, EIO, "%s said %d", program, WEXITSTATUS(status));
	return 0;
}

/* a webhook */

struct hook {
	struct sockaddr_storage address;
	socklen_t len;
	char *host, *path;
};

static void hook_free(struct hook *h)
{
	free(h->host);
	free(h->path);
}

#define cleanup_hook __attribute__((cleanup(hook_free)))

/* ADDRESS[:PORT] */
static int parse_host(const char *text, struct hook *h)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&h->address;
	struct sockaddr_in *in = (struct sockaddr_in *)&h->address;
	bool six = text[0] == '[';
	const char *colon = six ? strstr(text, "]:") : strchr(text, ':');
	cleanup_free char *host = NULL;
	long port = 80;

	if (six && colon)
		colon++;
	host = colon ? xstrndup(text, colon - text) : xstrdup(text);
	if (colon && str_to_long(colon + 1, 1, 65535, &port) < 0)
		return -EINVAL;
	if (six) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		in6->sin6_addr = in6addr_loopback;
		h->len = sizeof(*in6);
		return strcmp(host, "[::1]") == 0 ? 0 : -EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	h->len = sizeof(*in);
	if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
		    &in->sin_addr) != 1)
		return -EINVAL;
	return ntohl(in->sin_addr.s_addr) >> 24 == 127 ? 0 : -EINVAL;
}

static int parse_unix(const char *text, struct hook *h)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&h->address;
	const char *colon = strstr(text, ":/");
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (text[0] != '/' || len >= sizeof(un->sun_path))
		return -EINVAL;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, text, len);
	h->len = sizeof(*un);
	h->host = xstrdup("localhost");
	h->path = xstrdup(colon ? colon + 1 : "/");
	return 0;
}

/* A path that would break out of its line, or its words, is none. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~')
			return false;
	}
	return true;
}

static int parse_url(const char *url, struct hook *h, struct err *err)
{
	int rc = -EINVAL;

	*h = (struct hook){ .len = 0 };
	if (str_starts(url, "unix:")) {
		rc = parse_unix(url + 5, h);
	} else if (str_starts(url, "http://")) {
		const char *rest = url + 7, *slash = strchr(rest, '/');

		h->host = slash ? xstrndup(rest, slash - rest) : xstrdup(rest);
		h->path = xstrdup(slash ? slash : "/");
		rc = parse_host(h->host, h);
	}
	if (rc < 0 || !is_plain(h->path))
		return err_set(err, EINVAL,
			"\"%.200s\" is neither http://ADDRESS[:PORT]/PATH on this machine nor "
			"unix:/SOCKET[:/PATH]; a program (curl) can tell others",
			url);
	return 0;
}

int notify_check_webhook(const char *url, struct err *err)
{
	cleanup_hook struct hook h;

	return parse_url(url, &h, err);
}

static int connect_until(const struct hook *h, long until, int *ret_fd)
{
	cleanup_close int fd =
		socket(h->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int rc, error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&h->address, h->len) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		rc = wait_for(fd, POLLOUT, until);
		if (rc < 0)
			return rc;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
			return error ? -error : -errno;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The status in the answer's first line. */
static int read_status(int fd, long until, int *ret_status)
{
	char answer[ANSWER_MAX + 1];
	size_t have = 0;

	*ret_status = 0;
	while (have < ANSWER_MAX && !memchr(answer, '\n', have)) {
		int rc = wait_for(fd, POLLIN, until);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = read(fd, answer + have, ANSWER_MAX - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	answer[have] = '\0';
	if (have < 12 || !str_starts(answer, "HTTP/1.") || answer[8] != ' ')
		return -EPROTO;
	for (int i = 9; i < 12; i++) {
		if (answer[i] < '0' || answer[i] > '9')
			return -EPROTO;
		*ret_status = *ret_status * 10 + answer[i] - '0';
	}
	return 0;
}

int notify_webhook(const char *url, const char *line, int within_ms, struct err *err)
{
	const long until = now_ms() + within_ms;
	cleanup_free char *head = NULL;
	cleanup_close int fd = -1;
	cleanup_hook struct hook h;
	int rc = parse_url(url, &h, err), status = 0;

	if (rc < 0)
		return rc;
	rc = connect_until(&h, until, &fd);
	head = xasprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		h.path, h.host, strlen(line) + 1);
	if (rc == 0)
		rc = write_until(fd, head, strlen(head), until);
	if (rc == 0)
		rc = write_until(fd, line, strlen(line), until);
	if (rc == 0)
		rc = write_until(fd, "\n", 1, until);
	if (rc == 0)
		rc = read_status(fd, until, &status);
	if (rc == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "%s did not answer within %d ms", url, within_ms);
	if (rc < 0)
		return err_errno(err, -rc, "%s", url);
	if (status / 100 != 2)
		return err_set(err, EIO, "%s answered %d", url, status);
	return 0;
}
