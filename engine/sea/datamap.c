/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the data of one version lives in the other: by symbols of the same name and size, and by
 * what matched instructions refer to at the same place. A range is a run of bytes that all moved
 * by the same distance. Distances that disagree inside one object mean another layout: refused.
 */
#include "sea/witness.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct sea_conflict *sea_add_conflict(struct sea_analysis *a, uint64_t old_lo, uint64_t old_hi,
	uint64_t new_lo, uint64_t new_hi, char *why)
{
	if (a->n_conflicts == SEA_MAX_CONFLICTS) {
		struct sea_conflict *last = &a->conflicts[SEA_MAX_CONFLICTS - 1];

		free(why);
		free(last->why);
		*last = (struct sea_conflict){ { 0, 0 }, { UINT64_MAX, UINT64_MAX },
			xstrdup("too many layouts differ to tell what is where"), false };
		return last;
	}
	if (a->n_conflicts == a->room_conflicts) {
		a->room_conflicts = a->room_conflicts ? a->room_conflicts * 2 : 32;
		a->conflicts =
			xreallocarray(a->conflicts, a->room_conflicts, sizeof(*a->conflicts));
	}
	a->conflicts[a->n_conflicts++] =
		(struct sea_conflict){ { old_lo, new_lo }, { old_hi, new_hi }, why, false };
	return &a->conflicts[a->n_conflicts - 1];
}

const struct sea_conflict *sea_conflict_of(
	const struct sea_analysis *a, enum sea_side side, uint64_t addr)
{
	for (uint32_t i = 0; i < a->n_conflicts; i++)
		if (addr >= a->conflicts[i].lo[side] && addr < a->conflicts[i].hi[side])
			return &a->conflicts[i];
	return NULL;
}

struct object {
	const struct sea_sym *sym;
	uint64_t key;
};

static int by_key(const void *x, const void *y)
{
	const struct object *a = x, *b = y;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->sym->addr < b->sym->addr ? -1 : a->sym->addr > b->sym->addr;
}

static void add_objects(const struct sea_image *im, const struct sea_sym *syms, uint32_t n,
	struct object *v, uint32_t *count)
{
	cleanup_str struct str base = STR_INIT;

	for (uint32_t i = 0; i < n; i++) {
		const struct sea_sym *s = &syms[i];

		if (s->type != STT_OBJECT || !s->defined || !s->size || !*s->name ||
			s->addr < im->lo || s->addr >= im->hi || s->size > im->hi - s->addr)
			continue;
		/* Function-local statics carry the compiler's count behind the name. */
		sea_name_base(s->name, &base);
		v[*count].sym = s;
		v[*count].key = sea_hash(s->file ? sea_hash(5, s->file, strlen(s->file)) : 5,
			str_text(&base), base.len);
		++*count;
	}
}

/* Named objects, sorted by what makes a name the same in both versions. */
static struct object *objects_of(const struct sea_image *im, uint32_t *ret_n)
{
	struct object *v = xreallocarray(NULL, im->n_syms + im->n_dynsyms, sizeof(*v));
	uint32_t n = 0, k = 0;

	add_objects(im, im->syms, im->n_syms, v, &n);
	add_objects(im, im->dynsyms, im->n_dynsyms, v, &n);
	if (n)
		qsort(v, n, sizeof(*v), by_key);
	/* One object that both tables name counts once. */
	for (uint32_t i = 0; i < n; i++)
		if (!k || v[k - 1].key != v[i].key || v[k - 1].sym->addr != v[i].sym->addr)
			v[k++] = v[i];
	*ret_n = k;
	return v;
}

static uint32_t equal_run(const struct object *v, uint32_t n, uint32_t i)
{
	uint32_t k = i + 1;

	while (k < n && v[k].key == v[i].key)
		k++;
	return k - i;
}

static void add_range(struct sea_analysis *a, uint32_t *room, struct sea_range r)
{
	if (a->n_ranges == *room) {
		*room = *room ? *room * 2 : 256;
		a->ranges = xreallocarray(a->ranges, *room, sizeof(r));
	}
	a->ranges[a->n_ranges++] = r;
}

