/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process sets for itself, by one version alone: what it does upon a signal (sigaction), the
 * modes of files that it makes (umask), its limits (setrlimit). Each version makes such calls by
 * itself, so each has what it asked for; from the call of one alone on to the one after which both
 * have the same again, they are *apart*. Meanwhile nothing may happen that the difference matters
 * to, and that is a divergence ("setting"): the signal itself; the making of a name, for a umask;
 * for a limit everything but looks; and for all of them a process that is made, a program that is
 * executed, and the end. Not RLIMIT_CPU, which is the leader's alone (special_limits.c).
 */
#ifndef MX_MXM_SETTINGS_H
#define MX_MXM_SETTINGS_H

#include "mxm/state.h"

enum settings {
	SETTINGS_NOT,	    /* it is none of this rule's */
	SETTINGS_ALONE,	    /* the follower's call is its own, and the event is still to come */
	SETTINGS_PASS_OVER, /* the event is the leader's own */
};

/* The follower's call, at whose entry it is stopped, is not the event's. Changes nothing. */
enum settings settings_relate(const struct task *task, const struct event *event);
/* It is, or parts of the same bytes: may that not be while the versions are apart? */
bool settings_forbid(const struct task *task, const struct event *event);
/* A signal of the stream, which the two would not take in the same way. */
bool settings_hold_off(const struct task *task, const struct event *event);

/* Of @task's process; false: it cannot be told. */
bool settings_umask(const struct task *task, uint64_t *ret_mask);

/* Is it a call of this rule's? */
bool settings_has(const struct call *call);

/* The follower makes its call alone; passes the event over; makes it, as the leader did. */
void settings_go_alone(struct task *task);
void settings_pass_over(struct task *task, const struct event *event);
void settings_share(struct task *task, const struct event *event);

void settings_fork(struct proc *child, const struct proc *parent);
/* All handlers are gone. */
void settings_executed(struct proc *proc);
/* A follower has become the leader: what its processes have is what is known of the leader's. */
void settings_succeeded(struct group *group);
/* All versions' processes are what the leader's is. */
void settings_renew(struct proc *proc);

#endif
