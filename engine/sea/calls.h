/* SPDX-License-Identifier: Apache-2.0 */
/* Which call of the old version's function is which of the new one's, where the function changed.
 */
#ifndef MX_SEA_CALLS_H
#define MX_SEA_CALLS_H

#include "sea/analysis.h"

static inline bool sea_is_call(const struct sea_insn *in)
{
	return in->kind == SEA_I_CALL || in->kind == SEA_I_CALL_INDIRECT;
}

/*
 * Tells @same each call of @fo and the call of @fn that it is, as instructions of the images, in
 * the order of the old version. Both lead to the same callee, and what surrounds them, with
 * registers left out, is more alike than at any other call that is still free; calls that look
 * alike are told apart by their neighbours. What is left in doubt is not told. Wants a->ranges; @al
 * is what sea_align() says of the pair.
 */
void sea_pair_calls(const struct sea_analysis *a, uint32_t fo, uint32_t fn,
	const struct sea_aligned *al, uint32_t n_al,
	void (*same)(void *ctx, uint32_t o, uint32_t n), void *ctx);

#endif
