/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a matched pair to others: what its instructions refer to at the same place, and what tables
 * of pointers hold at the same place.
 */
#include "sea/match.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_VOTES     (4u << 20)
#define LOCKSTEP_VOTE 4
#define TABLE_VOTE    3
#define ALIGNED_VOTE  1
#define MAX_SLOTS     4096 /* of one table of pointers */
#define SHORT_FUNC    24   /* instructions */

void sea_vote_add(struct sea_votes *v, struct sea_vote vote)
{
	if (v->n == MAX_VOTES) {
		v->full = true;
		return;
	}
	if (v->n == v->room) {
		v->room = v->room ? v->room * 2 : 4096;
		v->v = xreallocarray(v->v, v->room, sizeof(*v->v));
	}
	v->v[v->n++] = vote;
}

static int by_old(const void *x, const void *y)
{
	const struct sea_vote *a = x, *b = y;

	if (a->old_addr != b->old_addr)
		return a->old_addr < b->old_addr ? -1 : 1;
	if (a->new_addr != b->new_addr)
		return a->new_addr < b->new_addr ? -1 : 1;
	return 0;
}

void sea_votes_settle(struct sea_votes *v)
{
	uint32_t n = 0;

	if (v->n)
		qsort(v->v, v->n, sizeof(*v->v), by_old);
	for (uint32_t i = 0; i < v->n; i++) {
		struct sea_vote *last = n ? &v->v[n - 1] : NULL;

		if (!last || by_old(last, &v->v[i])) {
			v->v[n++] = v->v[i];
			continue;
		}
		if (last->weight < 60000)
			last->weight += v->v[i].weight;
		if (last->access < v->v[i].access)
			last->access = v->v[i].access;
		if (last->kind > v->v[i].kind)
			last->kind = v->v[i].kind;
	}
	v->n = n;
}

/* A vote from two references at the same place of a matched pair. */
static void vote_refs(
	struct sea_match *m, const struct sea_ref *a, const struct sea_ref *b, unsigned weight)
{
	enum sea_place pa, pb;
	struct sea_vote vote = { a->target, b->target, weight, a->access, SEA_BY_CALLS };

	if (a->kind == SEA_R_TLS || b->kind == SEA_R_TLS || a->kind != b->kind)
		return;
	pa = sea_place_of(m->im[0], a->target);
	pb = sea_place_of(m->im[1], b->target);
	if (pa == SEA_P_CODE && pb == SEA_P_CODE) {
		if (sea_func_at(m->im[0], a->target) != SEA_NONE &&
			sea_func_at(m->im[1], b->target) != SEA_NONE)
			sea_vote_add(&m->code, vote);
	} else if (pa != SEA_P_CODE && pb != SEA_P_CODE && pa != SEA_P_NONE && pb != SEA_P_NONE) {
		if (a->access != b->access)
			vote.access = a->access < b->access ? a->access : b->access;
		sea_vote_add(&m->data, vote);
	}
}

static void vote_pair(struct sea_match *m, uint32_t fo)
{
	struct sea_aligned *al;
	uint32_t n;
	bool lockstep;

	sea_align(m, fo, m->peer[0][fo], &al, &n, &lockstep);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t ra = m->im[0]->insns[al[i].o].ref, rb = m->im[1]->insns[al[i].n].ref;

		if (ra == SEA_NONE || rb == SEA_NONE)
			continue;
		/* In code that changed around it, a reference counts with a neighbour's help. */
		if (!lockstep &&
			!((i && al[i - 1].o + 1 == al[i].o && al[i - 1].n + 1 == al[i].n) ||
				(i + 1 < n && al[i].o + 1 == al[i + 1].o &&
					al[i].n + 1 == al[i + 1].n)))
			continue;
		vote_refs(m, &m->im[0]->refs[ra], &m->im[1]->refs[rb],
			lockstep ? LOCKSTEP_VOTE : ALIGNED_VOTE);
	}
	free(al);
}

/* The relocated words of the object that begins at @addr, up to the next thing referred to. */
static uint32_t slots_of(const struct sea_image *im, uint64_t addr, uint32_t *ret_first)
{
	uint64_t end = sea_next_target(im, addr);
	uint32_t first = sea_reloc_first(im, addr), n = 0;

	while (first + n < im->n_relocs && im->relocs[first + n].addr < end && n < MAX_SLOTS)
		n++;
	*ret_first = first;
	return n;
}

