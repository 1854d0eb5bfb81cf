/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of structures two functions use, by the offsets of their instructions. */
#ifndef MX_SEA_FIELDS_H
#define MX_SEA_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "sea/image.h"

/* Whether a base register is none of a structure's: the stack's, the code's, or none. */
bool sea_is_frame_reg(uint16_t reg);

/*
 * @in uses an offset in the old function where the new one uses another. A field that moved is used
 * less often at its old place and more often at its new one, whatever registers the compiler chose;
 * where that is not so, one version only uses more fields, or uses them in another order.
 */
bool sea_offsets_moved(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, const struct sea_insn *in);

/* The same for the constant of @in: one version may only use more of them, or in another order. */
bool sea_constants_moved(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, const struct sea_insn *in);

/* A part of what an argument points to. */
struct sea_use {
	uint16_t base, size;
	int32_t disp;
};

/* Whether they use parts of different sizes of an argument at the same place; such a pair of uses.
 */
bool sea_uses_differ(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, struct sea_use *ret_old,
	struct sea_use *ret_new);

#endif
