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
 * The leader's child borrows its memory until it executes a program or ends (vfork, posix_spawn),
 * and the follower forks. Safe: each version has a child of its own; what it does is compared, and
 * so is what the parent does, which in both comes after that. Not the other way round: a leader
 * that forks goes on beside its child, which a follower cannot follow.
 */
bool clones_are_alike(const struct call *a, const struct str *in_a, const struct event *event);

#endif
