/* SPDX-License-Identifier: Apache-2.0 */
/* By how much indexes are multiplied on their way to an address: the sizes of elements. */
#ifndef MX_SEA_STRIDE_H
#define MX_SEA_STRIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "sea/image.h"

#define SEA_NO_REG (-1)

/* The general register of which capstone's @reg is a part, 0 to 15, or SEA_NO_REG. */
int sea_general_reg(uint16_t reg);

/* lea that only multiplies a register: by how much; 0: another instruction. */
uint32_t sea_lea_factor(const struct sea_insn *in);

/*
 * Whether the functions index elements of other sizes: each uses a size more often than the other,
 * and one of the two is a structure's. One that only uses more of them than the other has more
 * code, and does not differ. The sizes, in bytes, are put into @ret_old and @ret_new.
 */
bool sea_strides_differ(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, uint32_t *ret_old, uint32_t *ret_new);

#endif
