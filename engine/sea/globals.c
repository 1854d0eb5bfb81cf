/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A variable keeps its size when a field moves into what was padding, and its functions may have
 * changed otherwise as well, so that no instruction of one is another's. What shows it then is what
 * each of the two functions uses alone: one a place, the other a place close by, in the same way.
 */
#include "sea/layout.h"

#include <stdlib.h>

#include "base/xalloc.h"

#define NEAR	  64 /* bytes within which two places may be of one object, where nothing names it */
#define MAX_ALONE 128 /* places of one function; what is more is not compared */

struct place {
	uint64_t addr;
	uint64_t peer; /* where it should be in the other version, 0: not known */
	uint16_t access;
	uint8_t kind;
};

struct places {
	struct place v[MAX_ALONE];
	uint32_t n;
};

static bool is_variable(const struct sea_image *im, const struct sea_ref *r)
{
	enum sea_place p;

	if (r->kind != SEA_R_READ && r->kind != SEA_R_WRITE && r->kind != SEA_R_LEA)
		return false;
	p = sea_place_of(im, r->target);
	return p == SEA_P_DATA || p == SEA_P_BSS;
}

static bool refers_to(const struct sea_image *im, const struct sea_func *f, uint64_t addr)
{
	for (uint32_t i = 0; i < f->n_ref; i++)
		if (im->refs[f->ref + i].target == addr && im->refs[f->ref + i].kind != SEA_R_TLS)
			return true;
	return false;
}

/* The variables that @func of @side uses and @other of the other side does not. */
static void find_alone(const struct sea_analysis *a, enum sea_side side, uint32_t func,
	uint32_t other, struct places *ret)
{
	const struct sea_image *im = a->im[side], *theirs = a->im[!side];
	const struct sea_func *f = &im->funcs[func];

	ret->n = 0;
	for (uint32_t i = 0; i < f->n_ref && ret->n < MAX_ALONE; i++) {
		const struct sea_ref *r = &im->refs[f->ref + i];
		uint64_t peer = 0;

		if (!is_variable(im, r))
			continue;
		if (sea_data_peer(a, side, r->target, &peer) &&
			refers_to(theirs, &theirs->funcs[other], peer))
			continue;
		ret->v[ret->n++] = (struct place){ r->target, peer, r->access, r->kind };
	}
}

/* Whether @x of the old version and @y of the new one may be one field. */
static bool may_be_one(const struct sea_analysis *a, const struct place *x, const struct place *y)
{
	const struct sea_range *range;
	int64_t by;

	if (x->access != y->access || x->kind != y->kind || !x->peer)
		return false;
	range = sea_range_of(a, SEA_OLD, x->addr);
	if (range && range->flags & SEA_D_NAMED)
		return y->addr - range->new_addr < range->size;
	by = (int64_t)(y->addr - x->peer);
	return by > -NEAR && by < NEAR;
}

bool sea_variable_moved(const struct sea_analysis *a, uint32_t fo, uint32_t fn, uint64_t ret[2])
{
	struct places *p = xreallocarray(NULL, 2, sizeof(*p));
	bool moved = false;

	find_alone(a, SEA_OLD, fo, fn, &p[0]);
	find_alone(a, SEA_NEW, fn, fo, &p[1]);
	for (uint32_t i = 0; i < p[0].n && !moved; i++)
		for (uint32_t k = 0; k < p[1].n && !moved; k++)
			if (may_be_one(a, &p[0].v[i], &p[1].v[k])) {
				ret[0] = p[0].v[i].addr;
				ret[1] = p[1].v[k].addr;
				moved = true;
			}
	free(p);
	return moved;
}
