/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timers of timer_create(2). They belong to the leader's process: a version that takes over
 * makes them anew, with their ids and what was left of their time. A timer's signal carries a value
 * that is an address more often than not: each version gets its own.
 */
#ifndef MX_MXM_POSIX_TIMERS_H
#define MX_MXM_POSIX_TIMERS_H

#include "mxm/state.h"

/* A timer_*(2) call that the leader made, with success. @event may be NULL. */
void posix_timers_led(struct task *task, struct event *event);
/* The same call of a follower, which is about to be given its result. */
void posix_timers_followed(struct task *task, const struct event *event);
/* The leader's process was brought the signal of its timer @id, or @sig by one of its timers. */
void posix_timers_fired(struct proc *proc, int id);
void posix_timers_fired_by(struct proc *proc, int sig);
/* Puts @task's own value into what a timer's signal brings. */
void posix_timers_own_value(const struct task *task, siginfo_t *info);
/* The same, where a follower was given the signal by rt_sigtimedwait(2). -ESRCH: it vanished. */
MUST_CHECK int posix_timers_waited(struct task *task);

bool posix_timers_any(const struct proc *proc);
/*
 * Makes and sets them in @task's process. Stopped, with no call pending. -EAGAIN: one could not be
 * made; other errors: the process vanished.
 */
MUST_CHECK int posix_timers_carry(struct task *task);
/* @version's process is a copy of @from's. */
void posix_timers_copy(struct proc *proc, int from, int version);
void posix_timers_free(struct proc *proc);

#endif
