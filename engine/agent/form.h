/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call's inputs and outputs in the normal form of mxm/canon.h, which the engine reads. The
 * program's memory is read and written as it comes: a fault is led to agent_bail.
 */
#ifndef MX_AGENT_FORM_H
#define MX_AGENT_FORM_H

#include "agent/wire.h"

/* Inputs in normal form: put one after another, or compared with what another has put. */
struct sink {
	uint8_t *at, *end;
	int compares;
	int bad; /* does not fit, or differs */
};

/* What a follower is given, block by block. */
struct source {
	const uint8_t *at, *end;
	int bad;
};

void form_copy(void *to, const void *from, uint64_t len);

/* The same bytes as canon_inputs() makes of the call. */
void form_put_inputs(struct sink *s, const struct agent_row *row, const uint64_t a[6]);
/* How many bytes the call may write; more than AGENT_OUT_MAX: not to be done by the agent. */
uint64_t form_out_room(const struct agent_row *row, const uint64_t a[6]);
/* The same blocks as canon_outputs() makes, but for epoll's events, which are bare. Their end. */
uint8_t *form_take_outputs(
	uint8_t *out, const struct agent_row *row, const uint64_t a[6], int64_t result);
/* Nonzero: not what the call can have made; then some of it may have been written. */
int form_give_outputs(
	struct source *s, const struct agent_row *row, const uint64_t a[6], int64_t result);

#endif
