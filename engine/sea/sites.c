/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Return addresses of matched functions: aligned as instructions where those are alike, then by
 * callee and order between the aligned ones. Whether a frame may stand there is another question:
 * a return address is safe if its function is identical, and may be rewritten only if the frames
 * are alike too.
 */
#include "sea/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define INDIRECT     5	  /* token of a call through a register or memory */
#define ENOUGH_ALIKE 60	  /* percent of the instructions that align */
#define MAX_STRANGE  2048 /* calls of one function that has little in common with its partner */

struct frames {
	struct sea_frame_row *rows;
	uint32_t n;
};

static void load_frames(const struct sea_image *im, uint32_t func, struct frames *ret)
{
	uint32_t fde = im->funcs[func].fde;

	*ret = (struct frames){ 0 };
	if (fde != SEA_NONE && sea_frame_rows(im, &im->fdes[fde], &ret->rows, &ret->n) < 0)
		*ret = (struct frames){ 0 };
}

static const struct sea_frame_row *row_at(const struct frames *f, uint64_t addr)
{
	uint32_t lo = 0, hi = f->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (f->rows[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? &f->rows[lo - 1] : NULL;
}

struct site_job {
	struct sea_analysis *a;
	uint32_t fo, fn;
	struct frames frames[2];
	uint32_t flags;
	bool may_rewrite;
	/* Calls between two aligned instructions. */
	const uint32_t *calls[2];
	struct turn *turns[2]; /* by instruction of the function; NULL where no order is asked */
};

/* Which of the calls to one callee in its function a call is, and how many there are. */
struct turn {
	uint32_t nth, count;
};

struct token {
	uint64_t token;
	uint32_t at;
};

static uint64_t return_address(const struct sea_image *im, uint32_t func, uint32_t insn)
{
	return im->funcs[func].addr + im->insns[insn].off + im->insns[insn].len;
}

static bool same_frame(const struct site_job *j, uint64_t o, uint64_t n)
{
	/* The row of the call itself, not of what follows: a call may be the last instruction. */
	const struct sea_frame_row *x = row_at(&j->frames[0], o - 1);
	const struct sea_frame_row *y = row_at(&j->frames[1], n - 1);

	return x && y && x->cfa_reg == y->cfa_reg && x->cfa_off == y->cfa_off &&
	       x->saved == y->saved;
}

/*
 * Calls that look alike may be aligned one by one too far, where what is between them changed.
 * If both versions make as many of them, the fourth of one is not the first of the other.
 */
static bool is_out_of_turn(const struct site_job *j, uint32_t io, uint32_t in)
{
	const struct turn *o, *n;

	if (!j->turns[0])
		return false;
	o = &j->turns[0][io - j->a->im[0]->funcs[j->fo].insn];
	n = &j->turns[1][in - j->a->im[1]->funcs[j->fn].insn];
	return o->count == n->count && o->nth != n->nth;
}

static void add_site(struct site_job *j, uint32_t io, uint32_t in)
{
	struct sea_analysis *a = j->a;
	struct sea_map_site s = {
		.old_ret = return_address(a->im[0], j->fo, io),
		.new_ret = return_address(a->im[1], j->fn, in),
		.old_func = j->fo,
		.new_func = j->fn,
		.flags = j->flags,
	};

	if (is_out_of_turn(j, io, in))
		return;
	if (j->may_rewrite && same_frame(j, s.old_ret, s.new_ret))
		s.flags |= SEA_S_FRAME;
	if (a->n_sites == a->room_sites) {
		a->room_sites = a->room_sites ? a->room_sites * 2 : 1024;
		a->sites = xreallocarray(a->sites, a->room_sites, sizeof(s));
	}
	a->sites[a->n_sites++] = s;
}

static bool is_call(const struct sea_insn *in)
{
	return in->kind == SEA_I_CALL || in->kind == SEA_I_CALL_INDIRECT;
}

static uint64_t callee_token(const struct sea_match *m, enum sea_side side, uint32_t insn)
{
	const struct sea_insn *in = &m->im[side]->insns[insn];
	uint64_t c = in->ref == SEA_NONE ? 0 : sea_canon(m, side, in->ref);

	if (c)
		return c;
	/* Unknown callees are like no other; calls through registers are alike. */
	return in->kind == SEA_I_CALL_INDIRECT ? INDIRECT : (uint64_t)insn << 1 << 31 << side;
}

static void same_callee(void *ctx, uint32_t i, uint32_t k)
{
	struct site_job *j = ctx;

	add_site(j, j->calls[0][i], j->calls[1][k]);
}

static uint32_t *calls_between(const struct sea_match *m, enum sea_side side, uint32_t from,
	uint32_t to, uint32_t *ret_n, uint64_t **ret_tokens)
{
	uint32_t *v = xreallocarray(NULL, to - from, sizeof(*v)), n = 0;
	uint64_t *t = xreallocarray(NULL, to - from, sizeof(*t));

	for (uint32_t i = from; i < to; i++)
		if (is_call(&m->im[side]->insns[i])) {
			t[n] = callee_token(m, side, i);
			v[n++] = i;
		}
	*ret_n = n;
	*ret_tokens = t;
	return v;
}

static int by_token(const void *x, const void *y)
{
	const struct token *a = x, *b = y;

	if (a->token != b->token)
		return a->token < b->token ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static struct turn *turns_of(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	const struct sea_func *f = &m->im[side]->funcs[func];
	struct turn *turns = xzalloc(f->n_insn * sizeof(*turns));
	struct token *v;
	uint64_t *t;
	uint32_t n, *calls = calls_between(m, side, f->insn, f->insn + f->n_insn, &n, &t);

	v = xreallocarray(NULL, n, sizeof(*v));
	for (uint32_t i = 0; i < n; i++)
		v[i] = (struct token){ t[i], calls[i] - f->insn };
	if (n)
		qsort(v, n, sizeof(*v), by_token);
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && v[end].token == v[i].token; end++)
			turns[v[end].at].nth = end - i;
		for (uint32_t k = i; k < end; k++)
			turns[v[k].at].count = end - i;
	}
	free(v);
	free(t);
	free(calls);
	return turns;
}

static void sites_between(struct site_job *j, uint32_t o0, uint32_t o1, uint32_t n0, uint32_t n1)
{
	uint32_t no, nn, *co, *cn;
	uint64_t *to, *tn;

	if (o0 == o1 || n0 == n1)
		return;
	co = calls_between(&j->a->m, SEA_OLD, o0, o1, &no, &to);
	cn = calls_between(&j->a->m, SEA_NEW, n0, n1, &nn, &tn);
	j->calls[0] = co;
	j->calls[1] = cn;
	sea_diff(to, no, tn, nn, same_callee, j);
	free(co);
	free(cn);
	free(to);
	free(tn);
}

static uint32_t occurrences(const uint64_t *v, uint32_t n, uint64_t token)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++)
		k += v[i] == token;
	return k;
}

