/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits until a descriptor is ready, which one version makes before it reads, writes or accepts and
 * the other does not, or makes by another call: poll against select, or an epoll set of its own
 * (own.h). The leader's is passed over. The follower's is told that the descriptor is ready that
 * the leader takes from, or writes to, next. Safe: a wait takes nothing away, and what both do with
 * the descriptor is compared. The follower is told of nothing that was not so, as the leader has
 * come to it; where it alone waits, in a time for which it would have waited, roughly. One that
 * waits forever is not the same as one that does not.
 */
#ifndef MX_MXM_AWAITED_H
#define MX_MXM_AWAITED_H

#include "mxm/follow.h"

/* REL_ALONE, REL_PASS_OVER; REL_UNKNOWN: the leader is about to tell; REL_DIFFERENT. Their forms
 * differ. */
enum relation awaited_relate(struct task *task, const struct event *event);

/* The same where the event is about a descriptor that the follower has not, and may be: but for
 * waits, it is the leader's own. */
enum relation awaited_relate_unshared(const struct task *task, const struct event *event);

/* Is it a call of this rule's? */
bool awaited_has(const struct call *call);

/* The follower passes the event over. */
void awaited_pass_over(struct task *task, const struct event *event);

/* REL_ALONE is acted upon: what the call is told. False: it is none of this rule's. */
bool awaited_tell(struct task *task, const struct event *event, int64_t *ret_result);

#endif
