/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking paths up inside a root folder that is not trusted: symbolic links, absolute ones and
 * those with "..", are followed as if the folder were the root of the file system
 * (openat2(2), RESOLVE_IN_ROOT), and links of /proc that lead elsewhere are refused.
 */
#ifndef MX_OCI_RESOLVE_H
#define MX_OCI_RESOLVE_H

#include <sys/types.h>

#include "base/err.h"

/* Opens @path below @root. The error text is "PATH: reason". */
MUST_CHECK int resolve_open(int root, const char *path, int flags, int *ret_fd, struct err *err);

/*
 * Opens @path (O_PATH), and makes it and the folders above where they are missing: a folder, or an
 * empty file if @mode says S_IFREG.
 */
MUST_CHECK int resolve_make(int root, const char *path, mode_t mode, int *ret_fd, struct err *err);

#endif
