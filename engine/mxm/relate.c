/* SPDX-License-Identifier: Apache-2.0 */
/* What a follower's call is to an event of its tuple, by the built-in rules. */
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "mxm/alike.h"
#include "mxm/awaited.h"
#include "mxm/children.h"
#include "mxm/clones.h"
#include "mxm/closes.h"
#include "mxm/folders.h"
#include "mxm/follow.h"
#include "mxm/fruitless.h"
#include "mxm/late.h"
#include "mxm/masks.h"
#include "mxm/early.h"
#include "mxm/modes.h"
#include "mxm/own.h"
#include "mxm/peeks.h"
#include "mxm/pieces.h"
#include "mxm/positions.h"
#include "mxm/preludes.h"
#include "mxm/reads.h"
#include "mxm/rules.h"
#include "mxm/settings.h"
#include "mxm/synonyms.h"
#include "mxm/vain.h"
#include "mxm/waits.h"

/* Why the follower's call is not the event's; NULL: it is, or a rule makes it so. */
static const char *mismatch(struct task *task, const struct event *event)
{
	const char *rule;

	if (task->call.row != event->call.row && rules_same_copy(&task->call, &event->call)) {
		rules_note(task, event, RULE_FLAGS);
		return NULL;
	}
	if (clones_are_same(&task->call, &task->in, &event->call, &event->in)) {
		if (task->call.nr != event->call.nr)
			rules_note(task, event, RULE_SAME_CALL);
		return NULL;
	}
	if (clones_are_alike(&task->call, &task->in, &event->call, &event->in)) {
		rules_note(task, event, RULE_SAME_CALL);
		return NULL;
	}
	if (alike_at_place(&task->call, &task->in, &event->call, &event->in)) {
		rules_note(task, event, RULE_PIECES);
		return NULL;
	}
	if (alike_is_same(task, event))
		return NULL;
	rule = waits_rule(&task->call, &task->in, &event->call, &event->in);
	if (rule) {
		rules_note(task, event, rule);
		return NULL;
	}
	if (vain_creation(task, event)) {
		rules_note(task, event, RULE_NOTHING);
		return NULL;
	}
	if (task->call.nr != event->call.nr)
		return "call";
	if (task->call.row != event->call.row)
		return "operation";
	if (rules_same_flags(&task->call, &task->in, &event->call, &event->in,
		    modes_may_part(task, &event->call))) {
		rules_note(task, event, RULE_FLAGS);
		return NULL;
	}
	if (alike_by_path(task, event)) {
		rules_note(task, event, RULE_PATH);
		return NULL;
	}
	if (alike_under_umask(task, event)) {
		rules_note(task, event, RULE_SAME_CALL);
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

static bool names_thread(const struct call *call)
{
	return call->nr == SYS_prctl && call->args[0] == PR_SET_NAME;
}

/* What a version does to itself alone, if at all. */
static enum relation relate_idle(struct task *task, const struct event *event)
{
	enum relation rel;

	rel = awaited_relate(task, event);
	if (rel != REL_DIFFERENT)
		return rel;
	if (names_thread(&event->call) || alike_is_own_memory(&event->call) ||
		rules_polls_now(&event->call) || vain_was(task, event))
		return REL_PASS_OVER;
	if (vain_is_unsure(task))
		return REL_UNKNOWN;
	if (names_thread(&task->call) || alike_is_own_memory(&task->call) ||
		rules_polls_now(&task->call) || vain_asks(task, event))
		return REL_ALONE;
	rel = fruitless_relate(task, event);
	if (rel == REL_DIFFERENT)
		rel = preludes_relate(task, event);
	return rel != REL_DIFFERENT ? rel : closes_relate(task, event);
}

/* Either, or both, make a descriptor that the other version may lack. */
static enum relation relate_makers(struct task *task, const struct event *event)
{
	enum own ours = own_makes(task), theirs = own_made(event);

	if (ours == OWN_NOT || theirs == OWN_NOT)
		return ours != OWN_NOT	   ? REL_OPENS
		       : theirs != OWN_NOT ? REL_PASS_OVER
					   : REL_DIFFERENT;
	/* The same kind of thing, made otherwise: not one more. */
	if (task->call.nr == event->call.nr && task->call.nr != SYS_openat)
		return REL_DIFFERENT;
	switch (own_turn(task, event)) {
	case OWN_LEADERS:
		return REL_PASS_OVER;
	case OWN_FOLLOWERS:
		/* Which of the sources does not matter; which file does. */
		return ours == OWN_FILE && theirs == OWN_FILE ? REL_DIFFERENT : REL_OPENS;
	case OWN_UNKNOWN:
		break;
	}
	return REL_UNKNOWN;
}

enum relation follow_relate_midway(const struct task *task, const struct event *event)
{
	return rules_is_look(&event->call) || own_unshared(task->tuple->proc, task->version, event)
		       ? REL_PASS_OVER
		       : REL_DIFFERENT;
}

/* The same asked for by another call, or in another way. */
static enum relation relate_otherwise(struct task *task, const struct event *event)
{
	enum relation rel = peeks_relate(task, event);

	if (rel != REL_DIFFERENT)
		return rel;
	rel = children_relate(task, event);
	if (rel == REL_SAME)
		rules_note(task, event, RULE_CHILD);
	if (rel != REL_DIFFERENT)
		return rel;
	rel = folders_relate(task, event);
	if (rel == REL_SAME)
		rules_note(task, event, RULE_PIECES);
	if (rel != REL_DIFFERENT)
		return rel;
	rel = synonyms_relate(task, event);
	if (rel == REL_SAME) {
		rules_note(task, event, RULE_SAME_CALL);
		late_stop(task);
	}
	return rel;
}

/* What the follower's call is, where neither is a look. */
static enum relation relate_calls(
	struct task *task, const struct event *event, const char **ret_why)
{
	struct wanted_verdict v;
	enum relation rel;
	bool pieces;

	*ret_why = mismatch(task, event);
	rel = *ret_why ? relate_otherwise(task, event) : REL_DIFFERENT;
	if (rel == REL_SAME)
		*ret_why = NULL;
	else if (rel != REL_DIFFERENT)
		return rel;
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
	pieces = *ret_why && moves_the_same(task, event);
	if ((!*ret_why || pieces) && modes_forbid(task, event)) {
		*ret_why = "descriptor-mode";
		return REL_NEVER;
	}
	if ((!*ret_why || pieces) && positions_forbid(task, event)) {
		rel = reads_relate(task, event);
		*ret_why = "position";
		return rel == REL_DIFFERENT ? REL_NEVER : rel;
	}
	if (!*ret_why && clones_forbid(task)) {
		*ret_why = "memory";
		return REL_NEVER;
	}
	if ((!*ret_why || pieces) && settings_forbid(task, event)) {
		*ret_why = "setting";
		return REL_NEVER;
	}
	if (!*ret_why)
		return REL_SAME;
	if (pieces && pieces_may(task, event)) {
		positions_in_pieces(task);
		return REL_DIFFERENT;
	}
	rel = reads_relate(task, event);
	/* A rule that knows what the event is to the follower comes before one that does not. */
	if (rel != REL_DIFFERENT ||
		wanted_judge(task, (struct event *)event, event->pending != 0, &v) != WANTED_NOT)
		return rel;
	rel = relate_idle(task, event);
	if (rel != REL_DIFFERENT)
		return rel;
	switch (settings_relate(task, event)) {
	case SETTINGS_ALONE:
		return REL_ALONE;
	case SETTINGS_PASS_OVER:
		return REL_PASS_OVER;
	case SETTINGS_NOT:
		break;
	}
	return relate_makers(task, event);
}

/*
 * A look too many is made alone. A thread may have nothing but such ahead of it, a loop of naps for
 * one: where it has made many, what the leader alone has done at this place is passed over first.
 * But not what makes a descriptor: should the version come to the same, it would be another one.
 */
#define LOOKS_MANY 32

static enum relation relate_extra_look(struct task *task, const struct event *event)
{
	const char *why;

	if (rules_is_look(&event->call)) {
		switch (early_turn(task, event)) {
		case EARLY_COMES:
			return REL_PASS_OVER;
		case EARLY_ALONE:
			return REL_ALONE;
		case EARLY_UNKNOWN:
			return REL_UNKNOWN;
		}
	}
	return task->looks >= LOOKS_MANY && own_made(event) == OWN_NOT &&
			       relate_calls(task, event, &why) == REL_PASS_OVER
		       ? REL_PASS_OVER
		       : REL_ALONE;
}

enum relation follow_relate(struct task *task, const struct event *event, const char **ret_why)
{
	int64_t place;

	*ret_why = NULL;
	if (own_unshared(task->tuple->proc, task->version, event)) {
		*ret_why = "call";
		return awaited_relate_unshared(task, event);
	}
	if (modes_are_asked(task))
		return REL_ALONE;
	if (positions_are_asked(task)) {
		*ret_why = "position";
		return positions_tell(task, event, &place) ? REL_ALONE : REL_NEVER;
	}
	if (positions_are_unsettled(task, event))
		return REL_UNKNOWN;
	if (early_had(task, event))
		return REL_PASS_OVER;
	if (rules_is_look(&task->call) && rules_is_extra_look(task, event))
		return relate_extra_look(task, event);
	/* The same call can be a look, or more than that, by its arguments: rt_sigaction(2),
	 * fcntl(2). */
	if (rules_is_look(&event->call))
		return rules_is_look(&task->call) ? REL_SAME : REL_PASS_OVER;
	return relate_calls(task, event, ret_why);
}
