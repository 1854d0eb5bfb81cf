/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/early.h"

#include <string.h>
#include <sys/syscall.h>

#include "mxm/alike.h"
#include "mxm/group.h"
#include "mxm/rules.h"

#define LOOK_AHEAD 8

/* How far others of the leader's may get ahead while a task of its waits in a lock. */
#define PATIENCE 64

/* Calls that tell nothing: when a lock is free, or a turn over, each version finds out itself. */
static bool is_of_locks(const struct call *call)
{
	return call->nr == SYS_futex || call->nr == SYS_sched_yield;
}

/* In a call that lasts: of its own, or of its agent's, which is not known to be made. */
static bool is_asleep(const struct task *task)
{
	char state = task_proc_state(task);

	return state == 'S' || state == 'D';
}

bool early_may(const struct task *task)
{
	const struct group *group = task->tuple->group;
	const struct task *leader = &task->tuple->tasks[group->leader];
	const struct task *holder = group->baton[group->leader];

	if (group->bereft || is_of_locks(&task->call))
		return true;
	switch (leader->state) {
	case TASK_ABSENT:
	case TASK_ENDING:
		return true;
	case TASK_ASKING:
	case TASK_CALLING:
	case TASK_AGAIN:
		if (leader->event && alike_is_same(task, leader->event))
			return false;
		/* At another one, its own look was before it; but a lock is taken anywhere. */
		if (!leader->event || !rules_is_look(&leader->event->call))
			return true;
		if (rules_is_sleep(&leader->event->call))
			return leader->state != TASK_CALLING && group->lag > PATIENCE;
		break;
	case TASK_RUNNING:
		if (!leader->preempted && !is_asleep(leader))
			return false;
		break;
	case TASK_UNBORN:
	case TASK_NEWBORN:
	case TASK_READY:
		/* It has its turn next, unless who has the baton waits with it. */
		if (!holder || holder->state != TASK_ASKING)
			return group->lag > PATIENCE;
		break;
	default:
		break;
	}
	return task_waits_beside(group, leader) || group->lag > PATIENCE;
}

static bool is_of(const struct early_look *look, const struct call *call, const struct str *in)
{
	return look->nr == call->nr && look->len == in->len &&
	       memcmp(look->in, str_text(in), in->len) == 0;
}

void early_note(struct task *task)
{
	struct early_look *look = task->early + task->nearly;

	if (task->nearly == ARRAY_SIZE(task->early) || task->in.len > sizeof(look->in))
		return;
	look->nr = task->call.nr;
	look->len = (uint8_t)task->in.len;
	memcpy(look->in, str_text(&task->in), task->in.len);
	task->nearly++;
}

static bool had(const struct task *task, const struct event *event)
{
	for (unsigned i = 0; i < task->nearly; i++) {
		if (is_of(&task->early[i], &event->call, &event->in))
			return true;
	}
	return false;
}

bool early_had(const struct task *task, const struct event *event)
{
	return event->kind == EVENT_CALL && !is_of_locks(&event->call) && had(task, event);
}

/* Where do the looks lead that stand behind the event? */
static enum early_turn turn_behind(const struct task *task, const struct event *event)
{
	const struct group *group = task->tuple->group;
	int left = LOOK_AHEAD;

	/* What is still being made is the last one. */
	for (struct list *at = event->pending ? event->link.next : NULL; at && at != &group->stream;
		at = at->next) {
		const struct event *next = container_of(at, struct event, link);

		if (next->tuple != event->tuple || !(next->pending & (1u << task->version)))
			continue;
		if (!left-- || next->kind != EVENT_CALL || !rules_is_look(&next->call))
			return EARLY_ALONE;
		if (alike_is_same(task, next))
			return EARLY_COMES;
	}
	return early_may(task) ? EARLY_ALONE : EARLY_UNKNOWN;
}

enum early_turn early_turn(const struct task *task, const struct event *event)
{
	enum early_turn turn = had(task, event) ? EARLY_COMES : turn_behind(task, event);

	/* A lock is taken in any order; looks of another kind differ because the versions do. */
	return turn == EARLY_UNKNOWN && !is_of_locks(&event->call) ? EARLY_ALONE : turn;
}

void early_pass_over(struct task *task, const struct event *event)
{
	for (unsigned i = 0; i < task->nearly; i++) {
		if (!is_of(&task->early[i], &event->call, &event->in))
			continue;
		task->nearly--;
		memmove(task->early + i, task->early + i + 1,
			(task->nearly - i) * sizeof(task->early[0]));
		return;
	}
}

void early_settle(struct task *task, const struct event *event)
{
	if (event->kind != EVENT_CALL || !rules_is_look(&event->call))
		task->nearly = 0;
}
