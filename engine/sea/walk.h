/* SPDX-License-Identifier: Apache-2.0 */
/* Two directory trees, such as the roots of two images: which ELF object is which. */
#ifndef MX_SEA_WALK_H
#define MX_SEA_WALK_H

#include <stdint.h>

#include "base/err.h"

struct sea_file_pair {
	char *old_name, *new_name; /* relative to the roots; one of them may be NULL */
};

struct sea_pairing {
	struct sea_file_pair *v;
	uint32_t n;
};

/*
 * Finds the ELF objects under both roots and pairs them: by path, then by the path
 * without version numbers where that is unique. Symbolic links are not followed. -EFBIG over a
 * limit.
 */
MUST_CHECK int sea_walk(
	const char *old_root, const char *new_root, struct sea_pairing *ret, struct err *err);
void sea_pairing_free(struct sea_pairing *p);

#endif