static void pair_objects(struct sea_analysis *a, uint32_t *room)
{
	uint32_t no, nn, i = 0, k = 0;
	struct object *o = objects_of(a->im[0], &no), *n = objects_of(a->im[1], &nn);

	while (i < no && k < nn) {
		uint32_t li = equal_run(o, no, i), lk = equal_run(n, nn, k);
		const struct sea_sym *so = o[i].sym, *sn = n[k].sym;

		if (o[i].key < n[k].key) {
			i += li;
			continue;
		}
		if (o[i].key > n[k].key) {
			k += lk;
			continue;
		}
		if (li == 1 && lk == 1 && so->size == sn->size)
			add_range(a, room,
				(struct sea_range){ so->addr, sn->addr, so->size,
					SEA_D_NAMED | sea_place_flags(a->im[0], so->addr),
					xstrdup(so->name) });
		else if (li == 1 && lk == 1)
			sea_add_conflict(a, so->addr, so->addr + so->size, sn->addr,
				sn->addr + sn->size,
				xasprintf("%s has %lu bytes in the old version, %lu in the new",
					so->name, so->size, sn->size));
		i += li;
		k += lk;
	}
	free(o);
	free(n);
}

static int by_old_addr(const void *x, const void *y)
{
	const struct sea_range *a = x, *b = y;

	if (a->old_addr != b->old_addr)
		return a->old_addr < b->old_addr ? -1 : 1;
	return a->size > b->size ? -1 : a->size < b->size;
}

static bool in_conflict(const struct sea_analysis *a, const struct sea_witness *w)
{
	return w->dropped || sea_conflict_of(a, SEA_OLD, w->old_addr) ||
	       sea_conflict_of(a, SEA_NEW, w->new_addr);
}

/* Runs of witnesses that moved together, between the named ranges. */
static void ranges_of_witnesses(
	struct sea_analysis *a, const struct sea_witness *w, uint32_t n, uint32_t *room)
{
	uint32_t n_named = a->n_ranges, k;

	for (uint32_t i = 0; i < n; i = k) {
		struct sea_range r = { w[i].old_addr, w[i].new_addr, w[i].len, SEA_D_SEEN, NULL };
		enum sea_place place = sea_place_of(a->im[0], w[i].old_addr);
		bool inside;
		uint64_t limit = sea_next_named(a->ranges, n_named, w[i].old_addr, &inside);

		k = i + 1;
		if (inside || in_conflict(a, &w[i]))
			continue;
		for (; k < n && (place == SEA_P_DATA || place == SEA_P_BSS); k++) {
			if (w[k].old_addr >= limit || in_conflict(a, &w[k]) ||
				w[k].old_addr - r.old_addr != w[k].new_addr - r.new_addr ||
				w[k].old_addr > r.old_addr + r.size + SEA_MAX_GAP ||
				sea_place_of(a->im[0], w[k].old_addr) != place)
				break;
			if (w[k].old_addr + w[k].len - r.old_addr > r.size)
				r.size = w[k].old_addr + w[k].len - r.old_addr;
		}
		if (r.size > limit - r.old_addr)
			r.size = limit - r.old_addr;
		r.flags |= sea_place_flags(a->im[0], r.old_addr);
		add_range(a, room, r);
	}
}

/* Sorts, and cuts what overlaps: of two the first stays whole. */
static void settle(struct sea_analysis *a)
{
	uint32_t n = 0;

	if (a->n_ranges)
		qsort(a->ranges, a->n_ranges, sizeof(*a->ranges), by_old_addr);
	for (uint32_t i = 0; i < a->n_ranges; i++) {
		struct sea_range *r = &a->ranges[i], *last = n ? &a->ranges[n - 1] : NULL;
		uint64_t end = last ? last->old_addr + last->size : 0;

		if (last && r->old_addr < end && r->old_addr + r->size <= end) {
			free(r->name);
			continue;
		}
		if (last && r->old_addr < end) {
			r->new_addr += end - r->old_addr;
			r->size -= end - r->old_addr;
			r->old_addr = end;
		}
		a->ranges[n++] = *r;
	}
	a->n_ranges = n;
}

