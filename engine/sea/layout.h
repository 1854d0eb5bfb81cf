/* SPDX-License-Identifier: Apache-2.0 */
/* What layout.c and grown.c share while they look for signs of another structure layout. */
#ifndef MX_SEA_LAYOUT_H
#define MX_SEA_LAYOUT_H

#include "sea/analysis.h"

#define SEA_MAX_SIZES	64
#define SEA_MAX_GROWTHS 16

struct sea_sizes {
	uint32_t small, big;
};

struct sea_layout {
	struct sea_analysis *a;
	uint8_t *allocates[2];		       /* by function: hands memory out */
	struct sea_sizes sizes[SEA_MAX_SIZES]; /* of objects, where the versions' differ */
	uint32_t n_sizes;
	bool grew;			   /* some function shows it */
	uint32_t growths[SEA_MAX_GROWTHS]; /* by how many bytes, as sizes show, or functions that
					      are alike */
	uint32_t n_growths;
	/*
	 * The first byte of any structure that is known to have moved, as functions show that are
	 * the same otherwise; UINT32_MAX: none of those does.
	 */
	uint32_t first_moved;
	/* Of the pair of functions that is compared. */
	bool frame_pointer, lockstep, alike;
	uint32_t n_checks; /* of offsets */
};

/* Whether the reference leads to a function that hands memory out. */
bool sea_leads_to_allocator(
	const struct sea_layout *l, enum sea_side side, const struct sea_ref *r);
/* Whether the function keeps its frame in rbp: then rbp + offset is its own. */
bool sea_uses_frame_pointer(const struct sea_image *im, const struct sea_func *f);
/* Loads a count of bytes, of words of a string instruction, or of anything else that is filled. */
bool sea_is_fill(const struct sea_image *im, const struct sea_func *f, uint32_t insn);
/* Moves a pointer by a constant, or multiplies by one. */
bool sea_is_stride(const struct sea_insn *in);
/* A line of a source file, as macros pass it that tell of a failed assertion. */
bool sea_is_line_number(const struct sea_image *im, const struct sea_func *f, uint32_t insn);
/* Makes an index a distance in bytes, or the other way round. */
bool sea_is_scale(const struct sea_insn *in);

/*
 * Whether each of two functions uses a variable alone that may be the other's, elsewhere in one
 * object: its address in either version to @ret.
 */
bool sea_variable_moved(const struct sea_analysis *a, uint32_t fo, uint32_t fn, uint64_t ret[2]);

/* Where structures grew: refuses what cannot be shown to be free of them. */
void sea_judge_grown(const struct sea_layout *l);

#endif
