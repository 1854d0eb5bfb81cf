/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/sha256.h"

#include <cpuid.h>
#include <errno.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

#define CHUNK 65536

static const uint32_t round_constant[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotr(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void compress_plain(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 |
		       block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] +
		       (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
	}
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t s1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
		uint32_t s0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
		uint32_t choose = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
		uint32_t t1 = v[7] + s1 + choose + round_constant[i] + w[i];

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + s0 + majority;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

/*
 * By the instructions for it, which keep the state as two halves, (a b e f) and (c d g h), and do
 * two rounds at a time. Whole files are hashed before a container starts, and this is ten times as
 * fast.
 */
__attribute__((target("sha,sse4.1"))) static void compress_fast(
	uint32_t state[8], const uint8_t *block)
{
	const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const void *)state), 0xb1);
	__m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(state + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
	const __m128i abef_before = abef, cdgh_before = cdgh;
	__m128i w[4];

	for (int i = 0; i < 16; i++) {
		__m128i *now = &w[i % 4], *last = &w[(i + 3) % 4], k;

		if (i < 4) {
			*now = _mm_shuffle_epi8(
				_mm_loadu_si128((const void *)(block + 16 * i)), big_endian);
		} else {
			*now = _mm_sha256msg1_epu32(*now, w[(i + 1) % 4]);
			*now = _mm_add_epi32(*now, _mm_alignr_epi8(*last, w[(i + 2) % 4], 4));
			*now = _mm_sha256msg2_epu32(*now, *last);
		}
		k = _mm_add_epi32(*now, _mm_loadu_si128((const void *)(round_constant + 4 * i)));
		cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
		abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
	}
	abef = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1b);
	cdgh = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xb1);
	_mm_storeu_si128((void *)state, _mm_blend_epi16(abef, cdgh, 0xf0));
	_mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(cdgh, abef, 8));
}

static bool is_fast(void)
{
	static atomic_int known; /* 0: not yet, 1: no, 2: yes */
	unsigned a, b = 0, c, d;

	if (!known) {
		bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA;

		known = sha && __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSE4_1 ? 2 : 1;
	}
	return known == 2;
}

static void compress(struct sha256 *h, const uint8_t *block)
{
	if (h->plain)
		compress_plain(h->state, block);
	else
		compress_fast(h->state, block);
}

void sha256_init(struct sha256 *h)
{
	static const uint32_t start[8] = {
		0x6a09e667,
		0xbb67ae85,
		0x3c6ef372,
		0xa54ff53a,
		0x510e527f,
		0x9b05688c,
		0x1f83d9ab,
		0x5be0cd19,
	};

	memset(h, 0, sizeof(*h));
	memcpy(h->state, start, sizeof(start));
	h->plain = !is_fast();
}

void sha256_update(struct sha256 *h, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len) {
		size_t used = h->total % sizeof(h->block);
		size_t n = sizeof(h->block) - used;

		if (n > len)
			n = len;
		if (n == sizeof(h->block)) {
			compress(h, at);
		} else {
			memcpy(h->block + used, at, n);
			if (used + n == sizeof(h->block))
				compress(h, h->block);
		}
		h->total += n;
		at += n;
		len -= n;
	}
}

void sha256_final(struct sha256 *h, uint8_t ret_digest[SHA256_LEN])
{
	static const uint8_t padding[64] = { 0x80 };
	uint64_t bits = h->total * 8;
	uint8_t length[8];

	for (int i = 0; i < 8; i++)
		length[i] = bits >> (56 - 8 * i);
	sha256_update(h, padding, 1 + (119 - h->total % 64) % 64);
	sha256_update(h, length, sizeof(length));
	for (int i = 0; i < 32; i++)
		ret_digest[i] = h->state[i / 4] >> (24 - 8 * (i % 4));
}

int sha256_of_file(int fd, uint8_t ret_digest[SHA256_LEN])
{
	cleanup_free uint8_t *buf = xmalloc(CHUNK);
	struct sha256 h;
	off_t at = 0;
	ssize_t n;

	sha256_init(&h);
	while ((n = pread(fd, buf, CHUNK, at)) > 0) {
		sha256_update(&h, buf, n);
		at += n;
	}
	sha256_final(&h, ret_digest);
	return n < 0 ? -errno : 0;
}
