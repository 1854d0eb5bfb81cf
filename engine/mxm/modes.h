/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O_NONBLOCK and close-on-exec, set when a descriptor is made or by a call of its own afterwards.
 *
 * The descriptor is made as the leader asks. Where a follower asks for the other O_NONBLOCK, the
 * two are *apart* until one of them sets what the other one has: the follower's call is answered,
 * the leader's is passed over. While they are apart no call may pass that can wait for the
 * descriptor: that would be a divergence. So what a version meets when it uses the descriptor is
 * what it asked for. A follower that comes to lead sets what it asked for first.
 *
 * Close-on-exec is the leader's in every version (rules_same_flags() says why that is safe),
 * whenever it sets it.
 */
#ifndef MX_MXM_MODES_H
#define MX_MXM_MODES_H

#include "mxm/state.h"
#include "mxm/wanted.h"

/* May the two calls, which make descriptors and differ in O_NONBLOCK, be taken for the same? */
bool modes_may_part(const struct task *task, const struct call *call);

/* The event gave the follower descriptors: notes where its O_NONBLOCK is another. */
void modes_share(struct task *task, const struct event *event);

/* The event, which both ask for, would use a descriptor while the versions are apart on it. */
bool modes_forbid(const struct task *task, const struct event *event);

/* Does it set close-on-exec, or take it off, for one descriptor? */
bool modes_sets_cloexec(const struct call *call);

/* One of them sets what the other one has set: WANTED_ANSWER, WANTED_PASS_OVER, WANTED_SAME; */
enum wanted modes_judge(struct task *task, const struct event *event, struct wanted_verdict *ret);
/* ... and the same for close-on-exec: WANTED_ANSWER, WANTED_CARRY. */
enum wanted modes_judge_cloexec(
	const struct task *task, const struct event *event, struct wanted_verdict *ret);
/* A follower that asks for a descriptor's mode (F_GETFL) while they are apart is told its own. */
bool modes_are_asked(const struct task *task);
bool modes_tell(const struct task *task, int64_t *ret_result);
/* The verdict of modes_judge() was acted upon: what was apart is no more. */
void modes_settled(struct task *task, const struct event *event, const struct wanted_verdict *v);

/* Makes the leader's close-on-exec the follower's, whose pending call is issued again. */
MUST_CHECK int modes_carry(struct task *task, const struct event *event);

/*
 * The task leads, at a call's entry: descriptors that its version asked for otherwise are set, and
 * what was apart in versions that are gone is forgotten. True: its call is issued again.
 */
bool modes_take_over(struct task *task);

void modes_forget(struct proc *proc, int version, int fd); /* closed; -1: all */

#endif
