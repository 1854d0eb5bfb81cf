/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of a copied process. The copy of a child is made by the child that it is a copy of
 * (copy.h), so to the kernel it is no child of the copy of its parent: that could not wait for it,
 * and would not be told of its end. So the parent's copy is given a child for each, a *stand-in*: a
 * process that shares its memory, has no descriptors and never runs. When the copy of the child
 * ends, its stand-in ends the same way, and what the program is told of that is the kernel's own
 * doing: SIGCHLD, wait4(2) and its kin, with all their options. Ids are the child's (ids.h).
 *
 * A stand-in is traced by the monitor of its parent's group, and stopped as long as it lives.
 */
#ifndef MX_MXM_STANDINS_H
#define MX_MXM_STANDINS_H

#include "mxm/copy.h"

/*
 * Gives the twins of @copies, which are to be @version's processes, a stand-in for each child that
 * the leader's processes have: those among @copies, and those that have ended and are not waited
 * for yet. On failure some may be left: standins_undo().
 */
MUST_CHECK int standins_make(
	struct group *group, int version, const struct copies *copies, struct err *err);
/* The twins are given up; these end first. */
void standins_undo(struct group *group, int version);
/* The ids of @version are known from here on: the program's words for its stand-ins are, too. */
void standins_enrol(struct group *group, int version);

/* @version's process @child, as its kernel knows it, is gone, with @status as from wait(2). */
void standins_end(struct group *group, int version, pid_t child, int status);

/* @version is let go. */
void standins_kill(struct group *group, int version);

/* The stop of a tracee that is no task: true where it is a stand-in, and the stop was served. */
bool standins_stop(struct group *group, const struct stop *stop);

void standins_free(struct group *group);

#endif
