/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running engine answers over its control socket (ctl/wire.h), and the second hand of its
 * own decisions. Opened before the run begins, started with it, closed after it.
 */
#ifndef MX_CONTROL_H
#define MX_CONTROL_H

#include "director.h"

struct control;

/*
 * @path: where the socket is to be; NULL: none, only the decisions that time makes. @app: the name
 * that the program is called by. @log_path is told to clients; may be NULL. Listens to @log.
 * Before the first thread.
 */
MUST_CHECK int control_open(const char *path, const char *app, const char *log_path,
	struct eventlog *log, struct control **ret_control, struct err *err);
/* From here on requests are answered. Those that came before have waited. */
MUST_CHECK int control_start(struct control *c, struct director *d, struct err *err);
/* No more requests; the figures of the run go into the log. */
void control_close(struct control *c);

#endif
