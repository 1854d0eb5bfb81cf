/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder's entries, read with more room at once, or with less. Where the follower has less, it is
 * given as many whole entries as fit, and the rest is kept for its next reads, also when it leads
 * by then (surplus.h). Where it has more it is told a short count, as the kernel may. Safe: they
 * are the same entries in the same order, and the end is told to both.
 */
#ifndef MX_MXM_FOLDERS_H
#define MX_MXM_FOLDERS_H

#include "mxm/follow.h"

/* REL_SAME: the end; REL_UNKNOWN: when the call has been made; REL_DIFFERENT. Their room differs.
 */
enum relation folders_relate(const struct task *task, const struct event *event);

/* The event was made, and @task has less room: it is given a part. False: it is not so. */
bool folders_consume(struct task *task, struct event *event);

/* What is kept answers the call, at whose entry the task is stopped; leading or following. */
bool folders_serve(struct task *task);

#endif
