/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/witness.h"

#include <stdlib.h>

#include "base/xalloc.h"

#define NEAR	     64 /* bytes within which two places may be fields of one structure */
#define OBJECT_ALIGN 32 /* what compilers align objects of 32 bytes and more to */

uint32_t sea_place_flags(const struct sea_image *im, uint64_t addr)
{
	enum sea_place p = sea_place_of(im, addr);

	return (p == SEA_P_DATA || p == SEA_P_BSS ? SEA_D_WRITABLE : 0) |
	       (p == SEA_P_BSS ? SEA_D_BSS : 0);
}

uint64_t sea_next_named(const struct sea_range *named, uint32_t n, uint64_t addr, bool *ret_inside)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (named[mid].old_addr + named[mid].size <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_inside = lo < n && named[lo].old_addr <= addr;
	return lo < n ? named[lo].old_addr : UINT64_MAX;
}

/* The ends of sections, which start-up code refers to, are no data. */
static bool is_marker(const struct sea_image *im, uint64_t addr)
{
	return im->n_sects && !sea_section_of(im, addr);
}

/* Whether the two places of a vote can be one thing at all. */
static bool may_be_one(const struct sea_analysis *a, const struct sea_vote *v)
{
	enum sea_place x = sea_place_of(a->im[0], v->old_addr);

	return x == sea_place_of(a->im[1], v->new_addr) && x != SEA_P_NONE && x != SEA_P_CODE &&
	       x != SEA_P_GOT && !is_marker(a->im[0], v->old_addr) &&
	       !is_marker(a->im[1], v->new_addr);
}

static int by_new_addr(const void *x, const void *y)
{
	const struct sea_witness *a = *(struct sea_witness *const *)x,
				 *b = *(struct sea_witness *const *)y;

	if (a->new_addr != b->new_addr)
		return a->new_addr < b->new_addr ? -1 : 1;
	return a->old_addr < b->old_addr ? -1 : a->old_addr > b->old_addr;
}

static struct sea_witness **sort_by_new(struct sea_witness *w, uint32_t n)
{
	struct sea_witness **v = xreallocarray(NULL, n, sizeof(*v));

	for (uint32_t i = 0; i < n; i++)
		v[i] = &w[i];
	if (n)
		qsort(v, n, sizeof(*v), by_new_addr);
	return v;
}

/*
 * Some code finds it where the rest does, some close by: a variable whose neighbour was meant, or a
 * field that moved within an object of the same size.
 */
static void doubt_place(struct sea_analysis *a, const struct sea_witness *w)
{
	struct sea_conflict *c;

	c = sea_add_conflict(a, w->old_addr, w->old_addr + w->len, w->new_addr,
		w->new_addr + w->len,
		xasprintf("functions do not agree where the data at %#lx is in the other version",
			w->old_addr));
	c->doubt = !w->dropped;
}

static bool is_near(uint64_t a, uint64_t b)
{
	return a != b && (a < b ? b - a : a - b) < NEAR;
}

/* One witness an old address; those whose references disagree are dropped, on either side. */
static struct sea_witness *collect_witnesses(struct sea_analysis *a, uint32_t *ret_n)
{
	const struct sea_votes *d = &a->m.data;
	struct sea_witness *w = xreallocarray(NULL, d->n, sizeof(*w)), **by_new;
	uint32_t n = 0;

