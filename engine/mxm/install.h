/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors from one version to another: taken from the leader when its call has made them, and
 * installed in a follower at the same numbers when it comes to that call. The ways, by what the
 * machine allows: pidfd_getfd(2), or the leader sends them over a socket; a seccomp notification's
 * ADDFD, or the follower receives them over a socket.
 */
#ifndef MX_MXM_INSTALL_H
#define MX_MXM_INSTALL_H

#include "mxm/state.h"

/*
 * Takes a copy of @task's descriptor @num into event->fds. The task is stopped at a call's exit or
 * in its last stop.
 */
MUST_CHECK int install_take(struct task *task, struct event *event, int num, bool cloexec);

/*
 * Puts the event's descriptors into @task, which is stopped at the entry of the matching call, and
 * ends that call with the event's result: afterwards the task is running (true in *@ret_runs) or
 * still stopped as at the call's exit.
 */
MUST_CHECK int install_give(struct task *task, struct event *event, bool *ret_runs);

/*
 * Puts @fds into @task, which is stopped at a call's entry and makes that call again: it is running
 * (true in *@ret_runs) or is to be resumed.
 */
MUST_CHECK int install_before(struct task *task, const struct newfd *fds, int n, bool *ret_runs);

/* Puts one into @task, which is stopped, with no call pending. */
MUST_CHECK int install_put(struct task *task, const struct newfd *newfd);

/* A copy of @task's descriptor @num for the engine. Stopped as for install_take(). Or -errno. */
MUST_CHECK int install_fetch(struct task *task, int num);

/*
 * The same in any state, without help of the task: -EPERM where the machine does not allow it. Of a
 * follower that does not hold it yet (late.h), the leader's.
 */
MUST_CHECK int install_copy(const struct task *task, int num);

/*
 * Puts the engine's @fd into @task at any free number. The task must be stopped; at a call's entry
 * the pending call is given up, as by tracee_remote().
 */
MUST_CHECK int install_send(struct task *task, int fd, int *ret_there);

#endif
