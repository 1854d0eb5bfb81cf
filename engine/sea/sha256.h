/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4): the content key of an analysed object, and the checksum of a map file. */
#ifndef MX_SEA_SHA256_H
#define MX_SEA_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SHA256_LEN 32

struct sha256 {
	uint32_t state[8];
	uint64_t total; /* bytes taken so far */
	uint8_t block[64];
	bool plain; /* without the processor's instructions for it, if it has any */
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *data, size_t len);
/* Ends the computation; @h must be initialised again before it is used again. */
void sha256_final(struct sha256 *h, uint8_t ret_digest[SHA256_LEN]);
/* Of the whole file, which need not be at its start. Returns 0 or -errno. */
MUST_CHECK int sha256_of_file(int fd, uint8_t ret_digest[SHA256_LEN]);

#endif