/* In code that has little in common order says nothing: only a callee called once is a sign. */
static void map_strangers(struct site_job *j)
{
	const struct sea_match *m = &j->a->m;
	const struct sea_func *o = &m->im[0]->funcs[j->fo], *n = &m->im[1]->funcs[j->fn];
	uint64_t *to, *tn;
	uint32_t no, nn;
	uint32_t *co = calls_between(m, SEA_OLD, o->insn, o->insn + o->n_insn, &no, &to);
	uint32_t *cn = calls_between(m, SEA_NEW, n->insn, n->insn + n->n_insn, &nn, &tn);

	for (uint32_t i = 0; i < no && no <= MAX_STRANGE && nn <= MAX_STRANGE; i++)
		for (uint32_t k = 0; k < nn; k++)
			if (to[i] == tn[k] && to[i] != INDIRECT &&
				occurrences(to, no, to[i]) == 1 && occurrences(tn, nn, tn[k]) == 1)
				add_site(j, co[i], cn[k]);
	free(co);
	free(cn);
	free(to);
	free(tn);
}

/*
 * In changed code only aligned calls to the same callee are anchors: the instructions around
 * one are too alike everywhere to be trusted with a return address.
 */
static void map_pair(struct site_job *j)
{
	const struct sea_match *m = &j->a->m;
	const struct sea_func *o = &m->im[0]->funcs[j->fo], *n = &m->im[1]->funcs[j->fn];
	struct sea_aligned *al;
	uint32_t count, po = o->insn, pn = n->insn;
	bool lockstep;

	sea_align(m, j->fo, j->fn, &al, &count, &lockstep);
	if (!lockstep && 200ull * count < ENOUGH_ALIKE * ((uint64_t)o->n_insn + n->n_insn)) {
		free(al);
		map_strangers(j);
		return;
	}
	for (int s = 0; s < 2 && !lockstep; s++)
		j->turns[s] = turns_of(m, s, s ? j->fn : j->fo);
	for (uint32_t i = 0; i < count; i++) {
		const struct sea_insn *x = &m->im[0]->insns[al[i].o];
		const struct sea_insn *y = &m->im[1]->insns[al[i].n];

		if (!is_call(x) || !is_call(y) ||
			(!lockstep && callee_token(m, SEA_OLD, al[i].o) !=
					      callee_token(m, SEA_NEW, al[i].n)))
			continue;
		sites_between(j, po, al[i].o, pn, al[i].n);
		add_site(j, al[i].o, al[i].n);
		po = al[i].o + 1;
		pn = al[i].n + 1;
	}
	sites_between(j, po, o->insn + o->n_insn, pn, n->insn + n->n_insn);
	for (int s = 0; s < 2; s++)
		free(j->turns[s]);
	free(al);
}

static int by_old_ret(const void *x, const void *y)
{
	const struct sea_map_site *a = x, *b = y;

	return a->old_ret < b->old_ret ? -1 : a->old_ret > b->old_ret;
}

void sea_map_sites(struct sea_analysis *a)
{
	for (uint32_t i = 0; i < a->im[0]->n_funcs; i++) {
		struct site_job j = { .a = a, .fo = i, .fn = a->m.peer[0][i] };
		uint8_t verdict = a->func[0][i].verdict;

		if (j.fn == SEA_NONE || (i % 64 == 0 && sea_budget_spent(a->budget)))
			continue;
		if (verdict == SEA_V_IDENTICAL)
			j.flags = SEA_S_SAFE;
		j.may_rewrite = verdict != SEA_V_CHANGED;
		if (j.may_rewrite) {
			load_frames(a->im[0], j.fo, &j.frames[0]);
			load_frames(a->im[1], j.fn, &j.frames[1]);
		}
		map_pair(&j);
		free(j.frames[0].rows);
		free(j.frames[1].rows);
	}
	if (a->n_sites)
		qsort(a->sites, a->n_sites, sizeof(*a->sites), by_old_ret);
}
