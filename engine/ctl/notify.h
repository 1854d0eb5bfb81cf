/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the operator of an event: a program of his that gets it on its standard input, or a
 * webhook. Both are bounded in time. What is told comes from a container: it is passed on as data,
 * never as words of a command line. SIGPIPE is ignored by the caller.
 */
#ifndef MX_CTL_NOTIFY_H
#define MX_CTL_NOTIFY_H

#include "base/err.h"

/*
 * Runs @program, without a shell, with the line and a line feed as its standard input. -ETIMEDOUT:
 * it and what it has started (its process group) were killed; -EIO: it failed, or could not be run.
 */
MUST_CHECK int notify_program(
	const char *program, const char *line, int within_ms, struct err *err);

/* Is it a URL that notify_webhook() takes? */
MUST_CHECK int notify_check_webhook(const char *url, struct err *err);

/*
 * POSTs the line, as application/json, and wants a status 2xx. @url is http://ADDRESS[:PORT]/PATH
 * with an address of this machine (127.0.0.0/8, [::1], localhost), or unix:/SOCKET[:/PATH]: what is
 * farther away, or wants TLS or a secret, is for a program such as curl.
 */
MUST_CHECK int notify_webhook(const char *url, const char *line, int within_ms, struct err *err);

#endif
