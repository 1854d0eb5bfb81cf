/* SPDX-License-Identifier: Apache-2.0 */
/* What mx compare --series --json has written, read back. */
#ifndef MX_SERIES_FILE_H
#define MX_SERIES_FILE_H

#include "compare/series.h"

/* Fills @ret, which is empty. A field that is missing or of another type is an error. */
MUST_CHECK int series_file_read(const char *path, struct series *ret, struct err *err);

#endif
