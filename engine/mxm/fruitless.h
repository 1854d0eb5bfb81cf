/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that found nothing, which one version makes once more: a read or an accept that would have
 * to wait and may not (EAGAIN), epoll_wait without a wait, SO_ERROR where there is no error.
 * Safe: nothing was taken away, and nobody else sees them. A follower's is not made: it is told
 * that there was nothing, where there is nothing now, or the leader has come to what there is
 * later; a read that the leader makes then is compared like all else.
 */
#ifndef MX_MXM_FRUITLESS_H
#define MX_MXM_FRUITLESS_H

#include "mxm/follow.h"

/* REL_ALONE, REL_PASS_OVER; REL_UNKNOWN: the leader is about to tell; REL_DIFFERENT. Their forms
 * differ. */
enum relation fruitless_relate(struct task *task, const struct event *event);

/* Is it a call of this rule's, if it finds nothing? */
bool fruitless_has(const struct call *call);

/* Has the call found nothing, as its result says? (Of SO_ERROR it does not.) */
bool fruitless_was(const struct call *call, int64_t result);

/* REL_ALONE is acted upon: what the call is told. False: it is none of this rule's. */
bool fruitless_tell(struct task *task, const struct event *event, int64_t *ret_result);

#endif
