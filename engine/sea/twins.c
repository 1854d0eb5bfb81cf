/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In a stripped program small functions that are much alike find no counterpart, and those least of
 * all whose structures grew: nothing that is matched would show it then. They do by themselves:
 * where either version has as many functions of one shape, and with other constants.
 */
#include "sea/twins.h"

#include <stdlib.h>

#include "base/xalloc.h"

struct alone {
	uint64_t shape, exact;
	uint32_t func;
	bool met; /* the other version has the same, with the same constants */
};

struct alones {
	struct alone *v;
	uint32_t n;
};

static int by_place(const void *a, const void *b)
{
	const struct alone *x = a, *y = b;

	return x->func < y->func ? -1 : x->func > y->func;
}

static int by_code(const void *a, const void *b)
{
	const struct alone *x = a, *y = b;

	if (x->shape != y->shape)
		return x->shape < y->shape ? -1 : 1;
	if (x->exact != y->exact)
		return x->exact < y->exact ? -1 : 1;
	return by_place(a, b);
}

static void find_alone(const struct sea_analysis *a, enum sea_side side, struct alones *ret)
{
	const struct sea_image *im = a->im[side];

	ret->v = xreallocarray(NULL, im->n_funcs + 1, sizeof(*ret->v));
	ret->n = 0;
	for (uint32_t i = 0; i < im->n_funcs; i++)
		if (a->m.peer[side][i] == SEA_NONE && im->funcs[i].n_insn)
			ret->v[ret->n++] = (struct alone){ sea_func_shape(im, &im->funcs[i]),
				im->funcs[i].exact, i, false };
	qsort(ret->v, ret->n, sizeof(*ret->v), by_code);
}

static uint32_t end_of(const struct alones *s, uint32_t from)
{
	uint32_t end = from;

	while (end < s->n && s->v[end].shape == s->v[from].shape)
		end++;
	return end;
}

/*
 * Takes out what is the same to the last constant, and puts the rest in the order of the places.
 * How many are left of either.
 */
static void meet(struct alone *x, uint32_t n_x, struct alone *y, uint32_t n_y, uint32_t left[2])
{
	left[0] = n_x;
	left[1] = n_y;
	for (uint32_t i = 0, k = 0; i < n_x && k < n_y;) {
		if (x[i].exact < y[k].exact) {
			i++;
		} else if (x[i].exact > y[k].exact) {
			k++;
		} else {
			x[i++].met = y[k++].met = true;
			left[0]--;
			left[1]--;
		}
	}
	qsort(x, n_x, sizeof(*x), by_place);
	qsort(y, n_y, sizeof(*y), by_place);
}

static uint32_t next_unmet(const struct alone *v, uint32_t n, uint32_t i)
{
	while (i < n && v[i].met)
		i++;
	return i;
}

void sea_each_twin(const struct sea_analysis *a, void (*twin)(void *ctx, uint32_t fo, uint32_t fn),
	void (*either)(void *ctx, enum sea_side side, uint32_t func), void *ctx)
{
	struct alones s[2];
	uint32_t from[2] = { 0, 0 };

	find_alone(a, SEA_OLD, &s[0]);
	find_alone(a, SEA_NEW, &s[1]);
	while (from[0] < s[0].n && from[1] < s[1].n && !sea_budget_spent(a->budget)) {
		struct alone *v[2] = { s[0].v + from[0], s[1].v + from[1] };
		uint32_t n[2] = { end_of(&s[0], from[0]) - from[0],
			end_of(&s[1], from[1]) - from[1] };
		uint32_t left[2];

		if (v[0]->shape != v[1]->shape) {
			int behind = v[0]->shape > v[1]->shape;

			from[behind] += n[behind];
			continue;
		}
		from[0] += n[0];
		from[1] += n[1];
		meet(v[0], n[0], v[1], n[1], left);
		if (left[0] == left[1])
			for (uint32_t i = next_unmet(v[0], n[0], 0), k = next_unmet(v[1], n[1], 0);
				i < n[0]; i = next_unmet(v[0], n[0], i + 1),
				      k = next_unmet(v[1], n[1], k + 1))
				twin(ctx, v[0][i].func, v[1][k].func);
		else if (left[0] && left[1])
			for (int side = 0; side < 2; side++)
				for (uint32_t i = 0; i < n[side]; i++)
					if (!v[side][i].met)
						either(ctx, side, v[side][i].func);
	}
	free(s[0].v);
	free(s[1].v);
}
