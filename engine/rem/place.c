/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/place.h"

/* Kept clear around what is put in: stacks grow, and so does the heap behind a program. */
#define MARGIN	  (1ul << 20)
#define REACH	  (1ul << 31)
#define ARENA_LOW (1ul << 21) /* above the gateway, the agent and vm.mmap_min_addr */

/* Out of the way of what has been put in since the maps were read: further down or up. */
static uint64_t past_taken(
	uint64_t place, uint64_t size, const struct span *taken, size_t n, bool up)
{
	for (size_t i = 0; i < n; i++) {
		const struct span *r = &taken[i];

		if (place >= r->end || place + size <= r->start)
			continue;
		if (!up && r->start < MARGIN + size)
			return 0;
		place = up ? r->end + MARGIN : r->start - MARGIN - size;
		i = (size_t)-1;
	}
	return place;
}

/* The highest place below @o; 0: there is none. */
static uint64_t place_below(const struct objects *objects, const struct object *o, uint64_t size,
	const struct span *taken, size_t n)
{
	const struct maps *maps = &objects->maps;
	const uint64_t low = o->end > REACH ? o->end - REACH + MARGIN : ARENA_LOW;
	uint64_t best = 0;

	for (size_t i = 0; i < maps->count; i++) {
		uint64_t floor = i ? maps->map[i - 1].end : 0, top = maps->map[i].start, place;

		if (floor < low)
			floor = low;
		if (top > o->start || top < floor || top - floor < size + 2 * MARGIN)
			continue;
		place = past_taken((top - MARGIN - size) & ~4095ul, size, taken, n, false);
		if (place >= floor + MARGIN)
			best = place;
	}
	return best;
}

/*
 * Above it, as far off as can be reached: near a program linked at fixed addresses its heap grows
 * that way, and below it there is nothing.
 */
static uint64_t place_above(const struct objects *objects, const struct object *o, uint64_t size,
	const struct span *taken, size_t n)
{
	const struct maps *maps = &objects->maps;
	const uint64_t high = o->start + REACH - MARGIN;
	uint64_t best = 0;

	for (size_t i = 0; i < maps->count; i++) {
		uint64_t floor = maps->map[i].end, place;
		uint64_t top = i + 1 < maps->count ? maps->map[i + 1].start : high;

		if (top > high)
			top = high;
		if (floor < o->end || top < floor || top - floor < size + 2 * MARGIN)
			continue;
		/* The middle: what is on either side may grow. */
		place = past_taken(
			(floor + (top - floor - size) / 2) & ~4095ul, size, taken, n, true);
		if (place + size + MARGIN <= top)
			best = place;
	}
	return best;
}

uint64_t place_find(const struct objects *objects, const struct object *o, uint64_t size,
	const struct span *taken, size_t n)
{
	uint64_t place = place_below(objects, o, size, taken, n);

	return place ? place : place_above(objects, o, size, taken, n);
}
