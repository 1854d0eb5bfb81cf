/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs of a call in normal form. */
#include "mxm/canon.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/xalloc.h"
#include "mxm/clones.h"
#include "mxm/canon_shape.h"
#include "mxm/scripts.h"
#include "mxm/vectors.h"

#define STRING_MAX  (1u << 20)
#define STRINGS_MAX 65536
#define COUNT_MAX   65536

static void put32(struct str *s, uint32_t v)
{
	str_append(s, &v, sizeof(v));
}

static void put64(struct str *s, uint64_t v)
{
	str_append(s, &v, sizeof(v));
}

/* Puts @len bytes at @at: whole, or their digest. A bad address is put as such. */
static int put_bytes(struct task *task, struct str *s, uint64_t at, uint64_t len)
{
	char *buf;
	int rc;

	put64(s, len);
	if (len > (1ul << 31)) {
		str_putc(s, MARK_BAD);
		return 0;
	}
	if (len <= DIGEST_FROM) {
		buf = str_reserve(s, len + 1);
		rc = tracee_read(&task->tracee, raddr(at), buf + 1, len);
		if (rc == -ESRCH)
			return rc;
		buf[0] = rc < 0 ? MARK_BAD : MARK_HERE;
		s->len += rc < 0 ? 1 : len + 1;
		return 0;
	}
	{
		cleanup_free uint8_t *big = xmalloc(len);
		uint64_t sum[2];

		rc = tracee_read(&task->tracee, raddr(at), big, len);
		if (rc == -ESRCH)
			return rc;
		str_putc(s, rc < 0 ? MARK_BAD : MARK_HERE);
		if (rc == 0) {
			agent_digest(big, len, sum);
			str_append(s, sum, sizeof(sum));
		}
	}
	return 0;
}

static int put_string(struct task *task, struct str *s, uint64_t at)
{
	size_t start = s->len;
	int rc;

	if (!at) {
		str_putc(s, MARK_NULL);
		return 0;
	}
	str_putc(s, MARK_HERE);
	rc = tracee_read_str(&task->tracee, raddr(at), STRING_MAX, s);
	if (rc == -ESRCH)
		return rc;
	if (rc < 0) {
		s->len = start;
		str_putc(s, MARK_BAD);
	} else if (task->call.row->special == SPECIAL_EXEC) {
		scripts_put_common(task, s, start + 1);
	}
	str_putc(s, '\0');
	return 0;
}

static int put_strings(struct task *task, struct str *s, uint64_t at)
{
	uint64_t p;
	int rc = 0;

	for (unsigned i = 0; at && i < STRINGS_MAX && rc == 0; i++) {
		rc = tracee_read(&task->tracee, raddr(at + i * 8), &p, sizeof(p));
		if (rc < 0 || !p)
			break;
		rc = put_string(task, s, p);
	}
	str_putc(s, rc < 0 ? MARK_BAD : MARK_NULL);
	return rc == -ESRCH ? rc : 0;
}

/* An address of a socket without the bytes that the kernel does not look at. */
static int put_sockaddr(struct task *task, struct str *s, uint64_t at, uint64_t len)
{
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_nl nl;
		char bytes[128];
	} a;
	int rc;

	if (!at) {
		str_putc(s, MARK_NULL);
		return 0;
	}
	if (len > sizeof(a) || len < 2)
		return put_bytes(task, s, at, len > sizeof(a) ? sizeof(a) : len);
	memset(&a, 0, sizeof(a));
	rc = tracee_read(&task->tracee, raddr(at), &a, len);
	if (rc < 0) {
		str_putc(s, MARK_BAD);
		return rc == -ESRCH ? rc : 0;
	}
	str_putc(s, MARK_HERE);
	switch (a.sa.sa_family) {
	case AF_INET:
		len = len < 8 ? len : 8;
		break;
	case AF_UNIX:
		if (len > 2 && a.un.sun_path[0])
			len = 2 + strnlen(a.un.sun_path, len - 2);
		break;
	case AF_NETLINK:
		a.nl.nl_pad = 0;
		break;
	}
	put64(s, len);
	str_append(s, &a, len);
	return 0;
}

