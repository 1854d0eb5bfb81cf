/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel gives what a process is sent to its main thread, unless that blocks it, or stands in a
 * stop of its tracer's. The second is the engine's doing: another thread's handler would run then,
 * and a main thread that waits to be woken by the signal would wait on.
 */
#ifndef MX_MXM_MAIN_THREAD_H
#define MX_MXM_MAIN_THREAD_H

#include "mxm/state.h"

/*
 * @sig, that the leading program handles, came to @task and is the main thread's, which is sent it.
 * False: it is @task's. Stopped.
 */
bool main_thread_pass(const struct task *task, int sig, const siginfo_t *info);
/* Where @info is what main_thread_pass() sent, it becomes what came first. -ESRCH: it vanished. */
MUST_CHECK int main_thread_take(struct task *task, siginfo_t *info);

#endif
