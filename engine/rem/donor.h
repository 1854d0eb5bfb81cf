/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the version that functions are taken from, as its loader would see it. */
#ifndef MX_REM_DONOR_H
#define MX_REM_DONOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct donor {
	uint8_t *data;
	size_t size;
};

/* Reads the file. -ESTALE: its SHA-256 is another one than @sha. */
MUST_CHECK int donor_open(
	const char *path, const uint8_t sha[32], struct donor *ret, struct err *err);
void donor_close(struct donor *donor);

/* The @len bytes that are loaded from the file at the object's address @addr; NULL: none are. */
const uint8_t *donor_bytes(const struct donor *donor, uint64_t addr, uint64_t len);

#endif