	for (uint32_t i = 0, first; i < d->n;) {
		uint32_t best = SEA_NONE, total = 0;
		uint64_t addr = d->v[i].old_addr;
		bool disputed = false;

		for (first = i; i < d->n && d->v[i].old_addr == addr; i++) {
			if (!may_be_one(a, &d->v[i]))
				continue;
			total += d->v[i].weight;
			if (best == SEA_NONE || d->v[i].weight > d->v[best].weight)
				best = i;
		}
		if (best == SEA_NONE)
			continue;
		w[n++] = (struct sea_witness){ addr, d->v[best].new_addr,
			d->v[best].access ? d->v[best].access : 1, d->v[best].weight,
			d->v[best].weight * 8 < total * 7 };
		for (uint32_t k = first; k < i; k++)
			disputed |= may_be_one(a, &d->v[k]) &&
				    is_near(d->v[k].new_addr, d->v[best].new_addr);
		if (disputed && sea_place_flags(a->im[0], addr) & SEA_D_WRITABLE)
			doubt_place(a, &w[n - 1]);
	}
	by_new = sort_by_new(w, n);
	for (uint32_t i = 0, k; i < n; i = k) {
		uint32_t best = i, total = 0;

		for (k = i; k < n && by_new[k]->new_addr == by_new[i]->new_addr; k++) {
			total += by_new[k]->weight;
			if (by_new[k]->weight > by_new[best]->weight)
				best = k;
		}
		for (uint32_t j = i; j < k && k - i > 1; j++)
			if (j != best || by_new[j]->weight * 8 < total * 7)
				by_new[j]->dropped = true;
	}
	free(by_new);
	*ret_n = n;
	return w;
}

