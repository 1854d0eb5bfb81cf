/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/awaited.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "mxm/events.h"
#include "mxm/ready.h"
#include "mxm/special.h"
#include "mxm/transfer.h"
#include "mxm/waits.h"

bool awaited_has(const struct call *call)
{
	return sys_awaits_fds(call->nr);
}

/* What is taken from, or written to. */
struct move {
	int fd;
	bool write;
};

static bool move_of(const struct call *call, const struct str *in, struct move *ret)
{
	struct transfer t;

	if (call->row && call->nr == SYS_accept4) {
		*ret = (struct move){ (int)call->args[0], false };
		return true;
	}
	if (!call->row || !transfer_of(call, in, &t) || t.peek)
		return false;
	*ret = (struct move){ t.fd, t.write };
	return true;
}

/* Does the wait, of @task's version, end when the move can be made? */
static bool ends_with(
	struct task *task, const struct call *call, const struct str *in, const struct move *move)
{
	struct epoll_event ev;

	if (call->nr != SYS_epoll_wait)
		return waits_for(call, in, move->fd, move->write);
	return special_epoll_watches(task, (int)call->args[0], move->fd, &ev) &&
	       (ev.events & (move->write ? EPOLLOUT : EPOLLIN));
}

static bool is_made(const struct event *event)
{
	return event->pending != 0;
}

/* Both wait, and what for cannot be told from the two calls. */
static enum relation relate_waits(struct task *task, const struct event *event)
{
	if (task->wait_over)
		return REL_ALONE;
	if (!waits_time(&task->call, &task->in) || !waits_time(&event->call, &event->in))
		return REL_DIFFERENT;
	if (!is_made(event))
		return REL_UNKNOWN;
	return event->result >= 0 && !event->sig ? REL_PASS_OVER : REL_DIFFERENT;
}

/* It has waited for far longer than it asked to. The time that the leader has waited does not
 * count.
 */
static bool is_past(const struct task *task, int64_t limit)
{
	const uint64_t slack = 1000000000;

	return limit && limit != WAITS_FOREVER && !task->wait_found &&
	       event_clock() - task->since_ns > 2 * (uint64_t)limit + slack;
}

/* The follower would wait, and the leader does not. */
static enum relation relate_ours(struct task *task, const struct event *event)
{
	const int64_t limit = waits_time(&task->call, &task->in);
	struct move move;

	if (task->wait_over)
		return REL_ALONE;
	if (!move_of(&event->call, &event->in, &move) ||
		!ends_with(task, &task->call, &task->in, &move))
		return REL_DIFFERENT;
	/* A write is compared before it is made; whether there is something to read is not known.
	 */
	if (!is_made(event) && !move.write)
		return limit ? REL_UNKNOWN : REL_DIFFERENT;
	return (is_made(event) && event->result < 0) || is_past(task, limit) ? REL_DIFFERENT
									     : REL_ALONE;
}

static enum relation relate_theirs(struct task *task, const struct event *event)
{
	struct task *leader = &task->tuple->tasks[task->tuple->group->leader];
	struct move move;

	return !event->sig && (!is_made(event) || event->result >= 0) &&
			       move_of(&task->call, &task->in, &move) &&
			       ends_with(leader, &event->call, &event->in, &move)
		       ? REL_PASS_OVER
		       : REL_DIFFERENT;
}

static bool both_wait(const struct task *task, const struct event *event)
{
	return event->kind == EVENT_CALL && awaited_has(&task->call) && awaited_has(&event->call);
}

/* One of them waits forever, and the other does not. */
static bool contradict(const struct task *task, const struct event *event)
{
	return (waits_time(&task->call, &task->in) == WAITS_FOREVER) !=
	       (waits_time(&event->call, &event->in) == WAITS_FOREVER);
}

enum relation awaited_relate(struct task *task, const struct event *event)
{
	if (event->kind != EVENT_CALL)
		return REL_DIFFERENT;
	if (both_wait(task, event))
		return contradict(task, event) ? REL_DIFFERENT : relate_waits(task, event);
	if (awaited_has(&task->call))
		return relate_ours(task, event);
	return awaited_has(&event->call) ? relate_theirs(task, event) : REL_DIFFERENT;
}

enum relation awaited_relate_unshared(const struct task *task, const struct event *event)
{
	if (!both_wait(task, event))
		return REL_PASS_OVER;
	if (contradict(task, event))
		return REL_NEVER;
	return task->wait_over ? REL_ALONE : REL_PASS_OVER;
}

void awaited_pass_over(struct task *task, const struct event *event)
{
	/* One that does not wait is another rule's, and tells nothing of one that does. */
	if (!both_wait(task, event) || event->sig || event->result < 0 ||
		!waits_time(&event->call, &event->in))
		return;
	task->wait_over = event->result == 0;
	task->wait_found = event->result > 0;
}

bool awaited_tell(struct task *task, const struct event *event, int64_t *ret_result)
{
	struct move move = { -1, false };

	if (!awaited_has(&task->call))
		return false;
	if (!task->wait_over && (!event || !move_of(&event->call, &event->in, &move) ||
					!ends_with(task, &task->call, &task->in, &move)))
		return false;
	*ret_result = ready_say(task, move.fd, move.write);
	return true;
}
