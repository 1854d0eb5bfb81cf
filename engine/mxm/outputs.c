/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs of a call: taken from the leader, written to a follower. The two walk the row's arguments
 * in the same order; what is taken is a sequence of blocks, each a length and its bytes.
 */
#include "mxm/canon.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/vectors.h"

/* A list of interfaces is not longer. */
#define IFCONF_MAX (1 << 20)

void canon_put_block(struct str *out, const void *data, uint32_t len)
{
	str_append(out, &len, sizeof(len));
	if (len)
		str_append(out, data, len);
}

static int take_memory(struct task *task, uint64_t at, uint64_t len, struct str *out)
{
	uint32_t n = (uint32_t)len;
	int rc;

	if (!at)
		n = 0;
	str_append(out, &n, sizeof(n));
	rc = tracee_read(&task->tracee, raddr(at), str_reserve(out, n), n);
	if (rc == -EFAULT) {
		/* The kernel could not have written there either. */
		memset(out->data + out->len, 0, n);
		rc = 0;
	}
	out->len += n;
	return rc;
}

static int take_vector(
	struct task *task, uint64_t at, uint64_t count, uint64_t len, struct str *out)
{
	cleanup_free struct iovec *iov = NULL;
	size_t start = out->len;
	uint32_t got = 0;
	int n = vectors_read(task, at, count, &iov), rc;

	if (n < 0)
		return n;
	str_append(out, &got, sizeof(got));
	rc = vectors_gather(task, iov, n, len, out);
	got = out->len - start - sizeof(got);
	memcpy(out->data + start, &got, sizeof(got));
	return rc;
}

/* name, its length, control, its length and the flags, data: in this order. */
static int take_message(
	struct task *task, uint64_t at, uint32_t name_room, uint64_t len, struct str *out)
{
	struct msghdr m;
	uint32_t name_len;
	int rc = tracee_read(&task->tracee, raddr(at), &m, sizeof(m));

	if (rc < 0)
		return rc;
	name_len = m.msg_namelen;
	canon_put_block(out, &name_len, sizeof(name_len));
	rc = take_memory(
		task, (uint64_t)m.msg_name, name_len < name_room ? name_len : name_room, out);
	if (rc == 0)
		rc = take_memory(
			task, (uint64_t)m.msg_control, m.msg_control ? m.msg_controllen : 0, out);
	canon_put_block(out, &m.msg_controllen, sizeof(m.msg_controllen));
	canon_put_block(out, &m.msg_flags, sizeof(m.msg_flags));
	if (rc == 0)
		rc = take_vector(task, (uint64_t)m.msg_iov, m.msg_iovlen, len, out);
	return rc;
}

