/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two versions of a script: the kernel starts an interpreter, which opens the script by its path.
 * Where the versions' scripts have different paths, each version reads its own, and what lies
 * beside it (modules that it loads), by names that the other version does not use. Nobody sees what
 * is read, and what a version does with it is compared. What is written is compared as ever.
 */
#ifndef MX_MXM_SCRIPTS_H
#define MX_MXM_SCRIPTS_H

#include "base/str.h"
#include "mxm/state.h"

/* Looks at the programs, before they start. NULL: it is no matter of scripts. */
struct scripts *scripts_find(const struct mxm_config *config);
/* Are the programs scripts, of which not all say the same? */
bool scripts_differ(const struct mxm_config *config);
/*
 * Does the process of @task, its main thread, still run such a script? What an interpreter has read
 * of it is in its memory, so a copy of the one version's process cannot become the other's.
 */
bool scripts_bind(const struct task *task);
/* NULL will do. */
void scripts_free(struct scripts *scripts);

/*
 * Programs that the script starts, and what it tells them: where @out, from @at on, is a path of
 * @task's version's own, or a variable that is set to one, it becomes what the first version has in
 * that place.
 */
void scripts_put_common(const struct task *task, struct str *out, size_t at);

/* Does @task's call read, or look at, what is its version's own? @path is what it names. */
bool scripts_are_own(const struct task *task, const char *path);

#endif
