/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's end of the control socket: a thread of its own that takes lines from clients and
 * sends them answers and events. It knows nothing of what the lines mean, never waits for a client,
 * and holds no lock that a monitor needs, so that nothing a client does can slow a program down.
 *
 * Who may talk to it: the socket's mode is 0600, and a peer must be the engine's own user, or the
 * superuser. A process of the program itself, which has that user too, is refused: it must not
 * steer its own monitor. It is known by being traced by this engine.
 */
#ifndef MX_CTL_SERVER_H
#define MX_CTL_SERVER_H

#include "base/err.h"
#include "base/str.h"
#include "ctl/recent.h"

struct ctl_server;
struct ctl_conn;

struct ctl_ops {
	/* A whole line from a client, without its line feed; answers by ctl_answer(). */
	void (*request)(void *arg, struct ctl_conn *conn, const char *line, size_t len);
	/* Now and then, about every second. */
	void (*tick)(void *arg);
};

/*
 * Binds and listens at @path; a socket that nobody serves any more is replaced, anything else there
 * is an error. Call before the first thread is started: the process' file mode mask is changed for
 * a moment. @path NULL: no socket, only ticks. @recent outlives the server.
 */
MUST_CHECK int ctl_server_open(
	const char *path, struct recent *recent, struct ctl_server **ret_server, struct err *err);

/* Starts the thread. */
MUST_CHECK int ctl_server_start(
	struct ctl_server *s, const struct ctl_ops *ops, void *arg, struct err *err);

/* Sends what is left to the clients (for a second at most), ends the thread, removes the socket. */
void ctl_server_close(struct ctl_server *s);

/* On the server's thread, from request(): */
void ctl_answer(struct ctl_conn *conn, const struct str *line);
/* The client is sent each event from number @seq on. */
void ctl_follow(struct ctl_conn *conn, uint64_t seq);

#endif
