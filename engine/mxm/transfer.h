/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that move bytes to or from what a descriptor stands for, whatever their names. */
#ifndef MX_MXM_TRANSFER_H
#define MX_MXM_TRANSFER_H

#include "mxm/state.h"

struct transfer {
	int fd;
	bool write;
	bool now;     /* it does not wait (MSG_DONTWAIT); */
	bool all;     /* a read that waits for all of it (MSG_WAITALL), */
	bool peek;    /* or that leaves the bytes where they are (MSG_PEEK) */
	bool address; /* a read that asks whose they are, too */
	enum { BUFFER, VECTOR, MESSAGE } shape;
	uint64_t len;
	const char *data; /* of a write; in the normal form */
};

/*
 * False: it is none, or it moves more than bytes: a write has an address or control messages, or
 * there are flags that change what is moved.
 */
bool transfer_of(const struct call *call, const struct str *in, struct transfer *ret);

enum stream { STREAM_NOT, STREAM_FILE, STREAM_FLOW, STREAM_MESSAGES };

/* Has the descriptor's file no boundaries between what is written at once (STREAM_FILE,
 * STREAM_FLOW), or is what is written at once also read at once? */
enum stream transfer_stream(const struct task *task, int fd);
bool transfer_is_socket(const struct task *task, int fd);

/* Is a read of that stream socket told an address? */
bool transfer_has_address(const struct task *task, int fd);

/* What an event has read; NULL: nothing, or descriptors came with it. */
const char *transfer_bytes(const struct event *event, size_t *ret_len);

/*
 * Puts bytes where the task's read wants them, behind those that it has (task->done); nothing came
 * with them, as on a stream socket. -ESRCH, -EFAULT.
 */
MUST_CHECK int transfer_put(
	struct task *task, const struct transfer *t, const char *data, size_t len);

#endif