static uint32_t first_at(const struct sea_witness *w, uint32_t n, uint64_t addr)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (w[mid].old_addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Inside one object everything moves together; if not, its layout changed. */
static void check_span(struct sea_analysis *a, struct sea_witness *w, uint32_t n, uint64_t lo,
	uint64_t hi, const char *name)
{
	uint32_t i = first_at(w, n, lo), from = SEA_NONE;

	for (; i < n && w[i].old_addr < hi; i++) {
		if (w[i].dropped)
			continue;
		if (from == SEA_NONE) {
			from = i;
		} else if (w[i].new_addr - w[i].old_addr != w[from].new_addr - w[from].old_addr) {
			int64_t by = (int64_t)(w[i].new_addr - w[i].old_addr) -
				     (int64_t)(w[from].new_addr - w[from].old_addr);

			sea_add_conflict(a, lo, hi, lo - w[from].old_addr + w[from].new_addr,
				hi - w[i].old_addr + w[i].new_addr,
				xasprintf("the layout of %s%s%#lx changed: what lies at +%lu "
					  "moved by %+ld against what lies at +%lu",
					name ? name : "the object", " at ", lo, w[i].old_addr - lo,
					by, w[from].old_addr - lo));
			return;
		}
	}
}

static void check_spans(struct sea_analysis *a, struct sea_witness *w, uint32_t n)
{
	struct sea_witness **by_new = sort_by_new(w, n);
	uint32_t named = a->n_ranges;

	for (uint32_t i = 0; i < named; i++)
		check_span(a, w, n, a->ranges[i].old_addr,
			a->ranges[i].old_addr + a->ranges[i].size, a->ranges[i].name);
	for (uint32_t i = 0; i < a->spans[0].n && !sea_budget_spent(a->budget); i++)
		check_span(a, w, n, a->spans[0].v[i].lo, a->spans[0].v[i].hi, NULL);
	/* And as the new version sees it: what is one object there. */
	for (uint32_t i = 0; i < a->spans[1].n && !sea_budget_spent(a->budget); i++) {
		const struct sea_span *s = &a->spans[1].v[i];
		uint32_t lo = 0, hi = n;
		struct sea_witness *first = NULL;

		while (lo < hi) {
			uint32_t mid = lo + (hi - lo) / 2;

			if (by_new[mid]->new_addr < s->lo)
				lo = mid + 1;
			else
				hi = mid;
		}
		for (; lo < n && by_new[lo]->new_addr < s->hi; lo++) {
			struct sea_witness *x = by_new[lo];

			if (x->dropped)
				continue;
			if (!first)
				first = x;
			else if (x->new_addr - x->old_addr != first->new_addr - first->old_addr) {
				uint64_t o_lo = first->old_addr < x->old_addr ? first->old_addr
									      : x->old_addr;
				uint64_t o_hi = first->old_addr < x->old_addr ? x->old_addr
									      : first->old_addr;

				sea_add_conflict(a, o_lo, o_hi + x->len, s->lo, s->hi,
					xasprintf("the layout of the object at %#lx of the new "
						  "version differs from the old one's",
						s->lo));
				break;
			}
		}
	}
	free(by_new);
}

/*
 * Without symbols a field that was put into a structure looks like a variable that was put before
 * others. But large objects are aligned, so new variables move them by a multiple of that; what
 * moved by anything else is inside of one object, or a small one among others: not known.
 */
static void doubt_shifts(struct sea_analysis *a, const struct sea_witness *w, uint32_t n)
{
	uint32_t n_named = a->n_ranges, end, prev = SEA_NONE;
	uint64_t base = 0;

	for (uint32_t i = 0; i < n; i = end) {
		uint64_t shift = w[i].new_addr - w[i].old_addr, last = w[i].old_addr, limit;
		uint32_t flags = sea_place_flags(a->im[0], w[i].old_addr);
		struct sea_conflict *c;
		bool inside;

		end = i + 1;
		limit = sea_next_named(a->ranges, n_named, w[i].old_addr, &inside);
		if (w[i].dropped || inside || !(flags & SEA_D_WRITABLE))
			continue;
		while (end < n && w[end].old_addr < limit &&
			(w[end].dropped || w[end].new_addr - w[end].old_addr == shift) &&
			sea_place_flags(a->im[0], w[end].old_addr) == flags) {
			if (!w[end].dropped)
				last = w[end].old_addr + w[end].len;
			end++;
		}
		/* Another section, or far away: nothing to compare with. */
		if (prev == SEA_NONE || w[i].old_addr - w[prev].old_addr > SEA_MAX_GAP ||
			sea_place_flags(a->im[0], w[prev].old_addr) != flags ||
			(shift - base) % OBJECT_ALIGN == 0) {
			base = shift;
			prev = end - 1;
			continue;
		}
		prev = end - 1;
		if (last < w[i].old_addr + w[i].len)
			last = w[i].old_addr + w[i].len;
		c = sea_add_conflict(a, w[i].old_addr, last, w[i].new_addr, last + shift,
			xasprintf("the data at %#lx moved by %+ld bytes against what lies around "
				  "it: it may be part of a structure that changed",
				w[i].old_addr, (int64_t)(shift - base)));
		c->doubt = true;
	}
}

/* An object that reaches into doubtful places is doubtful from its start on. */
static void doubt_spans(struct sea_analysis *a, const struct sea_witness *w, uint32_t n)
{
	uint32_t n_doubts = a->n_conflicts;

	for (int side = 0; side < 2; side++)
		for (uint32_t i = 0; i < a->spans[side].n && !sea_budget_spent(a->budget); i++) {
			const struct sea_span *s = &a->spans[side].v[i];
			uint64_t lo[2] = { 0 }, hi[2] = { 0 };
			bool meets = false;

			for (uint32_t k = 0; k < n_doubts && !meets; k++)
				meets = a->conflicts[k].doubt && s->lo < a->conflicts[k].lo[side] &&
					a->conflicts[k].lo[side] < s->hi;
			if (!meets)
				continue;
			lo[side] = s->lo;
			hi[side] = s->hi;
			for (uint32_t k = 0; k < n; k++)
				if (!w[k].dropped &&
					(side ? w[k].new_addr : w[k].old_addr) == s->lo) {
					lo[!side] = side ? w[k].old_addr : w[k].new_addr;
					hi[!side] = lo[!side] + (s->hi - s->lo);
				}
			sea_add_conflict(a, lo[0], hi[0], lo[1], hi[1],
				xasprintf("the object at %#lx of the %s version reaches over data "
					  "that moved by another distance",
					s->lo, side ? "new" : "old"));
		}
}

struct sea_witness *sea_witnesses(struct sea_analysis *a, uint32_t *ret_n)
{
	struct sea_witness *w = collect_witnesses(a, ret_n);

	check_spans(a, w, *ret_n);
	if (!a->im[0]->has_symtab || !a->im[1]->has_symtab) {
		doubt_shifts(a, w, *ret_n);
		doubt_spans(a, w, *ret_n);
	}
	return w;
}