/* All that the vector's pieces hold, joined; or, for outputs, only how much they can hold. */
static int put_vector(struct task *task, struct str *s, uint64_t at, uint64_t count, bool contents)
{
	cleanup_free struct iovec *iov = NULL;
	cleanup_str struct str joined = STR_INIT;
	uint64_t total = 0, sum[2];
	int n = vectors_read(task, at, count, &iov);

	if (n == -ESRCH)
		return n;
	if (n < 0) {
		str_putc(s, MARK_BAD);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		total += iov[i].iov_len;
		if (!contents || total > (1ul << 31))
			continue;
		if (tracee_read(&task->tracee, raddr((uint64_t)iov[i].iov_base),
			    str_reserve(&joined, iov[i].iov_len), iov[i].iov_len) < 0)
			break;
		joined.len += iov[i].iov_len;
	}
	str_putc(s, MARK_HERE);
	put64(s, total);
	if (joined.len > DIGEST_FROM) {
		agent_digest((uint8_t *)joined.data, joined.len, sum);
		str_append(s, sum, sizeof(sum));
	} else if (joined.len) {
		str_append(s, joined.data, joined.len);
	}
	return 0;
}

/* Control messages without the padding between them. */
static int put_control(struct task *task, struct str *s, uint64_t at, uint64_t len)
{
	cleanup_free uint8_t *buf = NULL;
	size_t pos = 0;
	int rc;

	if (!at || !len) {
		str_putc(s, MARK_NULL);
		return 0;
	}
	if (len > 65536) {
		str_putc(s, MARK_BAD);
		return 0;
	}
	buf = xmalloc(len);
	rc = tracee_read(&task->tracee, raddr(at), buf, len);
	if (rc < 0) {
		str_putc(s, MARK_BAD);
		return rc == -ESRCH ? rc : 0;
	}
	str_putc(s, MARK_HERE);
	while (pos + sizeof(struct cmsghdr) <= len) {
		struct cmsghdr h;

		memcpy(&h, buf + pos, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > len - pos)
			break;
		str_append(s, buf + pos, h.cmsg_len);
		pos += (h.cmsg_len + 7) & ~7ul;
	}
	return 0;
}

static int put_message(struct task *task, struct str *s, uint64_t at, bool contents)
{
	struct msghdr m;
	int rc = at ? tracee_read(&task->tracee, raddr(at), &m, sizeof(m)) : -EFAULT;

	if (rc < 0) {
		str_putc(s, MARK_BAD);
		return rc == -ESRCH ? rc : 0;
	}
	str_putc(s, MARK_HERE);
	if (contents)
		rc = put_sockaddr(task, s, (uint64_t)m.msg_name, m.msg_name ? m.msg_namelen : 0);
	else
		put32(s, m.msg_name ? m.msg_namelen : 0);
	if (rc == 0)
		rc = put_vector(task, s, (uint64_t)m.msg_iov, m.msg_iovlen, contents);
	if (rc == 0 && contents)
		rc = put_control(task, s, (uint64_t)m.msg_control, m.msg_controllen);
	else if (rc == 0)
		put64(s, m.msg_control ? m.msg_controllen : 0);
	return rc;
}

static int put_polls(struct task *task, struct str *s, uint64_t at, uint64_t count)
{
	cleanup_free struct pollfd *p = NULL;

	if (!count)
		return 0;
	if (count > COUNT_MAX) {
		str_putc(s, MARK_BAD);
		return 0;
	}
	p = xreallocarray(NULL, count, sizeof(*p));
	if (tracee_read(&task->tracee, raddr(at), p, count * sizeof(*p)) < 0) {
		str_putc(s, MARK_BAD);
		return 0;
	}
	for (uint64_t i = 0; i < count; i++) {
		put32(s, p[i].fd < 0 ? (uint32_t)-1 : (uint32_t)p[i].fd);
		put32(s, p[i].fd < 0 ? 0 : (uint32_t)p[i].events);
	}
	return 0;
}

/*
 * What others can tell of an action. On which stack and with what arguments a handler runs
 * (SA_ONSTACK, SA_SIGINFO, SA_RESTORER) is the version's own affair; no handler, no mask.
 */
