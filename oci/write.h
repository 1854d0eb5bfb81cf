/* SPDX-License-Identifier: Apache-2.0 */
/* Writing files that need not outlive a crash of the machine: containers do not, either. */
#ifndef MX_OCI_WRITE_H
#define MX_OCI_WRITE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* As io_replace_file(), but does not wait for the disk, which would be most of a start's time. */
MUST_CHECK int write_replace(
	const char *path, const void *data, size_t len, mode_t mode, struct err *err);

/* Removes the oldest files of the folder whose names end in @suffix, until @keep are left. */
void write_prune(const char *dir, const char *suffix, long long keep);

/* Makes the folder and those above it. */
MUST_CHECK int write_make_dirs(const char *path, mode_t mode, struct err *err);

#endif
