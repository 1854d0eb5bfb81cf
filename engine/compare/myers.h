/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest edit script of two sequences of numbers, in linear space. */
#ifndef MX_COMPARE_MYERS_H
#define MX_COMPARE_MYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A[a, a + na) is replaced by B[b, b + nb); elsewhere the two are equal. */
struct myers_hunk {
	uint32_t a, na, b, nb;
};

struct myers {
	struct myers_hunk *hunks; /* in order, never touching */
	size_t n;
	uint64_t distance; /* elements that are deleted or inserted */
	bool exact;	   /* else the work was too much, and the distance is an upper bound */
};

/* @work bounds the elements that are looked at; what is left over then counts as replaced. */
void myers_compare(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, uint64_t work,
	struct myers *ret);
void myers_free(struct myers *m);

#endif
