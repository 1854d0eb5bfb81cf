/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between versions that are harmless, and what makes them so. */
#ifndef MX_MXM_RULES_H
#define MX_MXM_RULES_H

#include "mxm/state.h"

/*
 * A file or directory that is made under a random name (mkstemp(3), mkdtemp(3)): glibc draws the
 * name from the address of a variable, which differs between versions. Where the two names differ
 * in at most six letters and digits in one place, and the call makes what must not have been there,
 * the follower's name, in its own memory, becomes the leader's. Safe: the name meant nothing before
 * the call, and both go on with the one that the leader made.
 */
bool rules_temporary_name(struct task *task, const struct event *event);

/*
 * Calls that say the same by another name, which libcs change from version to version: stat, lstat
 * and open are their *at forms from the current directory, newfstatat of an empty path is fstat.
 * The arguments in task->call become those of the other name; the program's registers stay. Safe:
 * the kernel runs the same code for both.
 */
void rules_rename(struct task *task);

/*
 * Looks: draws of random bytes, and reads of a clock, which allocators make by what their addresses
 * are, and futex calls, which depend on where a time slice ended. One that only the follower makes
 * is answered for it alone, a clock as it was last told, and the event is still to come; one that
 * only the leader made is passed over. Safe: nobody outside sees them, and what follows from the
 * answer is compared like all else.
 */
bool rules_is_look(const struct call *call);
/* The follower looks, and the event is not the same look. */
bool rules_is_extra_look(const struct task *task, const struct event *event);
/* Answers a clock's extra look; false: the kernel has to. Stopped at its entry. */
bool rules_tell_clock(struct task *task);
/* The follower is told, or passes over, what the event says of a clock. */
void rules_learn_clock(const struct task *task, const struct event *event);

#endif
