/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one pair of objects while it is analysed. The steps run in the order of the
 * declarations below; map_write.c turns the result into the records of map.h.
 */
#ifndef MX_SEA_ANALYSIS_H
#define MX_SEA_ANALYSIS_H

#include "sea/map.h"
#include "sea/match.h"

/* Bytes of the old version and where they are in the new one. */
struct sea_range {
	uint64_t old_addr, new_addr, size;
	uint32_t flags; /* SEA_D_* */
	char *name;	/* or NULL */
};

/* Bytes whose layout is not the same in both versions. */
struct sea_conflict {
	uint64_t lo[2], hi[2]; /* in either version; empty where not known */
	char *why;
	/*
	 * The places correspond, one by one, but whether they are variables or fields of something
	 * larger is not known. Code that is the same may use them, code that is put there may not.
	 */
	bool doubt;
};

/* A run of bytes that functions of one side use through one base: part of one object. */
struct sea_span {
	uint64_t lo, hi;
};

#define SEA_MAX_CONFLICTS 4096 /* one more, and all data counts as refused */

struct sea_spans {
	struct sea_span *v;
	uint32_t n, room;
};

struct sea_func_result {
	uint8_t verdict; /* enum sea_verdict */
	bool ambiguous;	 /* has likely partners, but none that stands out */
	char *refusal;	 /* why it must not be injected into the other version, or NULL */
	uint32_t op, n_op;
};

struct sea_analysis {
	struct sea_match m;
	struct sea_image *im[2];
	struct sea_func_result *func[2];
	struct sea_range *ranges; /* sorted by old address, not overlapping */
	uint32_t *by_new;	  /* the same, sorted by new address */
	uint32_t n_ranges;
	struct sea_conflict *conflicts;
	uint32_t n_conflicts, room_conflicts;
	struct sea_spans spans[2];
	struct sea_map_site *sites;
	uint32_t n_sites, room_sites;
	struct sea_map_operand *ops[2];
	uint32_t n_ops[2], room_ops[2];
	struct sea_map_copy *copies[2];
	uint32_t n_copies[2], room_copies[2];
	struct sea_map_slot *slots[2];
	uint32_t n_slots[2], room_slots[2];
	struct sea_type_change *types;
	uint32_t n_types;
	struct str notes; /* lines for people */
	struct sea_budget *budget;
};

struct sea_type_change {
	char *name;
	uint64_t size[2];
	char *what; /* the first difference, for people */
};

void sea_analysis_free(struct sea_analysis *a);

/* Objects that code addresses through a base; by image. */
void sea_find_spans(struct sea_analysis *a, enum sea_side side);
/* Ranges and conflicts from symbols, votes and spans. */
void sea_map_data(struct sea_analysis *a);
/* Where the byte at @addr of @side is in the other version; false where not known or refused. */
bool sea_data_peer(const struct sea_analysis *a, enum sea_side side, uint64_t addr, uint64_t *ret);
/* The range that holds the byte at @addr of @side, or NULL. */
const struct sea_range *sea_range_of(
	const struct sea_analysis *a, enum sea_side side, uint64_t addr);
/* The conflict that covers @addr of @side, or NULL. */
const struct sea_conflict *sea_conflict_of(
	const struct sea_analysis *a, enum sea_side side, uint64_t addr);
struct sea_conflict *sea_add_conflict(struct sea_analysis *a, uint64_t old_lo, uint64_t old_hi,
	uint64_t new_lo, uint64_t new_hi, char *why);

/* Identical, constants, changed, on one side: for every function. */
void sea_judge(struct sea_analysis *a);
/* Functions that must not be injected because a layout they use differs. */
void sea_judge_layout(struct sea_analysis *a);
/* Sets the first refusal of a function; takes over @why. */
void sea_refuse(struct sea_analysis *a, enum sea_side side, uint32_t func, char *why);

/* Return addresses of matched functions. */
void sea_map_sites(struct sea_analysis *a);
/* What each changed or added function needs in the other version. */
void sea_plan_injection(struct sea_analysis *a);

/* A jump table of function @func at @addr: number of its entries, or 0 if it is none. */
uint32_t sea_jump_table(const struct sea_image *im, uint32_t func, uint64_t addr);

/* Appends everything to the map that is being built. */
struct sea_map_builder;
void sea_map_add_pair(struct sea_map_builder *b, const struct sea_analysis *a);

#endif
