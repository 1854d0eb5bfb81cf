/* SPDX-License-Identifier: Apache-2.0 */
/* What a follower's call is to an event of its tuple, by the built-in rules. */
#include <string.h>

#include "mxm/clones.h"
#include "mxm/follow.h"
#include "mxm/masks.h"
#include "mxm/modes.h"
#include "mxm/pieces.h"
#include "mxm/positions.h"
#include "mxm/rules.h"
#include "mxm/waits.h"

/* Why the follower's call is not the event's; NULL: it is, or a rule makes it so. */
static const char *mismatch(struct task *task, const struct event *event)
{
	if (task->call.row != event->call.row && rules_same_copy(&task->call, &event->call)) {
		rules_note(task, event, RULE_FLAGS);
		return NULL;
	}
	if (clones_are_same(&task->call, &task->in, &event->call, &event->in)) {
		if (task->call.nr != event->call.nr)
			rules_note(task, event, RULE_SAME_CALL);
		return NULL;
	}
	if (task->call.nr != event->call.nr)
		return waits_are_same(&task->call, &task->in, &event->call, &event->in) ? NULL
											: "call";
	if (task->call.row != event->call.row)
		return "operation";
	if (task->in.len == event->in.len &&
		memcmp(str_text(&task->in), str_text(&event->in), task->in.len) == 0)
		return NULL;
	if (rules_same_flags(&task->call, &task->in, &event->call, &event->in,
		    modes_may_part(task, &event->call))) {
		rules_note(task, event, RULE_FLAGS);
		return NULL;
	}
	if (!rules_temporary_name(task, event))
		return "arguments";
	rules_note(task, event, RULE_TEMPORARY);
	return NULL;
}

/* Bytes of the same descriptor, in the same direction: in other pieces, perhaps. */
static bool moves_the_same(const struct task *task, const struct event *event)
{
	bool ours, theirs;
	const char *data;
	uint64_t len;
	int a, b;

	return event->kind == EVENT_CALL &&
	       pieces_moves(&task->call, &task->in, &a, &ours, &data, &len) &&
	       pieces_moves(&event->call, &event->in, &b, &theirs, &data, &len) && a == b &&
	       ours == theirs;
}

enum relation follow_relate_midway(const struct task *task, const struct event *event)
{
	return rules_is_look(&event->call) ||
			       rules_is_unshared(task->tuple->proc, task->version, event)
		       ? REL_PASS_OVER
		       : REL_DIFFERENT;
}

enum relation follow_relate(struct task *task, const struct event *event, const char **ret_why)
{
	*ret_why = NULL;
	if (rules_is_unshared(task->tuple->proc, task->version, event))
		return REL_PASS_OVER;
	if (modes_are_asked(task) || positions_are_asked(task))
		return REL_ALONE;
	if (rules_is_look(&task->call) && rules_is_extra_look(task, event))
		return rules_is_look(&event->call) && rules_look_is_to_come(task, event)
			       ? REL_PASS_OVER
			       : REL_ALONE;
	/* The same call can be a look, or more than that, by its arguments: rt_sigaction(2),
	 * fcntl(2). */
	if (rules_is_look(&event->call))
		return rules_is_look(&task->call) ? REL_SAME : REL_PASS_OVER;
	*ret_why = mismatch(task, event);
	switch (masks_relate(task, event, !*ret_why)) {
	case MASKS_ALONE:
		return REL_ALONE;
	case MASKS_PASS_OVER:
		return REL_PASS_OVER;
	case MASKS_NEVER:
		*ret_why = *ret_why ? *ret_why : "signal-mask";
		return REL_NEVER;
	case MASKS_NOT:
		break;
	}
	if ((!*ret_why || moves_the_same(task, event)) && modes_forbid(task, event)) {
		*ret_why = "descriptor-mode";
		return REL_NEVER;
	}
	if ((!*ret_why || moves_the_same(task, event)) && positions_forbid(task, event)) {
		*ret_why = "position";
		return REL_NEVER;
	}
	if (*ret_why && moves_the_same(task, event))
		positions_in_pieces(task);
	if (!*ret_why)
		return REL_SAME;
	if (rules_opens_source(task))
		return REL_OPENS;
	return rules_opened_source(event) ? REL_PASS_OVER : REL_DIFFERENT;
}
