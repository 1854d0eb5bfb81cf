/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors in the forms that container engines read: one JSON line at the end of the --log file
 * (containerd and podman show its "msg"), and text on stderr.
 */
#ifndef MX_SHIM_REPORT_H
#define MX_SHIM_REPORT_H

#include <sys/types.h>

#include "shim/cmdline.h"

/* Size of the log now, for report_error(); -1 if there is none or it is no regular file. */
off_t report_mark(const struct cmdline *line);

/*
 * Writes @text as an error. With a @mark >= 0 what was logged since is taken away first: podman
 * reads the whole file as one JSON object, so there must be one error only.
 */
void report_error(const struct cmdline *line, off_t mark, const char *text);
void report_warning(const char *text);

#endif