struct table {
	struct sea_match *m;
	uint32_t o, n;		 /* first relocation */
	uint64_t old_at, new_at; /* where the objects begin */
	bool same_shape;
};

static void vote_slot(void *ctx, uint32_t i, uint32_t k)
{
	struct table *t = ctx;
	const struct sea_reloc *a = &t->m->im[0]->relocs[t->o + i];
	const struct sea_reloc *b = &t->m->im[1]->relocs[t->n + k];
	struct sea_vote vote = { 0, 0, t->same_shape ? TABLE_VOTE : ALIGNED_VOTE, 0,
		SEA_BY_POINTERS };
	enum sea_place pa, pb;

	if (!sea_reloc_target(t->m->im[0], a, &vote.old_addr) ||
		!sea_reloc_target(t->m->im[1], b, &vote.new_addr))
		return;
	pa = sea_place_of(t->m->im[0], vote.old_addr);
	pb = sea_place_of(t->m->im[1], vote.new_addr);
	if (pa == SEA_P_CODE && pb == SEA_P_CODE) {
		if (sea_func_at(t->m->im[0], vote.old_addr) != SEA_NONE &&
			sea_func_at(t->m->im[1], vote.new_addr) != SEA_NONE)
			sea_vote_add(&t->m->code, vote);
	} else if (pa == pb && pa != SEA_P_NONE && !sea_string_at(t->m->im[0], vote.old_addr)) {
		sea_vote_add(&t->m->data, vote);
	}
}

/* Votes of two tables of pointers that correspond; @old_at and @new_at are where they begin. */
static void vote_table(struct sea_match *m, uint64_t old_at, uint64_t new_at)
{
	struct table t = { .m = m, .old_at = old_at, .new_at = new_at, .same_shape = true };
	uint32_t no = slots_of(m->im[0], old_at, &t.o), nn = slots_of(m->im[1], new_at, &t.n);
	uint64_t *a, *b;

	if (!no || !nn)
		return;
	a = xreallocarray(NULL, no, sizeof(*a));
	b = xreallocarray(NULL, nn, sizeof(*b));
	for (uint32_t i = 0; i < no; i++)
		a[i] = sea_canon_reloc(m, SEA_OLD, &m->im[0]->relocs[t.o + i]);
	for (uint32_t i = 0; i < nn; i++)
		b[i] = sea_canon_reloc(m, SEA_NEW, &m->im[1]->relocs[t.n + i]);
	for (uint32_t i = 0; i < no && t.same_shape; i++)
		t.same_shape = no == nn &&
			       m->im[0]->relocs[t.o + i].addr - old_at ==
				       m->im[1]->relocs[t.n + i].addr - new_at &&
			       (a[i] == b[i] || !a[i] || !b[i]);
	if (t.same_shape)
		for (uint32_t i = 0; i < no; i++)
			vote_slot(&t, i, i);
	else
		sea_diff(a, no, b, nn, vote_slot, &t);
	free(a);
	free(b);
}

/*
 * The one vote for @v[i].old_addr that stands, or SEA_NONE: alone, or far ahead of the others.
 * *@ret_end is where the votes for the next address begin.
 */
static uint32_t winner(const struct sea_votes *v, uint32_t i, uint32_t *ret_end)
{
	uint32_t best = i, second = 0, k = i;

	for (; k < v->n && v->v[k].old_addr == v->v[i].old_addr; k++) {
		if (k == best)
			continue;
		if (v->v[k].weight > v->v[best].weight) {
			second = v->v[best].weight;
			best = k;
		} else if (v->v[k].weight > second) {
			second = v->v[k].weight;
		}
	}
	*ret_end = k;
	return (uint32_t)v->v[best].weight > 3 * second ? best : SEA_NONE;
}

