/* SPDX-License-Identifier: Apache-2.0 */
/* Where in the source a call stands, from debug information. */
#ifndef MX_BENCH_SEA_PLACES_H
#define MX_BENCH_SEA_PLACES_H

#include <stdint.h>

struct places;

/* NULL where the object at @path has no debug information. */
struct places *places_open(const char *path);
void places_close(struct places *p);

struct place {
	char names[512]; /* of the functions that are inlined there, from the outermost one in */
	char lines[128]; /* of their calls and of the call itself: sorted as text they stand in
			    order */
};

/* The place of the instruction at @pc; empty where not known. */
struct place places_find(struct places *p, uint64_t pc);

#endif
