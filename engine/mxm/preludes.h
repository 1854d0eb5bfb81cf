/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one version does right before it closes a descriptor, and the close does as well: it takes
 * the descriptor out of an epoll set (EPOLL_CTL_DEL), shuts a socket down, lets a lock go. Safe:
 * where it is the last descriptor of its file in the program, the kernel does the same upon the
 * close, and a lock of fcntl(2) goes with any close of the file. Both close it next: what else one
 * of them does meanwhile is a divergence, and the other one had wanted that by then.
 */
#ifndef MX_MXM_PRELUDES_H
#define MX_MXM_PRELUDES_H

#include "mxm/follow.h"

/*
 * Descriptors are handed on in messages, or a version has led alone and may have done so: which is
 * the last of its file is not known any more. Any thread.
 */
void preludes_forbid(struct mxm *mxm);

/* The leader's @task is at the entry of the event's call: is it about the last descriptor? */
void preludes_note(const struct task *task, struct event *event);

/* REL_ALONE, REL_PASS_OVER; REL_UNKNOWN: what the leader does next tells; REL_DIFFERENT. */
enum relation preludes_relate(const struct task *task, const struct event *event);

/* Is it a call of this rule's? */
bool preludes_has(const struct call *call);

/* REL_ALONE is acted upon: what the call is told, which is not made. False: it is none of these. */
bool preludes_tell(const struct task *task, int64_t *ret_result);

#endif
