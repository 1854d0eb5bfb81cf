/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that are closed in other ways: where nothing is open, which the kernel only says; and
 * one by one in one version, by close_range(2) in the other. Safe: both have closed the same when
 * they go on to something else, and that is looked at.
 */
#ifndef MX_MXM_CLOSES_H
#define MX_MXM_CLOSES_H

#include "mxm/follow.h"
#include "mxm/state.h"

/* REL_ALONE, REL_PASS_OVER, REL_DIFFERENT. Their forms differ. */
enum relation closes_relate(const struct task *task, const struct event *event);

/* The follower closes alone: what is kept of such descriptors is forgotten. */
void closes_go_alone(struct task *task);

#endif
