/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket: what the verbs use. */
#ifndef MX_CTL_CLIENT_H
#define MX_CTL_CLIENT_H

#include "base/err.h"
#include "base/str.h"

struct ctl_client;

/* -ENOENT or -ECONNREFUSED: no engine is there. @timeout_ms counts for each step; -1: none. */
MUST_CHECK int ctl_client_open(
	const char *path, int timeout_ms, struct ctl_client **ret_client, struct err *err);
void ctl_client_close(struct ctl_client *c);

/* Sends a line; the line feed is added. -ETIMEDOUT: the engine does not answer. */
MUST_CHECK int ctl_client_send(struct ctl_client *c, const char *line, struct err *err);

/*
 * The next line, without its line feed, in a buffer that the next call reuses. 0 with *@ret_line
 * NULL: the engine has hung up.
 */
MUST_CHECK int ctl_client_line(
	struct ctl_client *c, int timeout_ms, const char **ret_line, struct err *err);

static inline void cleanup_ctl_client_fn(struct ctl_client **c)
{
	ctl_client_close(*c);
}
#define cleanup_ctl_client __attribute__((cleanup(cleanup_ctl_client_fn)))

#endif
