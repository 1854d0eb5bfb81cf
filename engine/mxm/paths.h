/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version-private paths (docs/architecture.md, "Two images"): with a root for each version, all
 * that is not below a shared path belongs to the version, and each works on its own files.
 */
#ifndef MX_MXM_PATHS_H
#define MX_MXM_PATHS_H

#include "mxm/state.h"

/* Does the call name a version-private path? Stopped at its entry. */
bool paths_are_private(struct task *task);

#endif
