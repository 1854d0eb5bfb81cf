/* SPDX-License-Identifier: Apache-2.0 */
/* What follow.c, follow_give.c and vet.c share: a follower's call beside an event of its tuple. */
#ifndef MX_MXM_FOLLOW_H
#define MX_MXM_FOLLOW_H

#include "mxm/state.h"
#include "mxm/wanted.h"

/* What a follower's call is to an event of its tuple. */
enum relation {
	REL_SAME,
	REL_ALONE,     /* the follower's call is its own, and the event is still to come */
	REL_OPENS,     /* the same, and it makes a descriptor */
	REL_PASS_OVER, /* the event is the leader's own */
	REL_UNKNOWN,   /* what the leader is about to do will tell */
	REL_NEVER,     /* the same, but it may not be made now: no rule changes that */
	REL_DIFFERENT,
};

/* By the built-in rules; *@ret_why says what differs where that is all that can be said. */
enum relation follow_relate(struct task *task, const struct event *event, const char **ret_why);
/* The same where a part of the follower's call was done: pieces.h. */
enum relation follow_relate_midway(const struct task *task, const struct event *event);

/* A call that this version alone needs. It may wait there for another task, without the baton. */
void follow_make_alone(struct task *task, const struct event *event);
/* The same, for one that opens what only this version has. */
void follow_open_alone(struct task *task, const struct event *event, const char *rule);
/* Acts on a verdict of the operator's rules that leaves the event to come; false: it is none. */
bool follow_alone(struct task *task, const struct event *event, enum wanted wanted,
	const struct wanted_verdict *v);
/* It waits in a futex of its own accord, for a task that may wait for the leader. */
bool follow_is_held_up(const struct task *task);
/* That, or it is not born yet while another one is held up: the events of others go before its. */
bool follow_cannot_come(const struct task *task);

/* It was killed meanwhile: its last stop is what the loop gets next, and it asks for nothing more.
 */
void follow_vanish(struct task *task);

/* It runs on in user mode, and has the baton. */
void follow_go_on(struct task *task);

/* follow_give.c: what is kept of a descriptor that the follower's version has closed. */
void follow_forget(struct task *task, int fd);

/* follow_give.c: the follower's call, at whose entry it is stopped, is the event's. */
void follow_consume(struct task *task, struct event *event);
/* Ends the follower's call with @result; it is stopped at its entry or exit. */
void follow_give_result(struct task *task, int64_t result);

/* follow_signals.c: the stream has a signal right after this call, or before the next one. */
void follow_go_on_with_signal(struct task *task, struct event *event);
void follow_take_signal(struct task *task, struct event *event);
/* In user mode: may a signal that broke into the leader's be given here already? */
bool follow_signal_is_due(struct task *task, struct event *event);

/*
 * vet.c: looks at calls of the leader that are not made yet, beside what @version asks for. True:
 * something was decided.
 */
bool vet_calls(struct group *group, int version);

#endif
