/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Return addresses of matched functions: aligned as instructions where those are alike, then by
 * callee and order between the aligned ones. Whether a frame may stand there is another question:
 * a return address is safe if its function is identical, and may be rewritten only if the frames
 * are alike too.
 */
#include "sea/calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

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

static void add_site(void *ctx, uint32_t io, uint32_t in)
{
	struct site_job *j = ctx;
	struct sea_analysis *a = j->a;
	struct sea_map_site s = {
		.old_ret = return_address(a->im[0], j->fo, io),
		.new_ret = return_address(a->im[1], j->fn, in),
		.old_func = j->fo,
		.new_func = j->fn,
		.flags = j->flags,
	};

	if (j->may_rewrite && same_frame(j, s.old_ret, s.new_ret))
		s.flags |= SEA_S_FRAME;
	if (a->n_sites == a->room_sites) {
		a->room_sites = a->room_sites ? a->room_sites * 2 : 1024;
		a->sites = xreallocarray(a->sites, a->room_sites, sizeof(s));
	}
	a->sites[a->n_sites++] = s;
}

static void map_pair(struct site_job *j)
{
	const struct sea_match *m = &j->a->m;
	struct sea_aligned *al;
	uint32_t count;
	bool lockstep;

	sea_align(m, j->fo, j->fn, &al, &count, &lockstep);
	for (uint32_t i = 0; i < count && lockstep; i++)
		if (sea_is_call(&m->im[0]->insns[al[i].o]) &&
			sea_is_call(&m->im[1]->insns[al[i].n]))
			add_site(j, al[i].o, al[i].n);
	if (!lockstep)
		sea_pair_calls(j->a, j->fo, j->fn, al, count, add_site, j);
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
