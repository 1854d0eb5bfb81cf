/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task that holds the baton while it waits, in a loop without calls, for what another one does to
 * memory. It is known by going round: stepped from an instruction back to the same one it has the
 * same registers, but for one that counts and addresses nothing. To end its turn in such a loop
 * loses nothing, and so it need not be the 200 ms of one that computes: which of the loop's rounds
 * it was makes no difference to anybody.
 */
#ifndef MX_MXM_SPINS_H
#define MX_MXM_SPINS_H

#include "mxm/state.h"

enum spins {
	SPINS_NOT,  /* it computes, as far as one can see; still stopped */
	SPINS,	    /* it waits; still stopped */
	SPINS_LEFT, /* it is in a stop of its own by now, which the loop will be told of */
};

/* @task was interrupted in user mode, and another one waits for the baton that it holds. */
enum spins spins_look(struct task *task);

/*
 * After how much CPU time, in ns, since another one has claimed its baton a running task is to be
 * looked at. What has been seen to spin is looked at soon, and ever less often up to its next turn.
 */
uint64_t spins_look_after(const struct task *task);

/* Has it been seen to spin, so that a look at once may be worth its stop? */
bool spins_is_known(const struct task *task);

/* A new turn: looks are counted from here. */
void spins_begin_turn(struct task *task);

/* The monitor is about to wait, and has to look at a task before the next tick: its wait is broken
 * as by a tick. spins_end() before the group is freed. */
void spins_break_wait(struct group *group);
void spins_end(struct group *group);

/* Of an instruction's bytes, of which there are @len: may a loop that only waits have it, while
 * register @counter (its number in instructions) is no part of any address in it? */
bool spins_is_plain(const uint8_t *insn, size_t len, unsigned counter);

#endif
