/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligning two sequences: equal ends are trimmed, the rest is split at tokens that occur once on
 * each side and keep their order, and what is left is small enough for the quadratic method, or
 * is left alone.
 */
#include "sea/match.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define SMALL	  (1u << 16) /* cells of the quadratic method */
#define MAX_DEPTH 24

struct diff {
	const uint64_t *a, *b;
	void (*same)(void *ctx, uint32_t i, uint32_t k);
	void *ctx;
};

struct token {
	uint64_t value;
	uint32_t at;
};

static int by_value(const void *x, const void *y)
{
	const struct token *a = x, *b = y;

	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static struct token *sorted(const uint64_t *v, uint32_t lo, uint32_t hi)
{
	struct token *t = xreallocarray(NULL, hi - lo, sizeof(*t));

	for (uint32_t i = lo; i < hi; i++)
		t[i - lo] = (struct token){ v[i], i };
	qsort(t, hi - lo, sizeof(*t), by_value);
	return t;
}

static uint32_t run_length(const struct token *t, uint32_t n, uint32_t i)
{
	uint32_t k = i + 1;

	while (k < n && t[k].value == t[i].value)
		k++;
	return k - i;
}

struct anchor {
	uint32_t i, k;
	uint32_t before; /* in the chain, or SEA_NONE */
};

static int by_position(const void *x, const void *y)
{
	const struct anchor *a = x, *b = y;

	return a->i < b->i ? -1 : a->i > b->i;
}

/* Tokens that occur once in each range, by position in a. */
static struct anchor *unique_anchors(
	const struct diff *d, uint32_t a0, uint32_t a1, uint32_t b0, uint32_t b1, uint32_t *ret_n)
{
	struct token *ta = sorted(d->a, a0, a1), *tb = sorted(d->b, b0, b1);
	uint32_t na = a1 - a0, nb = b1 - b0, i = 0, k = 0, n = 0;
	struct anchor *v = xreallocarray(NULL, na < nb ? na : nb, sizeof(*v));

	while (i < na && k < nb) {
		uint32_t li = run_length(ta, na, i), lk = run_length(tb, nb, k);

		if (ta[i].value < tb[k].value) {
			i += li;
		} else if (ta[i].value > tb[k].value) {
			k += lk;
		} else {
			if (li == 1 && lk == 1)
				v[n++] = (struct anchor){ ta[i].at, tb[k].at, SEA_NONE };
			i += li;
			k += lk;
		}
	}
	free(ta);
	free(tb);
	if (n)
		qsort(v, n, sizeof(*v), by_position);
	*ret_n = n;
	return v;
}

/* Keeps the longest run of anchors that rises on both sides (patience sorting). */
static uint32_t longest_rising(struct anchor *v, uint32_t n)
{
	uint32_t *top = xreallocarray(NULL, n, sizeof(*top)), piles = 0, at, left;
	struct anchor *keep;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t lo = 0, hi = piles;

		while (lo < hi) {
			uint32_t mid = lo + (hi - lo) / 2;

			if (v[top[mid]].k < v[i].k)
				lo = mid + 1;
			else
				hi = mid;
		}
		v[i].before = lo ? top[lo - 1] : SEA_NONE;
		top[lo] = i;
		if (lo == piles)
			piles++;
	}
	keep = xreallocarray(NULL, piles, sizeof(*keep));
	at = piles ? top[piles - 1] : SEA_NONE;
	for (left = piles; left; left--, at = v[at].before)
		keep[left - 1] = v[at];
	if (piles)
		memcpy(v, keep, piles * sizeof(*keep));
	free(keep);
	free(top);
	return piles;
}

/* Longest common subsequence by the table. */
static void small_lcs(const struct diff *d, uint32_t a0, uint32_t a1, uint32_t b0, uint32_t b1)
{
	uint32_t na = a1 - a0, nb = b1 - b0, i = 0, k = 0;
	uint32_t w = nb + 1;
	uint16_t *len = xzalloc((size_t)(na + 1) * w * sizeof(*len));

	for (i = na; i-- > 0;)
		for (k = nb; k-- > 0;) {
			uint16_t down = len[(i + 1) * w + k], right = len[i * w + k + 1];

			if (d->a[a0 + i] == d->b[b0 + k])
				len[i * w + k] = len[(i + 1) * w + k + 1] + 1;
			else
				len[i * w + k] = down > right ? down : right;
		}
	for (i = k = 0; i < na && k < nb;) {
		if (d->a[a0 + i] == d->b[b0 + k]) {
			d->same(d->ctx, a0 + i, b0 + k);
			i++, k++;
		} else if (len[(i + 1) * w + k] >= len[i * w + k + 1]) {
			i++;
		} else {
			k++;
		}
	}
	free(len);
}

