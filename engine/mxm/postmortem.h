/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crash looked like: a backtrace and a core file take their time, and the other version need
 * not wait for them. A thread that was killed keeps its registers and the memory of its process
 * until it is let go from its last stop (ptrace(2), PTRACE_EVENT_EXIT): there it is looked at, by a
 * thread of the engine's own, while the survivor leads.
 */
#ifndef MX_MXM_POSTMORTEM_H
#define MX_MXM_POSTMORTEM_H

#include "mxm/state.h"

/* @task is stopped in the crash that @report is about, and is going to be killed. */
void postmortem_plan(struct task *task, const struct mxm_crash *crash, void *report);
/* @task is in its last stop: begins what was planned. False: nothing was, or it has begun. */
bool postmortem_begin(struct task *task);
/* Is nothing under way any more? What has ended is freed. */
bool postmortem_is_over(struct task *task);
/* @task is gone: what was planned and never begun is told without its memory. */
void postmortem_gone(struct task *task);

#endif
