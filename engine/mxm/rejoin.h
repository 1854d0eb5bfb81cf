/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version that was let go comes back: the leader's process is copied with all its threads, at a
 * moment when every one of them stands between two events, and the copy follows from there. What
 * makes the copy the lost version again, and whether the moment is a safe one, is for the layer
 * above to say (mxm_ops: rejoin_safe, rejoin_made).
 *
 * The copy is made by fork(2) in the leader's own process, as a sibling of the program's first one,
 * or through a short-lived child that shares the memory: so it is the engine's child (a
 * sub-reaper's or init's), and the program neither sees a new child nor a SIGCHLD. Other threads
 * are made anew in the copy with the registers, signal masks, robust lists and alternate stacks of
 * the leader's.
 */
#ifndef MX_MXM_REJOIN_H
#define MX_MXM_REJOIN_H

#include "base/err.h"
#include "mxm/state.h"

/* As mxm_want_back(), with the lock. */
void rejoin_want_locked(struct mxm *mxm, int version);

/* Tries to bring back what the director wants back; on the group's monitor, between two stops. */
void rejoin_attend(struct group *group);

/* remake.h: the copy was made in vain. Tried again (-EAGAIN, -ESRCH), or given up. */
void rejoin_failed(struct group *group, int version, int rc, const struct err *err);

/* The program is about to end here: a version that is still wanted back does not come any more. */
void rejoin_over(struct group *group);

/* With the lock, when a group is over: a version that could not come back beside it is tried again.
 */
void rejoin_group_over_locked(struct mxm *mxm);

/* Is a version wanted back that could join this group? The loop then needs ticks. */
bool rejoin_is_due(const struct group *group);

#endif