static void diff(
	const struct diff *d, uint32_t a0, uint32_t a1, uint32_t b0, uint32_t b1, unsigned depth)
{
	uint32_t tail = 0, n;
	struct anchor *v;

	while (a0 < a1 && b0 < b1 && d->a[a0] == d->b[b0]) {
		d->same(d->ctx, a0, b0);
		a0++, b0++;
	}
	while (a0 < a1 && b0 < b1 && d->a[a1 - 1] == d->b[b1 - 1])
		a1--, b1--, tail++;
	if (a0 < a1 && b0 < b1) {
		if ((uint64_t)(a1 - a0) * (b1 - b0) <= SMALL) {
			small_lcs(d, a0, a1, b0, b1);
		} else if (depth < MAX_DEPTH) {
			v = unique_anchors(d, a0, a1, b0, b1, &n);
			n = longest_rising(v, n);
			for (uint32_t i = 0; i < n; i++) {
				diff(d, a0, v[i].i, b0, v[i].k, depth + 1);
				d->same(d->ctx, v[i].i, v[i].k);
				a0 = v[i].i + 1;
				b0 = v[i].k + 1;
			}
			if (n)
				diff(d, a0, a1, b0, b1, depth + 1);
			free(v);
		}
	}
	for (uint32_t i = 0; i < tail; i++)
		d->same(d->ctx, a1 + i, b1 + i);
}

void sea_diff(const uint64_t *a, uint32_t n_a, const uint64_t *b, uint32_t n_b,
	void (*same)(void *ctx, uint32_t i, uint32_t k), void *ctx)
{
	struct diff d = { a, b, same, ctx };

	diff(&d, 0, n_a, 0, n_b, 0);
}

struct out {
	struct sea_aligned *v;
	uint32_t n, o0, n0;
};

static void take_pair(void *ctx, uint32_t i, uint32_t k)
{
	struct out *out = ctx;

	out->v[out->n++] = (struct sea_aligned){ out->o0 + i, out->n0 + k };
}

static bool is_lockstep(
	const struct sea_match *m, const struct sea_func *fo, const struct sea_func *fn)
{
	const struct sea_insn *a = m->im[0]->insns + fo->insn, *b = m->im[1]->insns + fn->insn;

	if (fo->n_insn != fn->n_insn)
		return false;
	if (fo->exact == fn->exact)
		return true;
	for (uint32_t i = 0; i < fo->n_insn; i++)
		if (a[i].shape != b[i].shape || a[i].kind != b[i].kind ||
			(a[i].ref == SEA_NONE) != (b[i].ref == SEA_NONE))
			return false;
	return true;
}

/*
 * An instruction with what its reference means, as far as that is known. With constants where
 * @full; a jump's distance within the function moves with any change in between.
 */
static uint64_t token_of(const struct sea_match *m, enum sea_side side, uint32_t insn, bool full)
{
	const struct sea_insn *in = &m->im[side]->insns[insn];
	uint64_t what = in->ref == SEA_NONE ? 1 : sea_canon(m, side, in->ref);
	uint64_t t = (uint64_t)in->shape << 32 ^ what * 0x9e3779b97f4a7c15ull ^ in->kind;

	if (full && in->kind != SEA_I_BRANCH && in->kind != SEA_I_JUMP)
		t ^= ((uint64_t)(uint32_t)in->disp << 32 | (uint32_t)in->imm) *
		     0xc4ceb9fe1a85ec53ull;
	return t;
}

static uint64_t *tokens(
	const struct sea_match *m, enum sea_side side, const struct sea_func *f, bool full)
{
	uint64_t *t = xreallocarray(NULL, f->n_insn, sizeof(*t));

	for (uint32_t i = 0; i < f->n_insn; i++)
		t[i] = token_of(m, side, f->insn + i, full);
	return t;
}

/*
 * First the instructions that are equal with their constants; between them, those that are equal
 * without. The other way round one field's access would be taken for another's.
 */
static void align_changed(const struct sea_match *m, const struct sea_func *a,
	const struct sea_func *b, struct out *out)
{
	uint64_t *fa = tokens(m, SEA_OLD, a, true), *fb = tokens(m, SEA_NEW, b, true);
	uint64_t *sa = tokens(m, SEA_OLD, a, false), *sb = tokens(m, SEA_NEW, b, false);
	struct out sure = { .v = xreallocarray(NULL, a->n_insn, sizeof(*sure.v)) };
	struct diff d = { sa, sb, take_pair, out };
	uint32_t i = 0, k = 0;

	sea_diff(fa, a->n_insn, fb, b->n_insn, take_pair, &sure);
	for (uint32_t p = 0; p < sure.n; p++) {
		diff(&d, i, sure.v[p].o, k, sure.v[p].n, 1);
		take_pair(out, sure.v[p].o, sure.v[p].n);
		i = sure.v[p].o + 1;
		k = sure.v[p].n + 1;
	}
	diff(&d, i, a->n_insn, k, b->n_insn, 1);
	free(sure.v);
	free(fa);
	free(fb);
	free(sa);
	free(sb);
}

void sea_align(const struct sea_match *m, uint32_t fo, uint32_t fn, struct sea_aligned **ret,
	uint32_t *ret_n, bool *ret_lockstep)
{
	const struct sea_func *a = &m->im[0]->funcs[fo], *b = &m->im[1]->funcs[fn];
	struct out out = { .o0 = a->insn, .n0 = b->insn };

	out.v = xreallocarray(NULL, a->n_insn < b->n_insn ? a->n_insn : b->n_insn, sizeof(*out.v));
	*ret_lockstep = is_lockstep(m, a, b);
	if (*ret_lockstep)
		for (uint32_t i = 0; i < a->n_insn; i++)
			take_pair(&out, i, i);
	else
		align_changed(m, a, b, &out);
	*ret = out.v;
	*ret_n = out.n;
}
