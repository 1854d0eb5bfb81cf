/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MX_SEA_TALLY_H
#define MX_SEA_TALLY_H

#include "sea/map.h"
#include "sea/match.h"

/* Figures of one object of a map. */
struct sea_tally {
	uint32_t funcs[2];
	uint32_t verdict[SEA_V_ALONE + 1]; /* of old functions */
	uint32_t alone[2], ambiguous, refused[2];
	uint32_t evidence[SEA_N_EVIDENCE];
	uint32_t ranges, conflicts, initial;
	uint64_t data_bytes;
	uint32_t sites, safe, frames; /* frames: alike, but not safe */
};

void sea_tally(const struct sea_map *map, const struct sea_map_object *o, struct sea_tally *ret);

#endif
