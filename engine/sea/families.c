/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short functions that differ in their constants alone, as those that set a field each: where a
 * structure grew, one has the very code that its neighbour had before.
 */
#include "sea/match.h"

#include <stdlib.h>

#include "base/xalloc.h"

#define SHORT_FUNC 24 /* instructions; longer ones hold more than one constant */

struct member {
	uint64_t shape, content;
	uint32_t func;
};

struct members {
	struct member *v;
	uint32_t n;
};

uint64_t sea_func_shape(const struct sea_image *im, const struct sea_func *f)
{
	uint64_t h = 0;

	for (uint32_t i = 0; i < f->n_insn; i++)
		if (im->insns[f->insn + i].kind != SEA_I_PADDING)
			h = sea_hash(h, &im->insns[f->insn + i].shape, sizeof(uint32_t));
	return h;
}

static int by_content(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->shape != y->shape)
		return x->shape < y->shape ? -1 : 1;
	if (x->content != y->content)
		return x->content < y->content ? -1 : 1;
	return x->func < y->func ? -1 : x->func > y->func;
}

static struct members members_of(const struct sea_match *m, enum sea_side side)
{
	const struct sea_image *im = m->im[side];
	struct members s = { xreallocarray(NULL, im->n_funcs, sizeof(*s.v)), 0 };

	for (uint32_t i = 0; i < im->n_funcs; i++) {
		const struct sea_func *f = &im->funcs[i];

		if (f->n_insn)
			s.v[s.n++] = (struct member){ sea_hash(sea_func_shape(im, f),
							      m->canon[side] + f->ref,
							      f->n_ref * sizeof(uint64_t)),
				f->context, i };
	}
	if (s.n)
		qsort(s.v, s.n, sizeof(*s.v), by_content);
	return s;
}

static uint32_t family_end(const struct members *s, uint32_t at, uint64_t shape)
{
	while (at < s->n && s->v[at].shape == shape)
		at++;
	return at;
}

/* Both versions have the same contents, each as often; or there is one only. */
static bool are_told_apart(
	const struct member *o, uint32_t n_o, const struct member *n, uint32_t n_n)
{
	bool same = n_o == n_n;

	for (uint32_t i = 0; i < n_o && same; i++)
		same = o[i].content == n[i].content;
	return same || (n_o == 1 && n_n == 1) ||
	       (o[0].content == o[n_o - 1].content && n[0].content == n[n_n - 1].content);
}

static void mark(struct sea_match *m, enum sea_side side, const struct member *v, uint32_t n,
	bool told_apart)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!told_apart && m->im[side]->funcs[v[i].func].n_insn <= SHORT_FUNC)
			m->doubt[side][v[i].func] |= SEA_DOUBT_CONSTANTS;
		if ((i && v[i - 1].content == v[i].content) ||
			(i + 1 < n && v[i + 1].content == v[i].content))
			m->doubt[side][v[i].func] |= SEA_DOUBT_TWIN;
	}
}

void sea_find_families(struct sea_match *m)
{
	struct members o, n;

	for (int s = 0; s < 2; s++)
		m->doubt[s] = xzalloc(m->im[s]->n_funcs);
	o = members_of(m, SEA_OLD);
	n = members_of(m, SEA_NEW);
	for (uint32_t i = 0, k = 0; i < o.n && k < n.n;) {
		uint64_t shape = o.v[i].shape < n.v[k].shape ? o.v[i].shape : n.v[k].shape;
		uint32_t ei = family_end(&o, i, shape), ek = family_end(&n, k, shape);

		if (ei > i && ek > k) {
			bool apart = are_told_apart(&o.v[i], ei - i, &n.v[k], ek - k);

			mark(m, SEA_OLD, &o.v[i], ei - i, apart);
			mark(m, SEA_NEW, &n.v[k], ek - k, apart);
		}
		i = ei;
		k = ek;
	}
	free(o.v);
	free(n.v);
}