void canon_action(int sig, uint64_t *flags, uint64_t *mask)
{
	*flags &= SA_RESTART | SA_RESETHAND | SA_NODEFER |
		  (sig == SIGCHLD ? SA_NOCLDSTOP | SA_NOCLDWAIT : 0);
	if (!(*flags & SA_NODEFER) && sig >= 1 && sig <= 64)
		*mask |= UINT64_C(1) << (sig - 1);
}

static int put_sigaction(struct task *task, struct str *s, uint64_t at)
{
	const int sig = (int)task->call.args[0];
	struct {
		uint64_t handler, flags, restorer, mask;
	} sa;

	if (!at) {
		str_putc(s, MARK_NULL);
		return 0;
	}
	if (tracee_read(&task->tracee, raddr(at), &sa, sizeof(sa)) < 0) {
		str_putc(s, MARK_BAD);
		return 0;
	}
	str_putc(s, sa.handler <= 1 ? MARK_HANDLERS + sa.handler : MARK_HERE);
	canon_action(sig, &sa.flags, &sa.mask);
	put64(s, sa.handler > 1 ? sa.flags : sa.flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
	put64(s, sa.handler > 1 ? sa.mask : 0);
	return 0;
}

/* utimensat(2): the seconds of a time that is "now" or "omit" are not looked at. */
static int put_times(struct task *task, struct str *s, uint64_t at)
{
	struct timespec ts[2];

	if (!at || tracee_read(&task->tracee, raddr(at), ts, sizeof(ts)) < 0) {
		str_putc(s, at ? MARK_BAD : MARK_NULL);
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		if (ts[i].tv_nsec == UTIME_NOW || ts[i].tv_nsec == UTIME_OMIT)
			ts[i].tv_sec = 0;
	}
	str_append(s, ts, sizeof(ts));
	return 0;
}

static int put_block(struct task *task, struct str *s, const struct sys_arg *arg, int i)
{
	uint64_t at = task->call.args[i];
	uint64_t len = sys_arg_bytes(task->call.row, i, task->call.args, task->lens[i], 0);
	char *buf;
	int rc;

	if (!at) {
		str_putc(s, MARK_NULL);
		return 0;
	}
	if (!arg->words || len > DIGEST_FROM) {
		str_putc(s, MARK_HERE);
		return put_bytes(task, s, at, len);
	}
	buf = str_reserve(s, len + 1);
	rc = tracee_read(&task->tracee, raddr(at), buf + 1, len);
	if (rc == -ESRCH)
		return rc;
	buf[0] = rc < 0 ? MARK_BAD : MARK_HERE;
	if (rc == 0)
		sys_mask_input(arg, buf + 1, len);
	s->len += rc < 0 ? 1 : len + 1;
	return 0;
}

/* A BPF program: its length and its instructions. */
static int put_program(struct task *task, struct str *s, uint64_t at)
{
	struct {
		uint16_t len;
		uint64_t filter;
	} prog;

	if (!at || tracee_read(&task->tracee, raddr(at), &prog, sizeof(prog)) < 0) {
		str_putc(s, MARK_NULL);
		return 0;
	}
	return put_bytes(task, s, prog.filter, prog.len * 8ul);
}

/* netdevice(7): how much room the caller has; with no list the kernel says how much it needs. */
static int put_ifconf(struct task *task, struct str *s, uint64_t at)
{
	struct ifconf conf;

	if (!at || tracee_read(&task->tracee, raddr(at), &conf, sizeof(conf)) < 0) {
		str_putc(s, at ? MARK_BAD : MARK_NULL);
		return 0;
	}
	str_putc(s, conf.ifc_buf ? MARK_HERE : MARK_NULL);
	put32(s, conf.ifc_buf ? (uint32_t)conf.ifc_len : 0);
	return 0;
}

static int put_packed_sigset(struct task *task, struct str *s, uint64_t at)
{
	uint64_t pack[2];

	if (!at || tracee_read(&task->tracee, raddr(at), pack, sizeof(pack)) < 0 || !pack[0]) {
		str_putc(s, MARK_NULL);
		return 0;
	}
	return put_bytes(task, s, pack[0], pack[1] > 128 ? 128 : pack[1]);
}

static int put_pointer_arg(struct task *task, struct str *s, const struct sys_arg *arg, int i)
{
	const uint64_t *args = task->call.args;
	uint64_t at = args[i],
		 count = arg->from >= 0 ? sys_arg_value(task->call.row, arg->from, args) : 0;
	uint32_t word = 0;

	switch (arg->kind) {
	case ARG_PATH:
	case ARG_STR:
		return put_string(task, s, at);
	case ARG_STRV:
		return put_strings(task, s, at);
	case ARG_IN:
		if (task->call.nr == SYS_utimensat)
			return put_times(task, s, at);
		return put_block(task, s, arg, i);
	case ARG_INOUT:
		return put_block(task, s, arg, i);
	case ARG_IOV_IN:
		return put_vector(task, s, at, count, true);
	case ARG_IOV_OUT:
		return put_vector(task, s, at, count, false);
	case ARG_MSG_IN:
		return put_message(task, s, at, true);
	case ARG_MSG_OUT:
		return put_message(task, s, at, false);
	case ARG_MMSG_IN:
	case ARG_MMSG_OUT:
		for (uint64_t k = 0; k < count && k < 1024; k++) {
			int rc = put_message(
				task, s, at + k * sizeof(struct mmsghdr), arg->kind == ARG_MMSG_IN);
			if (rc < 0)
				return rc;
		}
		return 0;
	case ARG_SOCKADDR_IN:
		return put_sockaddr(task, s, at, (uint32_t)count);
	case ARG_SOCKLEN:
		if (at && tracee_read(&task->tracee, raddr(at), &word, 4) == 0)
			put32(s, word);
		return 0;
	case ARG_POLLFDS:
		return put_polls(task, s, at, (uint32_t)count);
	case ARG_FDSET:
		str_putc(s, at ? MARK_HERE : MARK_NULL);
		return at ? put_bytes(task, s, at, vectors_fdset_bytes(args[0])) : 0;
	case ARG_EPOLL_EVENT: /* epoll_ctl(2): EPOLL_CTL_DEL ignores it, and it may be anything */
		if (at && args[1] != EPOLL_CTL_DEL &&
			tracee_read(&task->tracee, raddr(at), &word, 4) == 0)
			put32(s, word);
		return 0;
	case ARG_SIGSET:
		str_putc(s, at ? MARK_HERE : MARK_NULL);
		return at ? put_bytes(task, s, at, 8) : 0;
	case ARG_SIGSET_PACK:
		return put_packed_sigset(task, s, at);
	case ARG_SIGEVENT: {
		struct {
			uint64_t value;
			uint32_t signo, notify, tid;
		} ev = { 0 };

		if (!at || tracee_read(&task->tracee, raddr(at), &ev, 20) < 0) {
			str_putc(s, MARK_NULL);
			return 0;
		}
		put32(s, ev.signo);
		put32(s, ev.notify);
		put32(s, ev.notify == SIGEV_THREAD_ID ? ev.tid : 0);
		return 0;
	}
	case ARG_FPROG:
		return put_program(task, s, at);
	case ARG_IFCONF:
		return put_ifconf(task, s, at);
	case ARG_SIGACTION:
		return put_sigaction(task, s, at);
	default: /* out only: that it is there is all that can be compared */
		str_putc(s, at ? MARK_HERE : MARK_NULL);
		return 0;
	}
}

static int put_arg(struct task *task, struct str *s, const struct sys_arg *arg, int i)
{
	switch (canon_shape(arg->kind)) {
	case SHAPE_NOTHING:
		return 0;
	case SHAPE_WORD:
		put32(s, (uint32_t)task->call.args[i]);
		return 0;
	case SHAPE_LONG:
		put64(s, task->call.args[i]);
		return 0;
	case SHAPE_MARK:
		str_putc(s, task->call.args[i] ? MARK_HERE : MARK_NULL);
		return 0;
	case SHAPE_MEMORY:
		break;
	}
	return put_pointer_arg(task, s, arg, i);
}

int canon_unasked(const struct sys_row *row)
{
	return row->special == SPECIAL_SIGACTION || row->nr == SYS_rt_sigprocmask ? 2 : -1;
}

int canon_inputs(struct task *task)
{
	const struct sys_row *row = task->call.row;
	int rc = 0;

	str_reset(&task->in);
	memset(task->lens, 0, sizeof(task->lens));
	if (!row) {
		/* Nothing is known of it but its number and its registers. */
		put64(&task->in, task->call.nr);
		return 0;
	}
	for (int i = 0; i < row->nargs; i++) {
		const struct sys_arg *arg = &row->args[i];
		uint64_t at = 0;

		if (arg->len == LEN_SELF)
			at = task->call.args[i] ? task->call.args[i] + (uint64_t)arg->from : 0;
		else if ((arg->len == LEN_PTR || arg->kind == ARG_SOCKADDR_OUT) && arg->from >= 0)
			at = task->call.args[(int)arg->from];
		if (at && tracee_read(&task->tracee, raddr(at), &task->lens[i], 4) == -ESRCH)
			return -ESRCH;
	}
	if (row->special == SPECIAL_CLONE) {
		clones_put(task, &task->in);
		return 0;
	}
	for (int i = 0; i < row->nargs && rc == 0; i++) {
		if (i != canon_unasked(row))
			rc = put_arg(task, &task->in, &row->args[i], i);
	}
	return rc;
}

/* After the descriptor: put_vector(). */
bool canon_vector_len(const struct str *in, uint64_t *ret_len)
{
	const size_t at = sizeof(uint32_t) + 1;

	if (in->len < at + sizeof(*ret_len) || in->data[at - 1] != MARK_HERE)
		return false;
	memcpy(ret_len, in->data + at, sizeof(*ret_len));
	return true;
}

/* The descriptor, a mark, the length and the address. */
size_t canon_address(const struct str *in, void *buf, size_t size)
{
	const size_t head = sizeof(uint32_t) + 1 + sizeof(uint64_t);
	uint64_t len;

	if (in->len < head || in->data[sizeof(uint32_t)] != MARK_HERE)
		return 0;
	memcpy(&len, in->data + head - sizeof(len), sizeof(len));
	if (len > in->len - head || len > size)
		return 0;
	memcpy(buf, in->data + head, len);
	return len;
}

/* After the descriptor: put_block() and put_bytes(), or put_vector(). */
const char *canon_payload(const struct str *in, bool vector, uint64_t *ret_len)
{
	const size_t head = sizeof(uint32_t) + 1 + sizeof(uint64_t) + (vector ? 0 : 1);

	if (!canon_vector_len(in, ret_len) || *ret_len > DIGEST_FROM || in->len < head + *ret_len)
		return NULL;
	return vector || in->data[head - 1] == MARK_HERE ? in->data + head : NULL;
}

/* After the descriptor: put_message(). */
const char *canon_message_payload(const struct str *in, uint64_t *ret_len)
{
	/* The descriptor, three marks and a length; a mark and the flags behind the bytes. */
	const size_t head = sizeof(uint32_t) + 3 + sizeof(*ret_len), tail = 1 + sizeof(uint32_t);
	const char *m = str_text(in) + sizeof(uint32_t);

	if (in->len < head + tail || m[0] != MARK_HERE || m[1] != MARK_NULL || m[2] != MARK_HERE)
		return NULL;
	memcpy(ret_len, m + 3, sizeof(*ret_len));
	return *ret_len <= DIGEST_FROM && in->len == head + *ret_len + tail &&
			       m[3 + sizeof(*ret_len) + *ret_len] == MARK_NULL
		       ? in->data + head
		       : NULL;
}

bool canon_message_room(const struct str *in, uint64_t *ret_len, bool *ret_address)
{
	/* The descriptor, a mark, the room for an address, another mark. */
	const size_t head = sizeof(uint32_t) + 1 + sizeof(uint32_t) + 1;
	uint32_t room;

	if (in->len < head + sizeof(*ret_len) || in->data[sizeof(uint32_t)] != MARK_HERE ||
		in->data[head - 1] != MARK_HERE)
		return false;
	memcpy(&room, in->data + sizeof(uint32_t) + 1, sizeof(room));
	memcpy(ret_len, in->data + head, sizeof(*ret_len));
	*ret_address = room != 0;
	return true;
}
