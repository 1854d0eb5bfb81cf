/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Late descriptors: those that the leader's agent has opened. No stop belongs to that, so the
 * engine has not heard of them and no follower holds them; a follower's agent only notes the number
 * in the table of its process (agent/wire.h), since what it asks of the descriptor is answered from
 * the ring. Most are closed again by the agent, and that was all.
 *
 * They stop being late at the leader's next call by ptrace: the engine takes copies, which go with
 * that call's event, and a follower is given them before it comes to the event. So at every event
 * all versions hold the same descriptors. When the leader is lost, its last stop is where copies
 * are taken, for the version that takes over.
 *
 * Only files that are opened by name, for reading, without making them: their close is noticed by
 * nobody. At a barrier a close waits for the followers, as a write does. In a stream it does not,
 * so a follower that goes another way than its leader can lack what that has closed meanwhile.
 */
#ifndef MX_MXM_LATE_H
#define MX_MXM_LATE_H

#include "mxm/state.h"

/* May the agent of @task's process open descriptors? Asked when it gets it, and when its user
 * changes. */
bool late_is_possible(const struct task *task);
/* It may no more: its table of descriptors is not one thread's alone from now on. Stopped. */
void late_forbid(struct task *task);

/*
 * The versions of @follower's process use files in different ways: from now on it has each
 * descriptor when it is opened, since it may use it where the leader does not.
 */
void late_stop(struct task *follower);

/*
 * A leader's task is at a call by ptrace: what is late is the engine's from now on, and goes with
 * @event. NULL: nobody follows. Stopped.
 */
void late_settle(struct task *task, struct event *event);

/* Has @event descriptors that @version's process must be given before it comes to it? */
bool late_is_due(const struct event *event, int version);
/* Gives them to @task, which is at a call's entry: it runs, and makes that call again. */
void late_give(struct task *task, struct event *event);
/*
 * @task is to make a call alone, with a descriptor that is late: it gets it first, and makes the
 * call again; where the leader has closed it since, that is a divergence. False: none is.
 */
bool late_fetch(struct task *task, const struct event *event);
/* The engine gives @task, not its agent, what the leader's agent did with a descriptor. */
void late_note(struct task *task, const struct event *event);

/* The leader's task is in its last stop: copies for the one that takes over. */
void late_keep(struct task *task);
/* Is there something to take over for @task's process, whose version leads from now on? */
bool late_is_left(struct task *task);
/* Takes it over. Stopped, with no call pending. -EAGAIN: not all of it is there. */
MUST_CHECK int late_take_over(struct task *task);
/* Is all that @follower's process has open still there? The leader may have closed it since. */
bool late_is_there(struct task *follower);
/* The follower parts from its leader: what was to be given to it with events is kept for it. */
void late_part_ways(struct task *follower);

/* Is @fd late in @task's process: a number that it has no descriptor for yet? */
bool late_is(const struct task *task, int fd);
/* The same, and a regular file? For one that is read in pieces. */
bool late_is_file(const struct task *task, int fd);
/* A copy of what is late in a follower's process, while the leader has it; -EBADF: it has not. */
MUST_CHECK int late_copy(const struct task *task, int fd);

/* @task's process, stopped, is copied or has been: nothing is late in it. */
void late_forget(struct task *task);
void late_free(struct proc *proc);

#endif
