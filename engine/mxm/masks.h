/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals that one version blocks for a while, and the other does not: around a few calls, or what
 * C libraries do around a new thread or process, a thread's end, or a handler. Some block every
 * signal before clone or sigaction and restore the mask afterwards, in the parent and in the child,
 * and block them before a thread's exit, and some do not; some set the handlers of their own two
 * signals (32 and 33, which no program can name) at the start, and some with the first thread.
 *
 * From a change of the mask that one version makes alone to the one after which both have the same
 * again, the two are *apart*. Safe: meanwhile nothing is accepted but clone, sigaction, looks, a
 * thread's exit, further changes of the mask, and up to MASKED_CALLS others that do not wait, send
 * no signal and end or execute nothing; anything else, and a signal that comes meanwhile to a
 * version that blocks it, is a divergence ("signal-mask"). A mask that stays different is found out
 * so a few calls later, or at the end.
 */
#ifndef MX_MXM_MASKS_H
#define MX_MXM_MASKS_H

#include "mxm/state.h"

#define MASKED_CALLS 16

enum masks {
	MASKS_NOT,	 /* it is none of this rule's */
	MASKS_ALONE,	 /* the follower's call is its own, and the event is still to come */
	MASKS_PASS_OVER, /* the event is the leader's own */
	MASKS_NEVER,	 /* the versions are apart, and this may not happen now */
};

/*
 * The follower is stopped at its call's entry, and @same says that it asks for the event's call.
 * Changes nothing but what is apart no more.
 */
enum masks masks_relate(struct task *task, const struct event *event, bool same);

/* Is the call one of this rule's? */
bool masks_has(const struct call *call);

/* Does it set the handler of a signal that only a C library can name? */
bool masks_is_libcs(const struct call *call);

/* The verdicts are acted upon: the follower makes its call alone; passes the event over; */
void masks_go_alone(struct task *task);
void masks_pass_over(struct task *task, const struct event *event);
/* both make the event's call; */
void masks_share(struct task *task, const struct event *event);
/* and @tuple is the child of a clone of the follower @task's. */
void masks_inherit(const struct task *task, struct tuple *tuple);

/* Would a signal of the stream wait in this follower, which blocks it, as the leader did not? */
bool masks_hold_off(struct task *task, const struct event *event);

#endif
