/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that are closed in other ways: where nothing is open, which the kernel only says; and
 * one by one in one version, by close_range(2) in the other. Safe: both have closed the same when
 * they go on to something else, and that is looked at. Files whose close nobody notices (files.h)
 * may be closed earlier or later. A follower's close is made; from then on the descriptor is one
 * that the leader alone has, and what it still reads from it is passed over (own.h). A leader's
 * waits in the stream, and nothing that makes a descriptor or a process goes before it.
 */
#ifndef MX_MXM_CLOSES_H
#define MX_MXM_CLOSES_H

#include "mxm/follow.h"
#include "mxm/state.h"

/* The leader's @task is at the entry of the event's call. */
void closes_note(const struct task *task, struct event *event);

/* REL_ALONE, REL_PASS_OVER, REL_DIFFERENT. Their forms differ. */
enum relation closes_relate(const struct task *task, const struct event *event);

/*
 * Could the follower's call come before the leader's? Two closes of which nobody notices one; or
 * the leader closes a file that the follower's call is not about.
 */
bool closes_commute(const struct task *task, const struct call *theirs);

/* The name of the rule by which the follower closes alone. */
const char *closes_rule(const struct task *task);

/* The event is passed over: the leader has closed one of those that the follower closes at once. */
void closes_pass_over(struct task *task, const struct event *event);
/* The follower closes alone: what is kept of such descriptors is forgotten. */
void closes_go_alone(struct task *task);

#endif
