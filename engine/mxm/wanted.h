/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences that the operator's rules allow (rulefile.h), and calls in another order. What is
 * said here of a follower's call and an event holds for where built-in rules find no match.
 */
#ifndef MX_MXM_WANTED_H
#define MX_MXM_WANTED_H

#include "mxm/rulefile.h"
#include "mxm/state.h"

enum wanted {
	WANTED_NOT,
	WANTED_SAME,	  /* one stands for the other */
	WANTED_PASS_OVER, /* the event is the leader's own */
	WANTED_ALONE,	  /* the follower makes its call alone */
	WANTED_OPENS,	  /* the same, and it makes a descriptor */
	WANTED_ANSWER,	  /* the follower's call is not made: *ret_result */
	WANTED_LATER,	  /* it is the same as *ret_later, which comes out of its turn */
	WANTED_CARRY,	  /* the event is a mode of a descriptor, which becomes the follower's */
	WANTED_HOLD,	  /* that may still come */
};

struct wanted_verdict {
	const char *rule;
	int64_t result;
	struct event *later;
};

/*
 * @made: the event's call was made. Changes nothing; where the verdict is acted upon,
 * wanted_passed() and the like say so.
 */
enum wanted wanted_judge(
	struct task *task, struct event *event, bool made, struct wanted_verdict *ret);

/* The built-in rule: they set different things, and nobody can see in which order; */
bool wanted_commute(const struct call *a, const struct call *b);
/* and how many calls it looks ahead. */
#define WANTED_WINDOW 8

/* The follower waits for an event out of its turn: may the leader make this call meanwhile? */
bool wanted_while_held(const struct task *task, const struct event *event);

/* The event was passed over by a sequence's rule. True: the follower's call is answered now. */
bool wanted_passed(struct task *task, struct event *event, int64_t *ret_result);

/*
 * The rest of a sequence whose effects have happened: the task's call is answered without being
 * made. Leading or following, stopped at the entry, in user mode.
 */
bool wanted_rest(struct task *task);

#endif
