/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call's normal form: its inputs as a byte string that is equal for two versions when they ask
 * for the same thing, whatever their addresses are; and its outputs as a byte string that can be
 * written to where another version wants them. Driven by the rows of sys.def.
 */
#ifndef MX_MXM_CANON_H
#define MX_MXM_CANON_H

#include "mxm/state.h"

/*
 * What a handler of signal @sig is set with, as far as it makes a difference: its signal is blocked
 * while it runs, whether the mask says so or not (sigaction(2)).
 */
void canon_action(int sig, uint64_t *flags, uint64_t *mask);

/*
 * Which argument says where to tell what was set before. Each version's kernel tells that, whether
 * the other one asks or not: it is not in the normal form. -1: none.
 */
int canon_unasked(const struct sys_row *row);

/*
 * Sets task->in from the registers' call and the task's memory, and keeps in task->lens what a
 * later canon_outputs() needs. Stopped at the call's entry. -ESRCH: the task vanished.
 */
MUST_CHECK int canon_inputs(struct task *task);

/* The address that bind(2) or connect(2) was asked for: how many bytes; 0: none, or more. */
size_t canon_address(const struct str *in, void *buf, size_t size);

/*
 * What stood at address @at when the leader asked for the event's call, as far as the normal form
 * kept it: names and plain buffers. Returns how many bytes; 0: not kept. For reports.
 */
size_t canon_recall(const struct event *event, uint64_t at, void *buf, size_t len);

/*
 * Where the bytes of a call's argument @i lie in its normal form @form, at @pos, and how many, and
 * where the next one begins. False: not as bytes, or not whole.
 */
bool canon_span(const struct call *call, const struct str *form, int i, size_t pos,
	size_t *ret_begin, size_t *ret_len, size_t *ret_next);

/*
 * The bytes that a write, sendto or (@vector) writev sends, in its normal form; NULL where they are
 * not there: a bad address, or more than 64 KiB. The length that a readv asks for; false: none.
 */
const char *canon_payload(const struct str *in, bool vector, uint64_t *ret_len);
bool canon_vector_len(const struct str *in, uint64_t *ret_len);

/* The same of a sendmsg without an address and control messages; the room of a recvmsg, and
 * whether it has some for an address. */
const char *canon_message_payload(const struct str *in, uint64_t *ret_len);
bool canon_message_room(const struct str *in, uint64_t *ret_len, bool *ret_address);
/* Appends a block of outputs. */
void canon_put_block(struct str *out, const void *data, uint32_t len);
/* The bytes that a call has read, where they are all that it brings or the first of it. NULL: it
 * reads none. */
const char *canon_read(const struct call *call, const struct str *out, size_t *ret_len);

/* Appends what the kernel wrote for task->call, which returned @result. Stopped at its exit. */
MUST_CHECK int canon_outputs(struct task *task, int64_t result, struct str *out);

/*
 * Writes outputs to where @task, stopped at the entry of the matching call, wants them. -EBADMSG:
 * they do not fit the call (their shape differs); -EFAULT: its buffer is not writable.
 */
MUST_CHECK int canon_apply(struct task *task, int64_t result, const struct str *out);

#endif
