/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/calls.h"

#include <stdlib.h>

#include "base/xalloc.h"

#define MAX_CALLS  2048 /* of one function */
#define MAX_ROUNDS 32
#define BEFORE	   12 /* instructions that lead to a call, on the way that the code runs */
#define BEHIND	   4
#define REACH	   40 /* of them, to the next call */
#define INDIRECT   5  /* token of a call through a register or memory */
#define SEVERAL	   (SEA_NONE - 1)
/* Points: up to 100 for what surrounds two calls, and beside those. */
#define FOR_ALIGNED 10 /* they align as instructions */
#define FOR_BESIDE  10 /* so do those that lie next to them, on either side */
#define FOR_RUN	    15 /* and those that run next */
#define ENOUGH	    45
#define AHEAD	    11 /* of any other call */

/* A sign of what a call is made for; what names something weighs more than what is done. */
struct sign {
	uint32_t what, weight;
};

struct call {
	uint32_t insn, peer;
	uint32_t runs[2]; /* the call before and behind as the code runs, or SEA_NONE */
	uint64_t callee;
	struct sign signs[1 + BEFORE + BEHIND];
	uint32_t n_signs, weight;
};

struct side {
	const struct sea_image *im;
	const struct sea_func *f;
	struct call *v;
	uint32_t n;
	uint32_t *number;  /* by instruction of the function: the call that it is, or SEA_NONE */
	uint32_t *from;	   /* likewise: the only jump inside that leads to it, SEA_NONE, SEVERAL */
	uint32_t *lies[2]; /* by call: the next paired one before and behind, or SEA_NONE */
};

struct calls {
	const struct sea_analysis *a;
	struct side side[2];
	uint8_t *alike; /* points by old and new call, what is asked once; 0: callees differ */
};

/* Unknown callees are like no other; calls through registers are alike. */
static uint64_t callee_of(const struct sea_analysis *a, enum sea_side side, uint32_t insn)
{
	const struct sea_insn *in = &a->im[side]->insns[insn];
	uint64_t c = in->ref == SEA_NONE ? 0 : sea_canon(&a->m, side, in->ref);

	if (c)
		return c;
	return in->kind == SEA_I_CALL_INDIRECT ? INDIRECT : (uint64_t)insn << 1 << 31 << side;
}

/* Registers are left out: the compiler gives others as soon as anything changes. */
static struct sign sign_of(const struct sea_analysis *a, enum sea_side side, uint32_t insn)
{
	const struct sea_image *im = a->im[side];
	const struct sea_insn *in = &im->insns[insn];
	uint64_t words[3] = { (uint64_t)in->id << 32 | (uint64_t)in->mem_size << 8 | in->writes,
		in->base != 0, in->index != 0 };
	unsigned weight = 1;
	uint64_t h;

	if (in->ref != SEA_NONE) {
		const struct sea_ref *r = &im->refs[in->ref];
		uint64_t old = r->target;

		words[1] = sea_canon(&a->m, side, in->ref);
		weight = words[1] ? 6 : 1;
		if (!words[1] && r->kind != SEA_R_TLS &&
			(side == SEA_OLD || sea_data_peer(a, side, r->target, &old))) {
			words[1] = old;
			weight = 3;
		}
	} else if (in->kind == SEA_I_CALL_INDIRECT || in->imm_off) {
		words[2] = (uint64_t)(uint32_t)(in->imm_off ? in->imm : in->disp) << 1;
		weight = 2;
	}
	h = sea_hash(0, words, sizeof(words));
	return (struct sign){ h ^ h >> 32, weight };
}

static bool is_end(const struct sea_insn *in)
{
	return in->kind == SEA_I_JUMP || in->kind == SEA_I_JUMP_INDIRECT ||
	       in->kind == SEA_I_RETURN || in->kind == SEA_I_BAD;
}

static void add_sign(const struct calls *c, enum sea_side side, struct call *call, uint32_t insn)
{
	const struct sea_insn *in = &c->side[side].im->insns[insn];

	/* Where blocks lie and which way a branch is taken is the compiler's choice. */
	if (in->kind == SEA_I_PADDING || in->kind == SEA_I_BRANCH || is_end(in))
		return;
	call->signs[call->n_signs] = sign_of(c->a, side, insn);
	call->weight += call->signs[call->n_signs++].weight;
}

