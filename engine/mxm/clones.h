/* SPDX-License-Identifier: Apache-2.0 */
/* fork, vfork, clone and clone3: one request by four names. */
#ifndef MX_MXM_CLONES_H
#define MX_MXM_CLONES_H

#include "mxm/state.h"

struct clone_call {
	uint64_t flags; /* without a signal */
	uint64_t signal;
	uint64_t pidfd, parent_tid, child_tid;
	uint64_t set_tids, cgroup; /* clone3's: how many ids are asked for; a descriptor */
};

/* Reads the call that @task stands in. False: it is none of them, or cannot be read. */
bool clones_read(struct task *task, struct clone_call *ret);

/*
 * Appends the normal form that all of the names have. Where an id is written into a version's own
 * memory is not in it: each version makes its own child.
 */
void clones_put(struct task *task, struct str *s);

/* Of two calls and their normal forms: do both ask for the same child? */
bool clones_are_same(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b);

/*
 * One version's child borrows its memory until it executes a program or ends (vfork, posix_spawn),
 * and the other one forks. Where the leader forks, it goes on beside its child, so the follower's
 * gets memory of its own, too: its call is made without the flags of clones_left_out(). Safe: each
 * version has a child of its own; what it does is compared, and so is what the parent does. What a
 * child has written to memory that it did not borrow its parent lacks: it may execute a program, as
 * such children do, but not end before (clones_forbid()).
 */
bool clones_are_alike(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b);

/* Flags of clone(2) that the follower's call, which is the event's, is made without. */
uint64_t clones_left_out(const struct task *task, const struct event *event);

/* Is the follower's call the end of a child whose memory was to be its parent's? */
bool clones_forbid(const struct task *task);

#endif
