/* SPDX-License-Identifier: Apache-2.0 */
/* Making a version anew, when the moment has been found: rejoin.h. */
#ifndef MX_MXM_REMAKE_H
#define MX_MXM_REMAKE_H

#include "mxm/copy.h"

/*
 * Copies the leader's processes, all of which are held (their threads are TASK_READY, with no call
 * pending), and makes the copies @version's, which follows from here on: what the leader does is
 * kept for it, but nobody waits for it (group->laggards). Where one process shares no memory, the
 * leader's may run on at once, while the copy is made ready between its stops. Takes what @copies
 * holds. -EAGAIN: it is no safe point. On failure nothing is left.
 */
MUST_CHECK int remake(struct group *group, int version, uint64_t since_ns, struct copies *copies,
	struct err *err);

/* Is a version being made ready? Then remake_go_on() is called between any two stops. */
bool remake_is_busy(const struct group *group);
/* One step of it. What fails is told by rejoin_failed(). */
void remake_go_on(struct group *group);
/* Is @version's copy not ready? It stands still then. */
bool remake_holds(const struct group *group, int version);

/* In every round of the loop: one that has caught up is in step, and waited for again. */
void remake_attend(struct group *group);
/* The program ends here. True: a version was on its way. */
bool remake_over(struct group *group);

#endif
