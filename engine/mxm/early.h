/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks that a follower has alone, where the leader may make them later. Which of two threads is
 * first at a lock hangs on where a time slice ended; the threads of the two versions then make the
 * same looks at other places. What the leader makes later is not one more: the follower's next look
 * is not held against it, and gets its own answer. A clock most of all has to be the leader's, as
 * what is read becomes a timeout, or an age.
 */
#ifndef MX_MXM_EARLY_H
#define MX_MXM_EARLY_H

#include "mxm/state.h"

/* Is there no use in waiting until the leader makes the look that @task asks for? At its entry. */
bool early_may(const struct task *task);

/* Whose turn is it, where @task asks for a look, and the event is another one? */
enum early_turn {
	EARLY_COMES,   /* the leader makes that look too: the event is passed over */
	EARLY_ALONE,   /* it does not, or not soon */
	EARLY_UNKNOWN, /* it is on its way, and what it does next will tell */
};
enum early_turn early_turn(const struct task *task, const struct event *event);

/* Is the event a look that @task has had, and no lock? It is not its next one, even if they are
 * the same. */
bool early_had(const struct task *task, const struct event *event);

/* @task is about to have the look that it asks for alone. At its entry. */
void early_note(struct task *task);
/* The event's look is passed over. */
void early_pass_over(struct task *task, const struct event *event);
/* @task is past the event: none of the leader's looks before it is still to come. */
void early_settle(struct task *task, const struct event *event);

#endif