static int take_messages(
	struct task *task, const struct sys_arg *arg, int i, int64_t result, struct str *out)
{
	for (int64_t k = 0; k < result; k++) {
		uint64_t at = task->call.args[i] + k * sizeof(struct mmsghdr);
		uint32_t len;
		int rc = tracee_read(&task->tracee, raddr(at + offsetof(struct mmsghdr, msg_len)),
			&len, sizeof(len));

		if (rc < 0)
			return rc;
		canon_put_block(out, &len, sizeof(len));
		if (arg->kind == ARG_MMSG_OUT)
			rc = take_message(task, at, sizeof(struct sockaddr_storage), len, out);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static uint64_t out_bytes(struct task *task, const struct sys_arg *arg, int i, int64_t result)
{
	const uint64_t *args = task->call.args;
	uint32_t word = 0;

	if (arg->len == LEN_PTR || arg->len == LEN_SELF) {
		uint64_t at =
			arg->len == LEN_PTR ? args[(int)arg->from] : args[i] + (uint64_t)arg->from;

		if (tracee_read(&task->tracee, raddr(at), &word, sizeof(word)) < 0)
			return 0;
		if (word > task->lens[i] && (arg->len == LEN_PTR || arg->kind == ARG_INOUT))
			word = task->lens[i];
	}
	return sys_arg_bytes(task->call.row, i, args, word, result);
}

/* Has the kernel written this buffer? */
static bool is_written(const struct sys_arg *arg, int64_t result)
{
	return result < 0 ? (arg->when & ARG_ON_ERROR) : !(arg->when & ARG_NOT_ON_RESULT);
}

static int take_polls(struct task *task, int i, uint64_t count, struct str *out)
{
	cleanup_free struct pollfd *p = NULL;
	uint32_t n = (uint32_t)count > 65536 ? 0 : (uint32_t)count;
	int rc;

	p = xreallocarray(NULL, n + 1, sizeof(*p));
	rc = tracee_read(&task->tracee, raddr(task->call.args[i]), p, n * sizeof(*p));
	if (rc < 0)
		return rc;
	for (uint32_t k = 0; k < n; k++)
		canon_put_block(out, &p[k].revents, sizeof(p[k].revents));
	return 0;
}

/* The list's length, and the list, where the caller has one. */
static int take_ifconf(struct task *task, uint64_t at, struct str *out)
{
	struct ifconf conf;
	int rc = tracee_read(&task->tracee, raddr(at), &conf, sizeof(conf));

	if (rc < 0)
		return rc;
	canon_put_block(out, &conf.ifc_len, sizeof(conf.ifc_len));
	return take_memory(task, (uint64_t)conf.ifc_buf,
		conf.ifc_len > 0 && conf.ifc_len <= IFCONF_MAX ? (uint64_t)conf.ifc_len : 0, out);
}

static int take_arg(
	struct task *task, const struct sys_arg *arg, int i, int64_t result, struct str *out)
{
	const uint64_t *args = task->call.args;
	uint64_t count = arg->from >= 0 ? sys_arg_value(task->call.row, arg->from, args) : 0;
	struct msghdr m;
	uint32_t room;

	switch (arg->kind) {
	case ARG_INOUT:
	case ARG_OUT:
		if (!is_written(arg, result))
			return 0;
		return take_memory(task, args[i], out_bytes(task, arg, i, result), out);
	}
	if (result < 0)
		return 0;
	switch (arg->kind) {
	case ARG_SOCKADDR_OUT:
		room = 0;
		if (args[(int)arg->from] &&
			tracee_read(&task->tracee, raddr(args[(int)arg->from]), &room, 4) < 0)
			return 0;
		return take_memory(task, args[i], room < task->lens[i] ? room : task->lens[i], out);
	case ARG_SOCKLEN:
		return take_memory(task, args[i], 4, out);
	case ARG_SIGINFO:
		return take_memory(task, args[i], 128, out);
	case ARG_FDS_OUT:
		return take_memory(task, args[i], 8, out);
	case ARG_IOV_OUT:
		return take_vector(task, args[i], count, result, out);
	case ARG_MSG_OUT:
		if (tracee_read(&task->tracee, raddr(args[i]), &m, sizeof(m)) < 0)
			return 0;
		return take_message(task, args[i], sizeof(struct sockaddr_storage), result, out);
	case ARG_MMSG_IN:
	case ARG_MMSG_OUT:
		return take_messages(task, arg, i, result, out);
	case ARG_IFCONF:
		return take_ifconf(task, args[i], out);
	case ARG_POLLFDS:
		return take_polls(task, i, count, out);
	case ARG_FDSET:
		return take_memory(task, args[i], vectors_fdset_bytes(args[0]), out);
	}
	return 0;
}

int canon_outputs(struct task *task, int64_t result, struct str *out)
{
	const struct sys_row *row = task->call.row;
	int rc = 0;

	for (int i = 0; row && i < row->nargs && rc == 0; i++)
		rc = take_arg(task, &row->args[i], i, result, out);
	return rc;
}

/* The blocks again, in the order in which they were taken. */
struct blocks {
	const char *at, *end;
};

static int next_block(struct blocks *b, const char **ret_data, uint32_t *ret_len)
{
	uint32_t len;

	if ((size_t)(b->end - b->at) < sizeof(len))
		return -EBADMSG;
	memcpy(&len, b->at, sizeof(len));
	b->at += sizeof(len);
	if ((size_t)(b->end - b->at) < len)
		return -EBADMSG;
	*ret_data = b->at;
	*ret_len = len;
	b->at += len;
	return 0;
}

static int give_memory(struct task *task, struct blocks *b, uint64_t at)
{
	const char *data;
	uint32_t len;
	int rc = next_block(b, &data, &len);

	if (rc < 0 || !len)
		return rc;
	/* The follower does not want to know. */
	return at ? tracee_write(&task->tracee, raddr(at), data, len) : 0;
}

static int give_vector(struct task *task, struct blocks *b, uint64_t at, uint64_t count)
{
	cleanup_free struct iovec *iov = NULL;
	const char *data;
	uint32_t len;
	int n, rc = next_block(b, &data, &len);

	if (rc < 0)
		return rc;
	n = vectors_read(task, at, count, &iov);
	return n < 0 ? n : vectors_scatter(task, iov, n, data, len);
}

static int give_ifconf(struct task *task, struct blocks *b, uint64_t at)
{
	struct ifconf conf;
	const char *data = NULL;
	uint32_t len = 0;
	int rc = tracee_read(&task->tracee, raddr(at), &conf, sizeof(conf));

	if (rc == 0)
		rc = next_block(b, &data, &len);
	if (rc < 0)
		return rc;
	if (len != sizeof(conf.ifc_len))
		return -EBADMSG;
	memcpy(&conf.ifc_len, data, len);
	rc = tracee_write(&task->tracee, raddr(at), &conf, sizeof(conf));
	return rc < 0 ? rc : give_memory(task, b, (uint64_t)conf.ifc_buf);
}

static int give_message(struct task *task, struct blocks *b, uint64_t at)
{
	struct msghdr m;
	const char *data = NULL;
	uint32_t len = 0;
	int rc = tracee_read(&task->tracee, raddr(at), &m, sizeof(m));

	if (rc == 0)
		rc = next_block(b, &data, &len);
	if (rc < 0)
		return rc;
	if (m.msg_name)
		memcpy(&m.msg_namelen, data, sizeof(m.msg_namelen));
	rc = give_memory(task, b, (uint64_t)m.msg_name);
	if (rc == 0)
		rc = give_memory(task, b, (uint64_t)m.msg_control);
	if (rc == 0)
		rc = next_block(b, &data, &len);
	if (rc < 0)
		return rc;
	memcpy(&m.msg_controllen, data, sizeof(m.msg_controllen));
	rc = next_block(b, &data, &len);
	if (rc < 0)
		return rc;
	memcpy(&m.msg_flags, data, sizeof(m.msg_flags));
	rc = tracee_write(&task->tracee, raddr(at), &m, sizeof(m));
	return rc < 0 ? rc : give_vector(task, b, (uint64_t)m.msg_iov, m.msg_iovlen);
}

static int give_messages(
	struct task *task, struct blocks *b, const struct sys_arg *arg, int i, int64_t result)
{
	for (int64_t k = 0; k < result; k++) {
		uint64_t at = task->call.args[i] + k * sizeof(struct mmsghdr);
		int rc = give_memory(task, b, at + offsetof(struct mmsghdr, msg_len));

		if (rc == 0 && arg->kind == ARG_MMSG_OUT)
			rc = give_message(task, b, at);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int give_polls(struct task *task, struct blocks *b, int i, uint64_t count)
{
	uint32_t n = (uint32_t)count > 65536 ? 0 : (uint32_t)count;
	int rc = 0;

	for (uint32_t k = 0; k < n && rc == 0; k++)
		rc = give_memory(task, b,
			task->call.args[i] + k * sizeof(struct pollfd) +
				offsetof(struct pollfd, revents));
	return rc;
}

static int give_arg(
	struct task *task, struct blocks *b, const struct sys_arg *arg, int i, int64_t result)
{
	const uint64_t *args = task->call.args;
	uint64_t count = arg->from >= 0 ? sys_arg_value(task->call.row, arg->from, args) : 0;

	switch (arg->kind) {
	case ARG_INOUT:
	case ARG_OUT:
		if (!is_written(arg, result))
			return 0;
		return give_memory(task, b, args[i]);
	}
	if (result < 0)
		return 0;
	switch (arg->kind) {
	case ARG_SOCKADDR_OUT:
	case ARG_SOCKLEN:
	case ARG_SIGINFO:
	case ARG_FDS_OUT:
	case ARG_FDSET:
		return give_memory(task, b, args[i]);
	case ARG_IOV_OUT:
		return give_vector(task, b, args[i], count);
	case ARG_MSG_OUT:
		return give_message(task, b, args[i]);
	case ARG_MMSG_IN:
	case ARG_MMSG_OUT:
		return give_messages(task, b, arg, i, result);
	case ARG_IFCONF:
		return give_ifconf(task, b, args[i]);
	case ARG_POLLFDS:
		return give_polls(task, b, i, count);
	}
	return 0;
}

int canon_apply(struct task *task, int64_t result, const struct str *out)
{
	const struct sys_row *row = task->call.row;
	struct blocks b = { str_text(out), str_text(out) + out->len };
	int rc = 0;

	for (int i = 0; row && i < row->nargs && rc == 0; i++)
		rc = give_arg(task, &b, &row->args[i], i, result);
	return rc < 0 ? rc : b.at == b.end ? 0 : -EBADMSG;
}

/* The one block; of a message the last, behind what take_message() puts before it. */
const char *canon_read(const struct call *call, const struct str *out, size_t *ret_len)
{
	struct blocks b = { str_text(out), str_text(out) + out->len };
	int before = call->nr == SYS_recvmsg ? 5 : 0;
	const char *data;
	uint32_t len;

	do {
		if (next_block(&b, &data, &len) < 0)
			return NULL;
	} while (before--);
	*ret_len = len;
	return data;
}
