/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for children that are asked for in different ways: wait4 and waitid, for one child or for
 * any, with WNOHANG or not, with the use of resources or without. They are the same if the child
 * that the leader was told of is one that the follower waits for; a follower takes its own child
 * away, and is told what its kernel says. A look that found nothing (WNOHANG), and one that took
 * nothing away (WNOWAIT), are passed over; a follower's own that finds nothing is told so. Safe: a
 * child ends once, for each version in its own way of asking.
 */
#ifndef MX_MXM_CHILDREN_H
#define MX_MXM_CHILDREN_H

#include "mxm/follow.h"
#include "mxm/state.h"

/* REL_SAME, REL_ALONE, REL_PASS_OVER, REL_UNKNOWN: when the event's call has been made;
 * REL_DIFFERENT. Their forms differ. */
enum relation children_relate(const struct task *task, const struct event *event);

/* The children of a version's process, or (@only, if not 0) one of them. */
enum brood {
	BROOD_NONE,
	BROOD_LIVES,
	BROOD_ENDED, /* one has ended and was not waited for */
};
enum brood children_look(
	const struct group *group, const struct proc *proc, int version, pid_t only);

/*
 * REL_ALONE is acted upon, for a wait that does not wait: no child has ended, or there is none.
 * False: it is no wait.
 */
bool children_tell_none(struct task *task, int64_t *ret_result);

/* The name of the rule; NULL: it is no wait. */
const char *children_rule(const struct call *call);

/*
 * The follower has waited for the child that the event is about, by another call, or asks more of
 * it than the leader did: what it is told. -EBADMSG: it is not known how the leader's child ended.
 * Stopped at the exit.
 */
MUST_CHECK int children_tell(struct task *task, const struct event *event, int64_t *result);

#endif
