/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "mxm/canon.h"
#include "mxm/install.h"
#include "mxm/late.h"
#include "mxm/vectors.h"

static bool receives(uint64_t flags, struct transfer *ret)
{
	ret->now = flags & MSG_DONTWAIT;
	ret->all = flags & MSG_WAITALL;
	ret->peek = flags & MSG_PEEK;
	return !((uint32_t)flags & ~(uint32_t)(MSG_DONTWAIT | MSG_WAITALL | MSG_PEEK |
					       MSG_NOSIGNAL | MSG_CMSG_CLOEXEC));
}

/* MSG_MORE: the same bytes, a little later perhaps. */
static bool sends(uint64_t flags, const struct str *in, struct transfer *ret)
{
	ret->write = true;
	ret->now = flags & MSG_DONTWAIT;
	if ((uint32_t)flags & ~(uint32_t)(MSG_NOSIGNAL | MSG_MORE | MSG_DONTWAIT))
		return false;
	ret->data = ret->shape == MESSAGE ? canon_message_payload(in, &ret->len)
					  : canon_payload(in, ret->shape == VECTOR, &ret->len);
	return ret->data != NULL;
}

bool transfer_of(const struct call *call, const struct str *in, struct transfer *ret)
{
	const uint64_t *a = call->args;

	*ret = (struct transfer){ .fd = (int)a[0], .len = a[2] };
	switch (call->nr) {
	case SYS_read:
		return true;
	case SYS_readv:
		ret->shape = VECTOR;
		return canon_vector_len(in, &ret->len);
	case SYS_recvfrom:
		ret->address = a[4] != 0;
		return receives(a[3], ret);
	case SYS_recvmsg:
		ret->shape = MESSAGE;
		return receives(a[2], ret) && canon_message_room(in, &ret->len, &ret->address);
	case SYS_write:
		return sends(0, in, ret);
	case SYS_writev:
		ret->shape = VECTOR;
		return sends(0, in, ret);
	case SYS_sendto:
		return !a[4] && sends(a[3], in, ret);
	case SYS_sendmsg:
		ret->shape = MESSAGE;
		return sends(a[2], in, ret);
	}
	return false;
}

enum stream transfer_stream(const struct task *task, int fd)
{
	socklen_t len = sizeof(int);
	struct stat st;
	char path[64];
	int type = 0, copy;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tracee.tid, fd);
	if (stat(path, &st) < 0)
		return late_is_file(task, fd) ? STREAM_FILE : STREAM_NOT;
	if (S_ISREG(st.st_mode))
		return STREAM_FILE;
	if (S_ISFIFO(st.st_mode))
		return STREAM_FLOW;
	if (S_ISCHR(st.st_mode)) /* ttys and pseudo terminals */
		return major(st.st_rdev) == 4 ||
				       (major(st.st_rdev) >= 136 && major(st.st_rdev) < 144)
			       ? STREAM_FLOW
			       : STREAM_NOT;
	if (!S_ISSOCK(st.st_mode))
		return STREAM_NOT;
	copy = install_copy(task, fd);
	if (copy < 0)
		return STREAM_NOT;
	if (getsockopt(copy, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		type = 0;
	close(copy);
	return type == SOCK_STREAM ? STREAM_FLOW : type ? STREAM_MESSAGES : STREAM_NOT;
}

bool transfer_is_socket(const struct task *task, int fd)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tracee.tid, fd);
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

const char *transfer_bytes(const struct event *event, size_t *ret_len)
{
	const char *data = event->result > 0 && !event->nfds
				   ? canon_read(&event->call, &event->out, ret_len)
				   : NULL;

	return data && *ret_len == (size_t)event->result ? data : NULL;
}

bool transfer_has_address(const struct task *task, int fd)
{
	cleanup_close int copy = install_copy(task, fd);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	/* Of connected sockets only those of AF_UNIX tell, if the other end has a name. */
	return copy < 0 || getpeername(copy, (struct sockaddr *)&peer, &len) < 0 ||
	       (peer.ss_family == AF_UNIX && len > sizeof(peer.ss_family));
}

static int scatter(struct task *task, const struct iovec *iov, int n, size_t skip, const char *data,
	size_t len)
{
	int rc = 0;

	for (int i = 0; i < n && len && rc == 0; i++) {
		size_t off = least(skip, iov[i].iov_len), here = least(iov[i].iov_len - off, len);

		rc = tracee_write(
			&task->tracee, raddr((uint64_t)iov[i].iov_base + off), data, here);
		skip -= off;
		data += here;
		len -= here;
	}
	return rc == 0 && len ? -EFAULT : rc;
}

/* A message's header, where nothing but bytes has come. */
static int put_header(struct task *task, struct msghdr *m)
{
	const struct raddr at = raddr(task->call.args[1]);
	int rc = tracee_read(&task->tracee, at, m, sizeof(*m));

	if (rc < 0)
		return rc;
	m->msg_namelen = 0;
	m->msg_controllen = 0;
	m->msg_flags = (int)task->call.args[2] & MSG_CMSG_CLOEXEC;
	return tracee_write(&task->tracee, at, m, sizeof(*m));
}

static int put_no_address(struct task *task, const struct transfer *t)
{
	const uint32_t none = 0;

	return t->address && task->call.args[5]
		       ? tracee_write(&task->tracee, raddr(task->call.args[5]), &none, sizeof(none))
		       : 0;
}

int transfer_put(struct task *task, const struct transfer *t, const char *data, size_t len)
{
	const uint64_t *a = task->call.args;
	cleanup_free struct iovec *iov = NULL;
	struct msghdr m = { .msg_iov = (void *)a[1], .msg_iovlen = a[2] };
	int n;

	if (t->shape == BUFFER) {
		n = put_no_address(task, t);
		return n < 0 ? n : tracee_write(&task->tracee, raddr(a[1] + task->done), data, len);
	}
	n = t->shape == MESSAGE ? put_header(task, &m) : 0;
	if (n == 0)
		n = vectors_read(task, (uint64_t)m.msg_iov, m.msg_iovlen, &iov);
	return n < 0 ? n : scatter(task, iov, n, task->done, data, len);
}
