/* SPDX-License-Identifier: Apache-2.0 */
/* What execve(2) is about to start. */
#ifndef MX_MXM_PROGRAM_H
#define MX_MXM_PROGRAM_H

#include "mxm/state.h"

/*
 * Is it, or the interpreter that it names, a program of 32 bits? The kernel may run such a one, but
 * its calls have other numbers, of which the engine knows none. @path is opened as it stands,
 * interpreters below @root ("": the caller's). What cannot be read is the kernel's to judge: false.
 */
bool program_is_foreign(const char *root, const char *path);

/* Does @path name a script, for an interpreter that it names? */
bool program_is_script(const char *path);

/* The same as program_is_foreign() of the program that @task's execve(2) or execveat(2) names.
 * Stopped at its entry. */
bool program_of_task_is_foreign(struct task *task);

#endif
