/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit of CPU time. Versions use different amounts of it, so only the leader has the limit,
 * and what the kernel does when it is reached is the program's own affair, for every version.
 */
#ifndef MX_MXM_SPECIAL_LIMITS_H
#define MX_MXM_SPECIAL_LIMITS_H

#include "mxm/state.h"

extern const struct special special_limit;

/* In the last stop of a task that SIGKILL has ended: was it the kernel, at the limit? */
bool limits_killed(const struct task *task);

/* @version leads from now on, and gets @proc's limit. */
MUST_CHECK int limits_take_over(const struct proc *proc, int version);

#endif
