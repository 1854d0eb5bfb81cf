/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the leader's calls wait for the followers, by --sync: docs/architecture.md, "The
 * stream". */
#ifndef MX_MXM_BARRIER_H
#define MX_MXM_BARRIER_H

#include "mxm/state.h"

/* The leader's task is at a call's entry: must every follower have asked for the same before it is
 * made? */
bool barrier_waits(const struct task *task);

#endif
