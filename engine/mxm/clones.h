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
 * One forks and the other one has a child that borrows its memory until it executes a program or
 * ends (vfork, posix_spawn). Where it is the leader that forks, that has to be known before, and
 * clones_vetted() says so: then its parent waits, too, for what the child becomes. Safe: each
 * version has a child of its own; what it does is compared, and so is what the parent does after
 * that.
 */
bool clones_are_alike(const struct call *a, const struct str *in_a, const struct event *event);
/* The follower @task asks for what the leader's @event is about to make. */
void clones_vetted(const struct task *task, struct event *event);

#endif
