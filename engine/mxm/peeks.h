/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSG_PEEK, by one version alone. The leader's is passed over; a follower's is answered with what
 * the leader has read since, or, if it has not, with what the socket holds. Safe: the bytes stay
 * where they are, and what a version does with them is compared like all else.
 */
#ifndef MX_MXM_PEEKS_H
#define MX_MXM_PEEKS_H

#include "mxm/follow.h"
#include "mxm/state.h"

/* REL_ALONE, REL_PASS_OVER; REL_UNKNOWN: the leader is about to read; REL_DIFFERENT. Their forms
 * differ. */
enum relation peeks_relate(struct task *task, const struct event *event);

/* Is it a call of this rule's? */
bool peeks_has(const struct call *call);

/* REL_ALONE is acted upon: the result, and the bytes where the task wants them. False: it is none
 * of this rule's. */
bool peeks_tell(struct task *task, const struct event *event, int64_t *ret_result);

#endif