static bool convincing(
	const struct sea_match *m, uint32_t fo, uint32_t fn, unsigned weight, unsigned *ret_conf)
{
	unsigned alike = sea_similarity(m, fo, fn);
	const struct sea_func *a = &m->im[0]->funcs[fo], *b = &m->im[1]->funcs[fn];
	bool tiny = a->n_insn < SEA_ENOUGH_FOR_SHAPE && b->n_insn < SEA_ENOUGH_FOR_SHAPE;

	*ret_conf = alike == 100 ? 97 : alike > 80 ? 94 : alike > 50 ? 90 : 80;
	if (a->name && b->name)
		return true; /* sea_may_pair() has compared them */
	if (alike == 100)
		return true;
	if (tiny)
		return weight >= LOCKSTEP_VOTE && alike >= 50;
	if (alike >= 60)
		return true;
	if (alike >= 30)
		return weight >= LOCKSTEP_VOTE;
	return weight >= 3 * LOCKSTEP_VOTE && alike >= 15;
}

/* Whether no other old function has as strong a claim on @fn. */
static bool uncontested(const struct sea_match *m, const struct sea_votes *by_new,
	uint64_t new_addr, uint64_t old_addr, unsigned weight)
{
	uint32_t lo = 0, hi = by_new->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (by_new->v[mid].old_addr < new_addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < by_new->n && by_new->v[lo].old_addr == new_addr; lo++) {
		uint32_t other = sea_func_at(m->im[0], by_new->v[lo].new_addr);

		if (by_new->v[lo].new_addr != old_addr && other != SEA_NONE &&
			m->peer[0][other] == SEA_NONE && by_new->v[lo].weight * 3 >= weight)
			return false;
	}
	return true;
}

/* Of twins a changed caller may refer to one where it did to the other: which is first changes. */
static bool is_doubtful(
	const struct sea_match *m, uint32_t fo, uint32_t fn, const struct sea_vote *v)
{
	return v->weight < LOCKSTEP_VOTE && v->kind == SEA_BY_CALLS &&
	       (m->doubt[0][fo] | m->doubt[1][fn]) & SEA_DOUBT_TWIN;
}

static uint32_t resolve(struct sea_match *m)
{
	struct sea_votes turned = { 0 };
	uint32_t made = 0;

	sea_votes_settle(&m->code);
	for (uint32_t i = 0; i < m->code.n; i++) {
		struct sea_vote t = m->code.v[i];

		sea_vote_add(
			&turned, (struct sea_vote){ t.new_addr, t.old_addr, t.weight, 0, t.kind });
	}
	sea_votes_settle(&turned);
	for (uint32_t i = 0, end; i < m->code.n; i = end) {
		uint32_t best = winner(&m->code, i, &end), fo, fn;
		const struct sea_vote *v = best == SEA_NONE ? NULL : &m->code.v[best];
		unsigned conf;

		if (!v)
			continue;
		if (sea_budget_spent(m->budget))
			break;
		fo = sea_func_at(m->im[0], v->old_addr);
		fn = sea_func_at(m->im[1], v->new_addr);
		if (!sea_may_pair(m, fo, fn) || is_doubtful(m, fo, fn, v) ||
			!uncontested(m, &turned, v->new_addr, v->old_addr, v->weight) ||
			!convincing(m, fo, fn, v->weight, &conf))
			continue;
		sea_pair(m, fo, fn, v->kind, conf);
		made++;
	}
	free(turned.v);
	return made;
}

/* Pointers that no relocation tells of, as in a program at fixed addresses. */
static void vote_words(
	struct sea_match *m, const struct sea_section *o, const struct sea_section *n)
{
	struct sea_vote vote = { .weight = TABLE_VOTE, .kind = SEA_BY_POINTERS };

	for (uint64_t at = 0; at < o->size && sea_bytes(m->im[0], o->addr + at, 8); at += 8)
		if (sea_word_target(m->im[0], o->addr + at, &vote.old_addr) &&
			sea_word_target(m->im[1], n->addr + at, &vote.new_addr) &&
			sea_func_at(m->im[0], vote.old_addr) != SEA_NONE &&
			sea_func_at(m->im[1], vote.new_addr) != SEA_NONE)
			sea_vote_add(&m->code, vote);
}

