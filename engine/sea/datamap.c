/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the data of one version lives in the other: by symbols of the same name and size, and by
 * what matched instructions refer to at the same place. A range is a run of bytes that all moved
 * by the same distance. Distances that disagree inside one object mean another layout: refused.
 */
#include "sea/analysis.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_GAP	     65536 /* between two witnesses of one range */
#define OBJECT_ALIGN 32	   /* what compilers align objects of 32 bytes and more to */

struct sea_conflict *sea_add_conflict(struct sea_analysis *a, uint64_t old_lo, uint64_t old_hi,
	uint64_t new_lo, uint64_t new_hi, char *why)
{
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

/* A place of the old version that matched code refers to, with where the new one has it. */
struct witness {
	uint64_t old_addr, new_addr;
	uint32_t len;
	uint32_t weight;
	bool dropped;
};

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

static uint32_t place_flags(const struct sea_image *im, uint64_t addr)
{
	enum sea_place p = sea_place_of(im, addr);

	return (p == SEA_P_DATA || p == SEA_P_BSS ? SEA_D_WRITABLE : 0) |
	       (p == SEA_P_BSS ? SEA_D_BSS : 0);
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
					SEA_D_NAMED | place_flags(a->im[0], so->addr),
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

static bool same_kind_of_place(const struct sea_analysis *a, uint64_t o, uint64_t n)
{
	enum sea_place x = sea_place_of(a->im[0], o), y = sea_place_of(a->im[1], n);

	return x == y && x != SEA_P_NONE && x != SEA_P_CODE && x != SEA_P_GOT;
}

static int by_new_addr(const void *x, const void *y)
{
	const struct witness *a = *(struct witness *const *)x, *b = *(struct witness *const *)y;

	if (a->new_addr != b->new_addr)
		return a->new_addr < b->new_addr ? -1 : 1;
	return a->old_addr < b->old_addr ? -1 : a->old_addr > b->old_addr;
}

static struct witness **sort_by_new(struct witness *w, uint32_t n)
{
	struct witness **v = xreallocarray(NULL, n, sizeof(*v));

	for (uint32_t i = 0; i < n; i++)
		v[i] = &w[i];
	if (n)
		qsort(v, n, sizeof(*v), by_new_addr);
	return v;
}

/* One witness an old address; those whose references disagree are dropped, on either side. */
static struct witness *collect_witnesses(struct sea_analysis *a, uint32_t *ret_n)
{
	const struct sea_votes *d = &a->m.data;
	struct witness *w = xreallocarray(NULL, d->n, sizeof(*w)), **by_new;
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n;) {
		uint32_t best = i, total = 0;
		uint64_t addr = d->v[i].old_addr;

		for (; i < d->n && d->v[i].old_addr == addr; i++) {
			total += d->v[i].weight;
			if (d->v[i].weight > d->v[best].weight)
				best = i;
		}
		if (!same_kind_of_place(a, addr, d->v[best].new_addr))
			continue;
		w[n++] = (struct witness){ addr, d->v[best].new_addr,
			d->v[best].access ? d->v[best].access : 1, d->v[best].weight,
			d->v[best].weight * 8 < total * 7 };
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

static uint32_t first_at(const struct witness *w, uint32_t n, uint64_t addr)
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
static void check_span(struct sea_analysis *a, struct witness *w, uint32_t n, uint64_t lo,
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

static void check_spans(struct sea_analysis *a, struct witness *w, uint32_t n)
{
	struct witness **by_new = sort_by_new(w, n);
	uint32_t named = a->n_ranges;

	for (uint32_t i = 0; i < named; i++)
		check_span(a, w, n, a->ranges[i].old_addr,
			a->ranges[i].old_addr + a->ranges[i].size, a->ranges[i].name);
	for (uint32_t i = 0; i < a->spans[0].n; i++)
		check_span(a, w, n, a->spans[0].v[i].lo, a->spans[0].v[i].hi, NULL);
	/* And as the new version sees it: what is one object there. */
	for (uint32_t i = 0; i < a->spans[1].n; i++) {
		const struct sea_span *s = &a->spans[1].v[i];
		uint32_t lo = 0, hi = n;
		struct witness *first = NULL;

		while (lo < hi) {
			uint32_t mid = lo + (hi - lo) / 2;

			if (by_new[mid]->new_addr < s->lo)
				lo = mid + 1;
			else
				hi = mid;
		}
		for (; lo < n && by_new[lo]->new_addr < s->hi; lo++) {
			struct witness *x = by_new[lo];

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

/* Where the first named range that ends behind @addr begins; *@ret_inside: @addr is in it. */
static uint64_t next_named(
	const struct sea_range *named, uint32_t n, uint64_t addr, bool *ret_inside)
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

/*
 * Without symbols a field that was put into a structure looks like a variable that was put before
 * others. But large objects are aligned, so new variables move them by a multiple of that; what
 * moved by anything else is inside of one object, or a small one among others: not known.
 */
static void doubt_shifts(struct sea_analysis *a, const struct witness *w, uint32_t n)
{
	uint32_t n_named = a->n_ranges, end, prev = SEA_NONE;
	uint64_t base = 0;

	for (uint32_t i = 0; i < n; i = end) {
		uint64_t shift = w[i].new_addr - w[i].old_addr, last = w[i].old_addr, limit;
		uint32_t flags = place_flags(a->im[0], w[i].old_addr);
		struct sea_conflict *c;
		bool inside;

		end = i + 1;
		limit = next_named(a->ranges, n_named, w[i].old_addr, &inside);
		if (w[i].dropped || inside || !(flags & SEA_D_WRITABLE))
			continue;
		while (end < n && w[end].old_addr < limit &&
			(w[end].dropped || w[end].new_addr - w[end].old_addr == shift) &&
			place_flags(a->im[0], w[end].old_addr) == flags) {
			if (!w[end].dropped)
				last = w[end].old_addr + w[end].len;
			end++;
		}
		/* Another section, or far away: nothing to compare with. */
		if (prev == SEA_NONE || w[i].old_addr - w[prev].old_addr > MAX_GAP ||
			place_flags(a->im[0], w[prev].old_addr) != flags ||
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

static int by_old_addr(const void *x, const void *y)
{
	const struct sea_range *a = x, *b = y;

	if (a->old_addr != b->old_addr)
		return a->old_addr < b->old_addr ? -1 : 1;
	return a->size > b->size ? -1 : a->size < b->size;
}

static bool in_conflict(const struct sea_analysis *a, const struct witness *w)
{
	return w->dropped || sea_conflict_of(a, SEA_OLD, w->old_addr) ||
	       sea_conflict_of(a, SEA_NEW, w->new_addr);
}

/* Runs of witnesses that moved together, between the named ranges. */
static void ranges_of_witnesses(
	struct sea_analysis *a, const struct witness *w, uint32_t n, uint32_t *room)
{
	uint32_t n_named = a->n_ranges, k;

	for (uint32_t i = 0; i < n; i = k) {
		struct sea_range r = { w[i].old_addr, w[i].new_addr, w[i].len, SEA_D_SEEN, NULL };
		enum sea_place place = sea_place_of(a->im[0], w[i].old_addr);
		bool inside;
		uint64_t limit = next_named(a->ranges, n_named, w[i].old_addr, &inside);

		k = i + 1;
		if (inside || in_conflict(a, &w[i]))
			continue;
		for (; k < n && (place == SEA_P_DATA || place == SEA_P_BSS); k++) {
			if (w[k].old_addr >= limit || in_conflict(a, &w[k]) ||
				w[k].old_addr - r.old_addr != w[k].new_addr - r.new_addr ||
				w[k].old_addr > r.old_addr + r.size + MAX_GAP ||
				sea_place_of(a->im[0], w[k].old_addr) != place)
				break;
			if (w[k].old_addr + w[k].len - r.old_addr > r.size)
				r.size = w[k].old_addr + w[k].len - r.old_addr;
		}
		if (r.size > limit - r.old_addr)
			r.size = limit - r.old_addr;
		r.flags |= place_flags(a->im[0], r.old_addr);
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
		bool hit = false;

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
	struct witness *w;

	pair_objects(a, &room);
	settle(a);
	w = collect_witnesses(a, &n);
	check_spans(a, w, n);
	if (!a->im[0]->has_symtab || !a->im[1]->has_symtab)
		doubt_shifts(a, w, n);
	ranges_of_witnesses(a, w, n, &room);
	free(w);
	settle(a);
	drop_conflicts(a);
	note_initial(a);
	index_by_new(a);
	drop_double_claims(a);
	index_by_new(a);
}

bool sea_data_peer(const struct sea_analysis *a, enum sea_side side, uint64_t addr, uint64_t *ret)
{
	uint32_t lo = 0, hi = a->n_ranges;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct sea_range *r = &a->ranges[side == SEA_OLD ? mid : a->by_new[mid]];

		if ((side == SEA_OLD ? r->old_addr : r->new_addr) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo--) {
		const struct sea_range *r = &a->ranges[side == SEA_OLD ? lo : a->by_new[lo]];
		uint64_t start = side == SEA_OLD ? r->old_addr : r->new_addr;

		if (addr - start >= r->size)
			return false;
		*ret = (side == SEA_OLD ? r->new_addr : r->old_addr) + (addr - start);
		return true;
	}
	return false;
}
