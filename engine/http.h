/* SPDX-License-Identifier: Apache-2.0 */
/* A page over HTTP, for whoever scrapes it: GET and HEAD, one connection at a time. */
#ifndef MX_HTTP_H
#define MX_HTTP_H

#include "base/err.h"
#include "base/str.h"

/* Listens at "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT"; without an address on loopback alone. */
MUST_CHECK int http_listen(const char *where, int *ret_fd, struct err *err);

/*
 * Serves one connection: @page makes what is at /metrics. A client has five seconds for its
 * request, and as long for taking the answer. -errno only where the listening socket fails.
 */
MUST_CHECK int http_serve_one(int listen_fd, void (*page)(void *arg, struct str *out), void *arg);

#endif
