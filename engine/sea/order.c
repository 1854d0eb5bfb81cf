/* SPDX-License-Identifier: Apache-2.0 */
/* From matched pairs to those who stand between the same neighbours. */
#include "sea/match.h"

#include <stdlib.h>

#include "base/xalloc.h"

#define ALIKE	     75	 /* percent of the instructions, for a place alone to tell */
#define APART	     15	 /* percent more than with any other function there */
#define MAX_COMPARED 400 /* pairs of functions of one gap */

struct gap {
	struct sea_match *m;
	uint32_t o, n, made;
	const uint64_t *a, *b;
	uint32_t n_a, n_b;
};

static uint32_t count_token(const uint64_t *v, uint32_t n, uint64_t token)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++)
		k += v[i] == token;
	return k;
}

/* Functions of equal code call the same ones, as far as is known, or ones of equal code. */
static bool call_alike(const struct sea_match *m, uint32_t fo, uint32_t fn)
{
	const struct sea_func *o = &m->im[0]->funcs[fo], *n = &m->im[1]->funcs[fn];

	for (uint32_t i = 0; i < o->n_ref && i < n->n_ref; i++) {
		uint32_t x = sea_func_at(m->im[0], m->im[0]->refs[o->ref + i].target);
		uint32_t y = sea_func_at(m->im[1], m->im[1]->refs[n->ref + i].target);

		if (x == SEA_NONE || y == SEA_NONE)
			continue;
		if (m->peer[0][x] != SEA_NONE || m->peer[1][y] != SEA_NONE
				? m->peer[0][x] != y
				: m->im[0]->funcs[x].exact != m->im[1]->funcs[y].exact)
			return false;
	}
	return true;
}

/* Equal code in the same gap: twins are told apart by their order if there are as many of them. */
static void pair_in_gap(void *ctx, uint32_t i, uint32_t k)
{
	struct gap *g = ctx;

	if (g->m->doubt[0][g->o + i] & SEA_DOUBT_CONSTANTS ||
		count_token(g->a, g->n_a, g->a[i]) != count_token(g->b, g->n_b, g->a[i]) ||
		!sea_may_pair(g->m, g->o + i, g->n + k) ||
		(g->m->doubt[0][g->o + i] & SEA_DOUBT_TWIN &&
			!call_alike(g->m, g->o + i, g->n + k)))
		return;
	sea_pair(g->m, g->o + i, g->n + k, SEA_BY_ORDER, 92);
	g->made++;
}

static bool has_shape_of(const struct sea_match *m, uint32_t fo, uint32_t fn)
{
	return sea_func_shape(m->im[0], &m->im[0]->funcs[fo]) ==
	       sea_func_shape(m->im[1], &m->im[1]->funcs[fn]);
}

/* As many on both sides, one by one of the same shape: then constants may differ. */
static void pair_in_step(struct gap *g)
{
	struct sea_match *m = g->m;

	if (g->n_a != g->n_b)
		return;
	for (uint32_t i = 0; i < g->n_a; i++)
		if (!has_shape_of(m, g->o + i, g->n + i))
			return;
	for (uint32_t i = 0; i < g->n_a; i++) {
		uint32_t fo = g->o + i, fn = g->n + i;

		if (!((m->doubt[0][fo] | m->doubt[1][fn]) & SEA_DOUBT_CONSTANTS) ||
			!sea_may_pair(m, fo, fn))
			continue;
		sea_pair(m, fo, fn, SEA_BY_ORDER, 90);
		g->made++;
	}
}

struct likeness {
	uint32_t best, second, at;
};

static void offer(struct likeness *l, uint32_t alike, uint32_t at)
{
	if (alike > l->best)
		*l = (struct likeness){ alike, l->best, at };
	else if (alike > l->second)
		l->second = alike;
}

static bool stands_out(const struct likeness *l)
{
	return l->best >= ALIKE && l->best >= l->second + APART;
}

static bool is_long(const struct sea_func *f)
{
	return f->n_insn >= SEA_ENOUGH_FOR_SHAPE;
}

/* In one gap, in the same order, much alike, and none of the others as much. */
static uint32_t pair_alike(struct sea_match *m, uint32_t o, uint32_t no, uint32_t n, uint32_t nn)
{
	struct likeness *lo, *ln;
	uint32_t made = 0, next = 0;

	if ((uint64_t)no * nn > MAX_COMPARED)
		return 0;
	lo = xzalloc(no * sizeof(*lo));
	ln = xzalloc(nn * sizeof(*ln));
	for (uint32_t i = 0; i < no; i++)
		for (uint32_t k = 0; k < nn; k++) {
			uint32_t alike = sea_similarity(m, o + i, n + k);

			offer(&lo[i], alike, k);
			offer(&ln[k], alike, i);
		}
	for (uint32_t i = 0; i < no; i++) {
		uint32_t k = lo[i].at;

		if (k < next || !stands_out(&lo[i]) || ln[k].at != i || !stands_out(&ln[k]) ||
			!is_long(&m->im[0]->funcs[o + i]) || !is_long(&m->im[1]->funcs[n + k]) ||
			!sea_may_pair(m, o + i, n + k))
			continue;
		sea_pair(m, o + i, n + k, SEA_BY_ORDER, 85);
		next = k + 1;
		made++;
	}
	free(lo);
	free(ln);
	return made;
}

static uint32_t close_gap(struct sea_match *m, uint32_t o, uint32_t no, uint32_t n, uint32_t nn)
{
	struct gap g = { .m = m, .o = o, .n = n, .n_a = no, .n_b = nn };
	uint64_t *a, *b;

	if (!no || !nn || no > 512 || nn > 512)
		return 0;
	a = xreallocarray(NULL, no, sizeof(*a));
	b = xreallocarray(NULL, nn, sizeof(*b));
	for (uint32_t i = 0; i < no; i++)
		a[i] = m->im[0]->funcs[o + i].exact;
	for (uint32_t i = 0; i < nn; i++)
		b[i] = m->im[1]->funcs[n + i].exact;
	g.a = a;
	g.b = b;
	sea_diff(a, no, b, nn, pair_in_gap, &g);
	pair_in_step(&g);
	if (!g.made)
		g.made = pair_alike(m, o, no, n, nn);
	free(a);
	free(b);
	return g.made;
}

uint32_t sea_match_order(struct sea_match *m)
{
	uint32_t no = m->im[0]->n_funcs, nn = m->im[1]->n_funcs, made = 0;

	/* A gap: unmatched functions between o0 and o1, whose peers n0 and n1 bound one as well. */
	for (uint32_t i = 0; i < no && !sea_budget_spent(m->budget);) {
		uint32_t end = i, from, to;

		if (m->peer[0][i] != SEA_NONE) {
			i++;
			continue;
		}
		while (end < no && m->peer[0][end] == SEA_NONE)
			end++;
		from = i ? m->peer[0][i - 1] + 1 : 0;
		to = end < no ? m->peer[0][end] : nn;
		if (from < to && to - from <= 512) {
			bool open = true;

			for (uint32_t k = from; k < to && open; k++)
				open = m->peer[1][k] == SEA_NONE;
			if (open)
				made += close_gap(m, i, end - i, from, to - from);
		}
		i = end;
	}
	return made;
}
