/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that the leader has read from what flows (a pipe, a stream socket, a terminal), and that a
 * version has not asked for yet: since it reads in smaller pieces (pieces.h), or since it goes its
 * own way from a point before the leader's read. They are for its next reads of that descriptor;
 * whoever waits for it is told that it can be read (ready.h).
 */
#ifndef MX_MXM_SURPLUS_H
#define MX_MXM_SURPLUS_H

#include "mxm/by_fd.h"
#include "mxm/state.h"

struct surplus {
	struct by_fd of; /* proc->surplus */
	struct str bytes;
};

/* NULL: none. */
struct surplus *surplus_of(struct proc *proc, int version, int fd);
/* For @task's version, after those that it has. */
void surplus_keep(struct task *task, int fd, const char *data, size_t len);
/* The first @n bytes were given; the surplus is freed with its last one. */
void surplus_use(struct surplus *s, size_t n);
/* The next descriptor after @after of which @task's version has some; -1: none. */
int surplus_next(const struct task *task, int after);
void surplus_forget(struct proc *proc, int version, int fd); /* closed; -1: all */

#endif
