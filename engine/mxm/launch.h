/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a run: one child a version, filtered, traced, and stopped in its new program. */
#ifndef MX_MXM_LAUNCH_H
#define MX_MXM_LAUNCH_H

#include "mxm/state.h"

/*
 * Starts the group's monitor, which launches every version's program and then serves it. Returns
 * when all of them stand before their first instruction, or the error of the first that does not;
 * -ENOENT and -EACCES, -ENOEXEC are about the program.
 */
MUST_CHECK int launch(struct mxm *mxm, struct group *group, struct err *err);

#endif
