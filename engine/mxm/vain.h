/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls in vain: unlink, rmdir and mkdir where there is nothing to remove, or to make; what sets a
 * value that is there already; O_CREAT, where the file is. One version may make them and the other
 * not: programs clear a place before they use it, or make sure of a folder. Safe: nothing has
 * changed for anybody. A follower's call on names, or on an open file, is not made: it is told what
 * it would have been told at its place in the stream, where the leader may be ahead. Of what the
 * leader's agent has set nobody knows whether it was so before: that is none of this.
 */
#ifndef MX_MXM_VAIN_H
#define MX_MXM_VAIN_H

#include "mxm/state.h"

/* The leader's @task is at the entry of the event's call: is it in vain? */
void vain_note(struct task *task, struct event *event);

/* Do both open one file, that was there, and one of them would have made it? */
bool vain_creation(const struct task *task, const struct event *event);

/* Is it a call of this rule's? */
bool vain_has(const struct call *call);

/* Is a call of the leader's under way that makes or removes the name that @task's call is about? */
bool vain_is_unsure(const struct task *task);

/* Does the call that @task asks for change nothing, in the state before @event? At its entry. */
bool vain_asks(const struct task *task, const struct event *event);
/* The same of the event's call, which the kernel has answered or will. */
bool vain_was(const struct task *task, const struct event *event);

/* Was a call on a name in vain, as its result says? */
bool vain_told(const struct call *call, int64_t result);

/* What a call is told that was found to be in vain; false: it is another one. */
bool vain_tell(struct task *task, const struct event *event, int64_t *ret_result);

#endif
