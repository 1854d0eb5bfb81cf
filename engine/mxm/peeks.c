/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/peeks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "mxm/install.h"
#include "mxm/transfer.h"

#define PEEK_MAX 65536

bool peeks_has(const struct call *call)
{
	return (call->nr == SYS_recvfrom && (call->args[3] & MSG_PEEK)) ||
	       (call->nr == SYS_recvmsg && (call->args[2] & MSG_PEEK));
}

static bool reads(const struct event *event, int fd)
{
	struct transfer t;

	return event->kind == EVENT_CALL && event->call.row &&
	       transfer_of(&event->call, &event->in, &t) && !t.write && !t.peek && t.fd == fd;
}

/* The leader's next read of the descriptor that the follower has not come to; NULL: none. */
static const struct event *next_read(const struct task *task, const struct event *event, int fd)
{
	const struct group *group = task->tuple->group;

	if (!event->pending)
		return NULL;
	for (const struct list *at = &event->link; at != &group->stream; at = at->next) {
		const struct event *next = container_of(at, struct event, link);

		if ((next->pending & (1u << task->version)) &&
			next->tuple->proc == task->tuple->proc && reads(next, fd) &&
			next->result >= 0)
			return next;
	}
	return NULL;
}

/* May the leader be reading just now? It may be in its agent; at its next stop that is known. */
static bool may_be_reading(const struct task *task, int fd)
{
	const struct group *group = task->tuple->group;

	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *t = &tuple->tasks[group->leader];

		if (tuple->proc != task->tuple->proc)
			continue;
		if (t->state == TASK_RUNNING ? tuple->proc->agents[group->leader] != NULL
					     : t->event && reads(t->event, fd))
			return true;
	}
	return false;
}

/* What a peek finds. -EAGAIN: nothing, and it does not want to wait. */
static enum relation find(const struct task *task, const struct event *event,
	const struct transfer *t, struct str *bytes, int64_t *ret_result)
{
	const struct event *next = next_read(task, event, t->fd);
	const size_t len = t->len < PEEK_MAX ? t->len : PEEK_MAX;
	cleanup_close int copy = -1;
	const char *data;
	size_t have;
	ssize_t n;

	if (next) {
		data = transfer_bytes(next, &have);
		if (next->result && !data)
			return REL_DIFFERENT;
		*ret_result = data ? (int64_t)(have < len ? have : len) : 0;
		str_append(bytes, data ? data : "", (size_t)*ret_result);
		return REL_ALONE;
	}
	if (may_be_reading(task, t->fd))
		return REL_UNKNOWN;
	copy = install_copy(task, t->fd);
	n = copy < 0 ? -1 : recv(copy, str_reserve(bytes, len), len, MSG_PEEK | MSG_DONTWAIT);
	if (copy < 0 || (n < 0 && errno != EAGAIN))
		return REL_DIFFERENT;
	if (n < 0 && !t->now && !(fcntl(copy, F_GETFL) & O_NONBLOCK))
		return REL_DIFFERENT; /* it would wait */
	bytes->len += n > 0 ? (size_t)n : 0;
	*ret_result = n < 0 ? -EAGAIN : n;
	return REL_ALONE;
}

static bool peeks(const struct task *task, struct transfer *ret)
{
	return task->call.row && peeks_has(&task->call) &&
	       transfer_of(&task->call, &task->in, ret) && !ret->all && !ret->address &&
	       transfer_stream(task, ret->fd) == STREAM_FLOW;
}

enum relation peeks_relate(struct task *task, const struct event *event)
{
	cleanup_str struct str bytes = STR_INIT;
	struct transfer t;
	int64_t result;

	if (event->kind != EVENT_CALL)
		return REL_DIFFERENT;
	if (peeks_has(&event->call))
		return event->sig || event->nfds ? REL_DIFFERENT : REL_PASS_OVER;
	return peeks(task, &t) ? find(task, event, &t, &bytes, &result) : REL_DIFFERENT;
}

bool peeks_tell(struct task *task, const struct event *event, int64_t *ret_result)
{
	cleanup_str struct str bytes = STR_INIT;
	struct transfer t;

	if (!event || !peeks(task, &t))
		return false;
	if (find(task, event, &t, &bytes, ret_result) != REL_ALONE)
		*ret_result = -EINTR; /* what was there has just been read: it asks again */
	else if (*ret_result >= 0 &&
		 transfer_put(task, &t, str_text(&bytes), (size_t)*ret_result) < 0)
		*ret_result = -EFAULT;
	return true;
}
