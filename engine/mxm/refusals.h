/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are answered with an error for every version: those of class refused, and execve(2) of
 * what cannot be followed. ENOSYS is what an older
 * kernel would say, and programs fall back; any other error is told, in the open, the first time.
 */
#ifndef MX_MXM_REFUSALS_H
#define MX_MXM_REFUSALS_H

#include "mxm/state.h"

/* The leader's call is refused with @error: event refused-syscall. Stopped at its entry. */
void refusals_note(struct task *task, int error, const char *reason);

#endif
