/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that are made, and kept from growing. */
#ifndef MX_OCI_FOLDERS_H
#define MX_OCI_FOLDERS_H

#include <sys/types.h>

#include "base/err.h"

/* Removes the oldest files of the folder whose names end in @suffix, until @keep are left. */
void folders_prune(const char *dir, const char *suffix, long long keep);

/* Makes the folder and those above it. */
MUST_CHECK int folders_make(const char *path, mode_t mode, struct err *err);

#endif