static uint32_t jump_target(const struct side *s, uint32_t insn)
{
	uint32_t off = sea_jump_inside(s->im, s->f, insn);

	return off == SEA_NONE ? off : sea_insn_at(s->im, s->f, off);
}

/* The instruction that runs before or behind @at, as far as there is one way only; or SEA_NONE. */
static uint32_t step(const struct side *s, uint32_t at, bool on)
{
	const struct sea_insn *v = s->im->insns;

	if (on && v[at].kind == SEA_I_JUMP)
		return jump_target(s, at);
	if (on)
		return is_end(&v[at]) || at + 1 == s->f->insn + s->f->n_insn ? SEA_NONE : at + 1;
	if (at == s->f->insn)
		return SEA_NONE;
	if (!is_end(&v[at - 1]))
		return at - 1;
	at = s->from[at - s->f->insn];
	return at == SEVERAL ? SEA_NONE : at;
}

static int by_what(const void *x, const void *y)
{
	const struct sign *a = x, *b = y;

	return a->what < b->what ? -1 : a->what > b->what;
}

static void describe(const struct calls *c, enum sea_side side, struct call *call)
{
	const struct side *s = &c->side[side];

	call->peer = SEA_NONE;
	call->callee = callee_of(c->a, side, call->insn);
	add_sign(c, side, call, call->insn);
	for (int on = 0; on < 2; on++) {
		uint32_t at = call->insn;

		call->runs[on] = SEA_NONE;
		for (uint32_t n = 0; n < REACH && (at = step(s, at, on)) != SEA_NONE; n++) {
			if (call->runs[on] == SEA_NONE)
				call->runs[on] = s->number[at - s->f->insn];
			if (n < (on ? BEHIND : BEFORE))
				add_sign(c, side, call, at);
			else if (call->runs[on] != SEA_NONE)
				break;
		}
	}
	qsort(call->signs, call->n_signs, sizeof(*call->signs), by_what);
}

static void find_calls(struct side *s, const struct sea_image *im, uint32_t func)
{
	const struct sea_func *f = &im->funcs[func];

	*s = (struct side){ .im = im, .f = f };
	s->number = xreallocarray(NULL, f->n_insn, sizeof(uint32_t));
	s->from = xreallocarray(NULL, f->n_insn, sizeof(uint32_t));
	for (uint32_t i = 0; i < f->n_insn; i++) {
		s->number[i] = sea_is_call(&im->insns[f->insn + i]) ? s->n++ : SEA_NONE;
		s->from[i] = SEA_NONE;
	}
	s->v = xzalloc(s->n * sizeof(*s->v));
	for (int k = 0; k < 2; k++)
		s->lies[k] = xreallocarray(NULL, s->n, sizeof(uint32_t));
	for (uint32_t i = 0; i < f->n_insn; i++) {
		uint32_t to = jump_target(s, f->insn + i);

		if (s->number[i] != SEA_NONE)
			s->v[s->number[i]].insn = f->insn + i;
		if (to != SEA_NONE)
			s->from[to - f->insn] =
				s->from[to - f->insn] == SEA_NONE ? f->insn + i : SEVERAL;
	}
}

static unsigned likeness(const struct call *x, const struct call *y)
{
	uint32_t i = 0, k = 0, shared = 0;

	while (i < x->n_signs && k < y->n_signs) {
		const struct sign *a = &x->signs[i], *b = &y->signs[k];

		if (a->what == b->what)
			shared += a->weight < b->weight ? a->weight : b->weight;
		i += a->what <= b->what;
		k += b->what <= a->what;
	}
	return 1 + 198 * shared / (x->weight + y->weight);
}

static void compare(struct calls *c, const struct sea_aligned *al, uint32_t n_al)
{
	const struct side *o = &c->side[0], *n = &c->side[1];

	c->alike = xzalloc((size_t)o->n * n->n);
	for (uint32_t i = 0; i < o->n; i++)
		for (uint32_t k = 0; k < n->n; k++)
			if (o->v[i].callee == n->v[k].callee)
				c->alike[(size_t)i * n->n + k] = likeness(&o->v[i], &n->v[k]);
	for (uint32_t j = 0; j < n_al; j++) {
		uint32_t i = o->number[al[j].o - o->f->insn], k = n->number[al[j].n - n->f->insn];

		if (i != SEA_NONE && k != SEA_NONE && c->alike[(size_t)i * n->n + k])
			c->alike[(size_t)i * n->n + k] += FOR_ALIGNED;
	}
}

