/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs to a process and not to its descriptors: interval timers, and the locks of fcntl(2).
 * The leader's process holds them; a version that takes over has to set and take them itself. Kept
 * on the leader's side of the stream.
 */
#ifndef MX_MXM_CARRY_H
#define MX_MXM_CARRY_H

#include "mxm/state.h"

extern const struct special special_timer, special_lock;

/* @fd is closed: the process loses its locks on that file (fcntl(2)). */
void carry_closed(struct proc *proc, int fd);
/* execve keeps timers and locks, fork gives the child neither. */
void carry_free(struct proc *proc);

/*
 * A leading process was brought @info, or it waits for it: where it is a timer's, that one has
 * fired. So it is known whether one whose time is over when its process is gone had come to it.
 */
void carry_timer_fired(struct proc *proc, const siginfo_t *info);

/* Has the process something to carry over to @version? */
bool carry_needed(const struct proc *proc, int version);
/*
 * The first call of a process whose version has taken over: what the old leader's process held
 * becomes its own, shadows too, then the call is asked for again. Stopped at its entry.
 */
void carry_take_up(struct task *task);
/* Has @task's version taken over, and its process not yet what it has to have? */
bool carry_is_due(const struct task *task);
/* The same for one that is stopped in user mode: a program may wait for its timer without a call.
 */
void carry_take_up_running(struct task *task);
/* The same, or in a call of its version's own, which is then made again. */
void carry_take_up_stopped(struct task *task);

#endif