static void drop_conflicts(struct sea_analysis *a)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->n_ranges; i++) {
		struct sea_range *r = &a->ranges[i];
		bool hit = sea_budget_spent(a->budget);

		for (uint32_t k = 0; k < a->n_conflicts && !hit; k++) {
			const struct sea_conflict *c = &a->conflicts[k];

			hit = (r->old_addr < c->hi[0] && c->lo[0] < r->old_addr + r->size) ||
			      (r->new_addr < c->hi[1] && c->lo[1] < r->new_addr + r->size);
			/* A long run around the conflict keeps what lies before it. */
			if (hit && r->old_addr < c->lo[0] &&
				!(r->new_addr < c->hi[1] &&
					c->lo[1] < r->new_addr + (c->lo[0] - r->old_addr))) {
				r->size = c->lo[0] - r->old_addr;
				hit = false;
			}
		}
		if (hit)
			free(r->name);
		else
			a->ranges[n++] = *r;
	}
	a->n_ranges = n;
}

static void note_initial(struct sea_analysis *a)
{
	for (uint32_t i = 0; i < a->n_ranges; i++) {
		struct sea_range *r = &a->ranges[i];
		const uint8_t *o = sea_bytes(a->im[0], r->old_addr, r->size);
		const uint8_t *n = sea_bytes(a->im[1], r->new_addr, r->size);

		if (!(r->flags & SEA_D_WRITABLE) || !o || !n)
			continue;
		for (uint64_t k = 0; k < r->size && !(r->flags & SEA_D_INITIAL); k++)
			if (o[k] != n[k] && !sea_reloc_at(a->im[0], (r->old_addr + k) & ~7ull))
				r->flags |= SEA_D_INITIAL;
	}
}

struct place {
	uint64_t addr;
	uint32_t range;
};

static int by_place(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void index_by_new(struct sea_analysis *a)
{
	struct place *v = xreallocarray(NULL, a->n_ranges, sizeof(*v));

	for (uint32_t i = 0; i < a->n_ranges; i++)
		v[i] = (struct place){ a->ranges[i].new_addr, i };
	if (a->n_ranges)
		qsort(v, a->n_ranges, sizeof(*v), by_place);
	a->by_new = xreallocarray(a->by_new, a->n_ranges, sizeof(*a->by_new));
	for (uint32_t i = 0; i < a->n_ranges; i++)
		a->by_new[i] = v[i].range;
	free(v);
}

/* Two old ranges that claim the same new bytes: only names can be trusted. */
static void drop_double_claims(struct sea_analysis *a)
{
	uint32_t n = 0, k = 0;

	for (uint32_t i = 1; i < a->n_ranges; i++) {
		struct sea_range *x = &a->ranges[a->by_new[k]], *y = &a->ranges[a->by_new[i]];

		if (y->new_addr >= x->new_addr + x->size) {
			k = i;
			continue;
		}
		if (!(y->flags & SEA_D_NAMED) || x->flags & SEA_D_NAMED)
			y->size = 0;
		if (!(x->flags & SEA_D_NAMED)) {
			x->size = 0;
			k = i;
		}
	}
	for (uint32_t i = 0; i < a->n_ranges; i++) {
		if (a->ranges[i].size)
			a->ranges[n++] = a->ranges[i];
		else
			free(a->ranges[i].name);
	}
	a->n_ranges = n;
}

void sea_map_data(struct sea_analysis *a)
{
	uint32_t n, room = 0;
	struct sea_witness *w;

	pair_objects(a, &room);
	settle(a);
	w = sea_witnesses(a, &n);
	ranges_of_witnesses(a, w, n, &room);
	free(w);
	settle(a);
	drop_conflicts(a);
	note_initial(a);
	index_by_new(a);
	drop_double_claims(a);
	index_by_new(a);
}

const struct sea_range *sea_range_of(
	const struct sea_analysis *a, enum sea_side side, uint64_t addr)
{
	uint32_t lo = 0, hi = a->n_ranges;
	const struct sea_range *r;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		r = &a->ranges[side == SEA_OLD ? mid : a->by_new[mid]];
		if ((side == SEA_OLD ? r->old_addr : r->new_addr) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	r = &a->ranges[side == SEA_OLD ? lo - 1 : a->by_new[lo - 1]];
	return addr - (side == SEA_OLD ? r->old_addr : r->new_addr) < r->size ? r : NULL;
}

bool sea_data_peer(const struct sea_analysis *a, enum sea_side side, uint64_t addr, uint64_t *ret)
{
	const struct sea_range *r = sea_range_of(a, side, addr);

	if (!r)
		return false;
	*ret = side == SEA_OLD ? addr - r->old_addr + r->new_addr
			       : addr - r->new_addr + r->old_addr;
	return true;
}