/* The tables that the loader runs at the start and the end correspond in any case. */
static void vote_roots(struct sea_match *m)
{
	static const char *const tables[] = { ".init_array", ".fini_array" };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct sea_section *o = sea_section_named(m->im[0], tables[i]);
		const struct sea_section *n = sea_section_named(m->im[1], tables[i]);

		if (!o || !n)
			continue;
		sea_vote_add(&m->data,
			(struct sea_vote){ o->addr, n->addr, TABLE_VOTE, 8, SEA_BY_POINTERS });
		if (o->size == n->size && !m->im[0]->is_pie && !m->im[1]->is_pie)
			vote_words(m, o, n);
	}
}

uint32_t sea_propagate(struct sea_match *m)
{
	uint32_t voted = 0, n_data = 0;

	for (uint32_t i = 0; i < m->im[0]->n_funcs; i++) {
		if (m->peer[0][i] == SEA_NONE || m->seen[i])
			continue;
		if (i % 64 == 0 && sea_budget_spent(m->budget))
			return 0;
		vote_pair(m, i);
		m->seen[i] = 1;
		voted++;
	}
	if (!voted)
		return 0;
	vote_roots(m);
	/* Tables that tables lead to come in the next round. */
	sea_votes_settle(&m->data);
	n_data = m->data.n;
	for (uint32_t i = 0, end; i < n_data; i = end) {
		uint32_t best = winner(&m->data, i, &end);

		if (best != SEA_NONE)
			vote_table(m, m->data.v[best].old_addr, m->data.v[best].new_addr);
	}
	return resolve(m);
}

/*
 * Whether a pair of equal code refers to functions that are matched, but not to each other: twins
 * that were taken for one another. In longer functions that is a change; in short ones it is all
 * that they have to say.
 */
static bool are_crossed(const struct sea_match *m, uint32_t fo)
{
	const struct sea_func *o = &m->im[0]->funcs[fo], *n = &m->im[1]->funcs[m->peer[0][fo]];
	uint32_t with = 0, against = 0;

	if (o->exact != n->exact || o->n_insn > SHORT_FUNC || o->n_ref != n->n_ref)
		return false;
	for (uint32_t i = 0; i < o->n_ref; i++) {
		uint64_t a = sea_canon(m, SEA_OLD, o->ref + i),
			 b = sea_canon(m, SEA_NEW, n->ref + i);

		if (!a || !b)
			continue;
		with += a == b;
		against += a != b;
	}
	return against > with;
}

/* A pair that its own callers, or what it refers to, contradict is no pair. */
uint32_t sea_match_verify(struct sea_match *m)
{
	uint32_t dropped = 0;

	m->code.n = m->data.n = 0;
	memset(m->seen, 0, m->im[0]->n_funcs);
	for (uint32_t i = 0; i < m->im[0]->n_funcs; i++) {
		if (i % 64 == 0 && sea_budget_spent(m->budget))
			return 0;
		if (m->peer[0][i] != SEA_NONE)
			vote_pair(m, i);
	}
	vote_roots(m);
	sea_votes_settle(&m->data);
	for (uint32_t i = 0, end, n = m->data.n; i < n; i = end) {
		uint32_t best = winner(&m->data, i, &end);

		if (best != SEA_NONE)
			vote_table(m, m->data.v[best].old_addr, m->data.v[best].new_addr);
	}
	sea_votes_settle(&m->code);
	sea_votes_settle(&m->data);
	for (uint32_t i = 0; i < m->im[0]->n_funcs; i++)
		if (m->peer[0][i] != SEA_NONE && m->how[i] != SEA_BY_NAME && are_crossed(m, i)) {
			sea_unpair(m, i);
			dropped++;
		}
	for (uint32_t i = 0; i < m->code.n;) {
		uint32_t fo = sea_func_at(m->im[0], m->code.v[i].old_addr), with = 0, against = 0;
		uint64_t old_addr = m->code.v[i].old_addr;

		for (; i < m->code.n && m->code.v[i].old_addr == old_addr; i++) {
			uint32_t fn = sea_func_at(m->im[1], m->code.v[i].new_addr);

			if (fn == m->peer[0][fo])
				with += m->code.v[i].weight;
			else
				against += m->code.v[i].weight;
		}
		if (m->peer[0][fo] == SEA_NONE || m->how[fo] == SEA_BY_NAME || against <= with)
			continue;
		sea_unpair(m, fo);
		dropped++;
	}
	return dropped;
}
