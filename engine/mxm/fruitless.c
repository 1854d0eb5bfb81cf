/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/fruitless.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mxm/by_fd.h"
#include "mxm/install.h"
#include "mxm/peeks.h"

enum kind {
	KIND_NONE,
	KIND_BYTES,  /* a read */
	KIND_PEER,   /* accept */
	KIND_EVENTS, /* epoll_wait without a wait */
	KIND_ERROR,  /* getsockopt(SO_ERROR) */
};

static enum kind kind_of(const struct call *call)
{
	const uint64_t *a = call->args;

	switch (call->nr) {
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
		return peeks_has(call) ? KIND_NONE : KIND_BYTES;
	case SYS_accept4:
		return KIND_PEER;
	case SYS_epoll_wait:
		return (uint32_t)a[3] ? KIND_NONE : KIND_EVENTS;
	case SYS_getsockopt:
		return (uint32_t)a[1] == SOL_SOCKET && (uint32_t)a[2] == SO_ERROR ? KIND_ERROR
										  : KIND_NONE;
	}
	return KIND_NONE;
}

bool fruitless_has(const struct call *call)
{
	return kind_of(call) != KIND_NONE;
}

static bool may_not_wait(const struct call *call, int fd)
{
	return kind_of(call) == KIND_EVENTS ||
	       (call->nr == SYS_recvfrom && (call->args[3] & MSG_DONTWAIT)) ||
	       (call->nr == SYS_recvmsg && (call->args[2] & MSG_DONTWAIT)) ||
	       (fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* A file always has an answer. */
static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

static bool is_ready(int fd, short what)
{
	struct pollfd p = { fd, what, 0 };

	return poll(&p, 1, 0) != 0 && (p.revents & (what | POLLHUP | POLLERR | POLLNVAL));
}

/* the leader's */

/* What SO_ERROR told: the block of outputs begins with its length. */
static bool was_no_error(const struct event *event)
{
	static const char none[2 * sizeof(uint32_t)] = { sizeof(uint32_t) };

	return event->result == 0 && event->out.len >= sizeof(none) &&
	       memcmp(event->out.data, none, sizeof(none)) == 0;
}

bool fruitless_was(const struct call *call, int64_t result)
{
	switch (kind_of(call)) {
	case KIND_BYTES:
	case KIND_PEER:
		return result == -EAGAIN;
	case KIND_EVENTS:
		return result == 0;
	case KIND_ERROR:
	case KIND_NONE:
		break;
	}
	return false;
}

static enum relation relate_made(const struct event *event)
{
	const bool nothing = fruitless_was(&event->call, event->result) ||
			     (kind_of(&event->call) == KIND_ERROR && was_no_error(event));

	return nothing && !event->sig ? REL_PASS_OVER : REL_DIFFERENT;
}

/* It is at the call, or in it: what is there now tells, or it will soon. */
static enum relation relate_unmade(const struct task *task, const struct event *event)
{
	const struct task *leader = &task->tuple->tasks[task->tuple->group->leader];
	const enum kind kind = kind_of(&event->call);
	cleanup_close int copy = -1;

	if (kind == KIND_EVENTS || kind == KIND_ERROR)
		return REL_UNKNOWN;
	if (kind == KIND_NONE || leader->event != event)
		return REL_DIFFERENT;
	copy = install_copy(leader, (int)event->call.args[0]);
	if (copy < 0 || !may_not_wait(&event->call, copy))
		return REL_DIFFERENT;
	return leader->state != TASK_ASKING || !is_ready(copy, POLLIN) ? REL_UNKNOWN
								       : REL_DIFFERENT;
}

/* the follower's */

static bool takes(const struct event *event, int fd)
{
	const enum kind kind = event->kind == EVENT_CALL ? kind_of(&event->call) : KIND_NONE;

	return kind != KIND_NONE && kind != KIND_ERROR && (int)event->call.args[0] == fd;
}

/* Does the leader take from the descriptor after @event? Then what is there came after it. */
static bool takes_later(const struct task *task, const struct event *event, int fd)
{
	const struct group *group = task->tuple->group;
	const unsigned bit = 1u << task->version;

	for (const struct list *at = event->pending ? event->link.next : &group->stream;
		at != &group->stream; at = at->next) {
		const struct event *next = container_of(at, struct event, link);

		if ((next->pending & bit) && next->tuple->proc == task->tuple->proc &&
			takes(next, fd))
			return true;
	}
	return false;
}

/* In a wait for descriptors: what has become ready since then, it has not been told of yet. */
static bool waits_for_any(const struct task *leader)
{
	return leader->state == TASK_CALLING && leader->event &&
	       sys_awaits_fds(leader->event->call.nr);
}

static enum relation relate_taking(const struct task *task, const struct event *event)
{
	const struct group *group = task->tuple->group;
	const struct task *leader = &task->tuple->tasks[group->leader];
	const int fd = (int)task->call.args[0];
	cleanup_close int copy = -1;

	if (takes(event, fd) || by_fd_find(&task->tuple->proc->apart, task->version, fd))
		return REL_DIFFERENT;
	copy = install_copy(task, fd);
	if (copy < 0 || is_file(copy) || !may_not_wait(&task->call, copy))
		return REL_DIFFERENT;
	if (takes_later(task, event, fd) || !is_ready(copy, POLLIN) || waits_for_any(leader))
		return REL_ALONE;
	if (group->bereft || leader->event == event ||
		(leader->state == TASK_ASKING && leader->event && !takes(leader->event, fd)))
		return REL_DIFFERENT;
	return REL_UNKNOWN;
}

static bool has_error(const struct task *task)
{
	cleanup_close int copy = install_copy(task, (int)task->call.args[0]);

	return copy < 0 || is_ready(copy, 0);
}

static enum relation relate_alone(const struct task *task, const struct event *event)
{
	switch (kind_of(&task->call)) {
	case KIND_BYTES:
	case KIND_PEER:
	case KIND_EVENTS:
		return relate_taking(task, event);
	case KIND_ERROR:
		return has_error(task) ? REL_DIFFERENT : REL_ALONE;
	case KIND_NONE:
		break;
	}
	return REL_DIFFERENT;
}

enum relation fruitless_relate(struct task *task, const struct event *event)
{
	enum relation rel;

	if (event->kind != EVENT_CALL)
		return REL_DIFFERENT;
	rel = event->pending ? relate_made(event) : relate_unmade(task, event);
	return rel != REL_DIFFERENT ? rel : relate_alone(task, event);
}

bool fruitless_tell(struct task *task, const struct event *event, int64_t *ret_result)
{
	static const uint32_t none, len = sizeof(none);
	const uint64_t *a = task->call.args;

	switch (kind_of(&task->call)) {
	case KIND_BYTES:
	case KIND_PEER:
		*ret_result = -EAGAIN;
		return true;
	case KIND_EVENTS:
		*ret_result = 0;
		return true;
	case KIND_ERROR:
		*ret_result = tracee_write(&task->tracee, raddr(a[3]), &none, sizeof(none)) < 0 ||
					      tracee_write(&task->tracee, raddr(a[4]), &len,
						      sizeof(len)) < 0
				      ? -EFAULT
				      : 0;
		return true;
	case KIND_NONE:
		break;
	}
	return false;
}