static void find_neighbours(struct side *s)
{
	uint32_t last[2] = { SEA_NONE, SEA_NONE };

	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t end = s->n - 1 - i;

		s->lies[0][i] = last[0];
		s->lies[1][end] = last[1];
		if (s->v[i].peer != SEA_NONE)
			last[0] = i;
		if (s->v[end].peer != SEA_NONE)
			last[1] = end;
	}
}

static unsigned points(const struct calls *c, uint32_t i, uint32_t k)
{
	const struct side *o = &c->side[0], *n = &c->side[1];
	unsigned sum = c->alike[(size_t)i * n->n + k];

	for (int d = 0; d < 2 && sum; d++) {
		uint32_t lo = o->lies[d][i], ln = n->lies[d][k];
		uint32_t ro = o->v[i].runs[d], rn = n->v[k].runs[d];

		if ((lo == SEA_NONE ? SEA_NONE : o->v[lo].peer) == ln)
			sum += FOR_BESIDE;
		if (ro != SEA_NONE && rn != SEA_NONE && o->v[ro].peer == rn)
			sum += FOR_RUN;
	}
	return sum;
}

struct best {
	uint32_t at, points, second;
};

static void offer(struct best *b, uint32_t at, unsigned points)
{
	if (points > b->points)
		*b = (struct best){ at, points, b->points };
	else if (points > b->second)
		b->second = points;
}

static bool stands_out(const struct best *b)
{
	return b->points >= ENOUGH && b->points >= b->second + AHEAD;
}

/* Pairs of which neither call has another that comes near; how many. */
static uint32_t pair_best(struct calls *c)
{
	struct side *o = &c->side[0], *n = &c->side[1];
	struct best *bo = xzalloc(o->n * sizeof(*bo)), *bn = xzalloc(n->n * sizeof(*bn));
	uint32_t made = 0;

	find_neighbours(o);
	find_neighbours(n);
	for (uint32_t i = 0; i < o->n; i++)
		for (uint32_t k = 0; k < n->n && o->v[i].peer == SEA_NONE; k++) {
			unsigned p = n->v[k].peer == SEA_NONE ? points(c, i, k) : 0;

			offer(&bo[i], k, p);
			offer(&bn[k], i, p);
		}
	for (uint32_t i = 0; i < o->n; i++) {
		uint32_t k = bo[i].at;

		if (!stands_out(&bo[i]) || bn[k].at != i || !stands_out(&bn[k]))
			continue;
		o->v[i].peer = k;
		n->v[k].peer = i;
		made++;
	}
	free(bo);
	free(bn);
	return made;
}

void sea_pair_calls(const struct sea_analysis *a, uint32_t fo, uint32_t fn,
	const struct sea_aligned *al, uint32_t n_al,
	void (*same)(void *ctx, uint32_t o, uint32_t n), void *ctx)
{
	struct calls c = { .a = a };
	struct side *o = &c.side[0], *n = &c.side[1];

	find_calls(o, a->im[0], fo);
	find_calls(n, a->im[1], fn);
	if (o->n && n->n && o->n <= MAX_CALLS && n->n <= MAX_CALLS) {
		for (int s = 0; s < 2; s++)
			for (uint32_t i = 0; i < c.side[s].n; i++)
				describe(&c, s, &c.side[s].v[i]);
		compare(&c, al, n_al);
		for (int round = 0; round < MAX_ROUNDS && !sea_budget_spent(a->budget); round++)
			if (!pair_best(&c))
				break;
		for (uint32_t i = 0; i < o->n; i++)
			if (o->v[i].peer != SEA_NONE)
				same(ctx, o->v[i].insn, n->v[o->v[i].peer].insn);
	}
	free(c.alike);
	for (int s = 0; s < 2; s++) {
		free(c.side[s].v);
		free(c.side[s].number);
		free(c.side[s].from);
		free(c.side[s].lies[0]);
		free(c.side[s].lies[1]);
	}
}
