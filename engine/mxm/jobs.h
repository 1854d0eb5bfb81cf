/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that job control has stopped (SIGSTOP, SIGTSTP and the like). The leader's are stopped
 * in the kernel, and their parents wait for them there; a follower's only lack events. So the
 * process of a version that takes over, or one that was held to be copied, is stopped once more.
 */
#ifndef MX_MXM_JOBS_H
#define MX_MXM_JOBS_H

#include "mxm/state.h"

/*
 * A leading task is about to get SIGSTOP. Was it sent by its own last call, then the followers'
 * tasks go no further before it is continued: memory that they share changes in the leader's order.
 */
void jobs_stops_itself(struct task *task);
/* A follower's has had the call by which it stops itself. */
void jobs_await(struct task *task);
/* STOP_GROUP of a known task. */
void jobs_stopped(struct task *task);
/* STOP_NEW of a leading task. True: it was stopped, goes on, and waits for its turn. */
bool jobs_continued(struct task *task);
/* A leading task is about to go on: is its process stopped, then it stops before it does. */
void jobs_stop_again(struct task *task);
/*
 * A leading task is at the entry of a call. True: its process is stopped, which it has not seen
 * yet, and the call is made when it is continued.
 */
bool jobs_put_off_call(struct task *task);

#endif
