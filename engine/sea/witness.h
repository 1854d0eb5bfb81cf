/* SPDX-License-Identifier: Apache-2.0 */
/* Places of the data that matched code refers to, and what they say about layouts. */
#ifndef MX_SEA_WITNESS_H
#define MX_SEA_WITNESS_H

#include "sea/analysis.h"

#define SEA_MAX_GAP 65536 /* between two witnesses of one range */

/* A place of the old version that matched code refers to, with where the new one has it. */
struct sea_witness {
	uint64_t old_addr, new_addr;
	uint32_t len;
	uint32_t weight;
	bool dropped;
};

/*
 * One witness an old address, sorted, malloc'ed; those whose references disagree are dropped. The
 * layouts that they contradict become conflicts. Wants a->ranges to hold the named ranges, settled.
 */
struct sea_witness *sea_witnesses(struct sea_analysis *a, uint32_t *ret_n);

/* SEA_D_WRITABLE and SEA_D_BSS of a place. */
uint32_t sea_place_flags(const struct sea_image *im, uint64_t addr);

/* Where the first range that ends behind @addr begins; *@ret_inside: @addr is in it. */
uint64_t sea_next_named(const struct sea_range *named, uint32_t n, uint64_t addr, bool *ret_inside);

#endif
