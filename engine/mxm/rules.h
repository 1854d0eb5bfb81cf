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
 * Draws of random bytes and looks at a clock that only one version makes (allocators do, by what
 * their addresses are). The follower's own: answered for it alone; it can run on, and the event is
 * still to come. Safe: nobody outside sees it, and what follows from the answer is compared like
 * all else.
 */
/*
 * The same goes for futex calls: whether a lock was contended depends on where a time slice ended.
 * A follower's waits and wakes that the leader did not need are made by it alone.
 */
bool rules_is_extra_look(struct task *task, const struct event *event);
/* The leader's: a follower that asks for something else can pass the event over. */
bool rules_is_look(const struct event *event);

#endif
