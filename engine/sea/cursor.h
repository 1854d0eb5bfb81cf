/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of little-endian bytes that cannot leave them: past the end it gives zeros and is
 * marked. */
#ifndef MX_SEA_CURSOR_H
#define MX_SEA_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
	bool over;
};

/* An unsigned number of @n bytes, at most 8. */
static inline uint64_t cursor_take(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->at) < n) {
		c->over = true;
		c->at = c->end;
		return 0;
	}
	memcpy(&v, c->at, n);
	c->at += n;
	return v;
}

static inline uint64_t cursor_uleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t b = cursor_take(c, 1);

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
}

static inline int64_t cursor_sleb(struct cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = cursor_take(c, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	if (shift < 64 && b & 0x40)
		v |= ~0ull << shift;
	return v;
}

/* The next @n bytes, or as many as there are, as a cursor of their own. */
static inline struct cursor cursor_part(struct cursor *c, uint64_t n)
{
	struct cursor part = *c;

	if (n > (uint64_t)(c->end - c->at)) {
		c->over = true;
		n = c->end - c->at;
	}
	c->at += n;
	part.end = c->at;
	return part;
}

#endif
