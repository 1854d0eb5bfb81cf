/* SPDX-License-Identifier: Apache-2.0 */
/* The leader waits at its entry: what a follower asks for is compared before either is made. */
#include "mxm/events.h"
#include "mxm/follow.h"
#include "mxm/group.h"
#include "mxm/late.h"
#include "mxm/own.h"
#include "mxm/pieces.h"
#include "mxm/ring.h"
#include "mxm/rules.h"
#include "mxm/wanted.h"

/* The operator's rules, and calls out of order, where the leader waits with its call. */
static bool vet_wanted(struct task *task, struct event *event)
{
	struct wanted_verdict v;
	enum wanted wanted = wanted_judge(task, event, false, &v);

	switch (wanted) {
	case WANTED_SAME:
	case WANTED_PASS_OVER:
	case WANTED_LATER:
	case WANTED_CARRY:
	case WANTED_HOLD:
		event->excused |= 1u << task->version;
		return true;
	default:
		return follow_alone(task, event, wanted, &v);
	}
}

/* The leader has asked for something and its call is not made: is it what the follower wants? */
static bool vet_ask(struct task *task, struct task *leader, struct event *event)
{
	struct group *group = task->tuple->group;
	const char *why = NULL;
	enum relation rel =
		task->done ? follow_relate_midway(task, event) : follow_relate(task, event, &why);
	enum pieces pieces = PIECES_NOT;

	if (rel == REL_DIFFERENT)
		pieces = pieces_vet(task, event, leader->state == TASK_ASKING);
	/* What runs from here on in user mode needs the baton. */
	if ((rel == REL_ALONE || rel == REL_OPENS || rel == REL_DIFFERENT) &&
		group->baton[task->version] && pieces != PIECES_VETTED)
		return false;
	switch (rel) {
	case REL_ALONE:
		follow_make_alone(task, event);
		return true;
	case REL_OPENS:
		follow_open_alone(task, event, own_rule(own_makes(task)));
		return true;
	case REL_PASS_OVER:
	case REL_UNKNOWN: /* nobody sees it */
		event->excused |= 1u << task->version;
		return true;
	case REL_SAME:
		event->vetted |= 1u << task->version;
		return true;
	case REL_NEVER:
		drop_diverged(task, leader, event, why);
		return true;
	case REL_DIFFERENT:
		break;
	}
	if (pieces == PIECES_VETTED)
		event->excused |= 1u << task->version;
	else if (pieces == PIECES_NOT &&
		 !(task->done ? pieces_release(task, event) : vet_wanted(task, event)))
		drop_diverged(task, leader, event, why ? why : "call");
	return pieces != PIECES_WAITING;
}

bool vet_calls(struct group *group, int version)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *leader = &tuple->tasks[group->leader];
		struct task *task = &tuple->tasks[version];
		struct event *event = leader->event;

		if (!event || event->kind != EVENT_CALL || event->pending ||
			((event->vetted | event->excused) & (1u << version)))
			continue;
		if (leader->state == TASK_ASKING &&
			(follow_is_held_up(task) || pieces_shown(task, event))) {
			event->excused |= 1u << version;
			return true;
		}
		if (task->state != TASK_ASKING)
			continue;
		if (leader->state != TASK_ASKING && leader->state != TASK_CALLING &&
			leader->state != TASK_AGAIN)
			continue;
		if (event_waits(tuple, version)) {
			if (!wanted_while_held(task, event) && !own_while_held(task, event))
				continue;
			event->excused |= 1u << version;
			return true;
		}
		if (!ring_is_drained(group, version))
			continue;
		/* Descriptors that go with the event may be what the follower is about to use. */
		if (late_is_due(event, version)) {
			if (group->baton[version])
				continue;
			late_give(task, event);
			return true;
		}
		if (vet_ask(task, leader, event))
			return true;
	}
	return false;
}
