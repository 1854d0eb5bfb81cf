/* SPDX-License-Identifier: Apache-2.0 */
/* What became of each function: identical, other constants, changed, or without a partner. */
#include "sea/analysis.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_TABLE   4096 /* entries of a jump table */
#define MAX_LITERAL 4096 /* bytes of read-only data that are compared */

void sea_refuse(struct sea_analysis *a, enum sea_side side, uint32_t func, char *why)
{
	struct sea_func_result *r = &a->func[side][func];

	if (r->refusal)
		free(why);
	else
		r->refusal = why;
}

static bool jumps_by_table(const struct sea_image *im, uint32_t func)
{
	const struct sea_func *f = &im->funcs[func];

	for (uint32_t i = 0; i < f->n_insn; i++)
		if (im->insns[f->insn + i].kind == SEA_I_JUMP_INDIRECT)
			return true;
	return false;
}

/* Whether @addr is code of @func or of its cold part or whole. */
static bool is_own_code(const struct sea_image *im, uint32_t func, uint64_t addr)
{
	uint32_t f = sea_func_of(im, addr);

	if (f == SEA_NONE)
		return false;
	return f == func || im->funcs[f].parent == func || im->funcs[func].parent == f;
}

uint32_t sea_jump_table(const struct sea_image *im, uint32_t func, uint64_t addr)
{
	uint64_t end = sea_next_target(im, addr);
	uint32_t n = 0;

	if (addr & 3 || sea_place_of(im, addr) != SEA_P_RODATA || !jumps_by_table(im, func))
		return 0;
	while (n < MAX_TABLE && addr + 4 * n + 4 <= end) {
		const uint8_t *p = sea_bytes(im, addr + 4 * n, 4);
		int32_t rel;

		if (!p)
			break;
		memcpy(&rel, p, 4);
		if (!is_own_code(im, func, addr + (int64_t)rel))
			break;
		n++;
	}
	return n;
}

/* Entries of two tables lead to instructions at the same index. */
static bool same_tables(const struct sea_analysis *a, uint32_t fo, uint64_t o, uint32_t no,
	uint32_t fn, uint64_t n, uint32_t nn)
{
	if (no != nn)
		return false;
	for (uint32_t i = 0; i < no; i++) {
		int32_t ro, rn;
		uint64_t to, tn;
		uint32_t go, gn, io, in;

		memcpy(&ro, sea_bytes(a->im[0], o + 4 * i, 4), 4);
		memcpy(&rn, sea_bytes(a->im[1], n + 4 * i, 4), 4);
		to = o + (int64_t)ro;
		tn = n + (int64_t)rn;
		go = sea_func_of(a->im[0], to);
		gn = sea_func_of(a->im[1], tn);
		if ((go == fo) != (gn == fn) || a->m.peer[0][go] != gn)
			return false;
		io = sea_insn_at(a->im[0], &a->im[0]->funcs[go], to - a->im[0]->funcs[go].addr);
		in = sea_insn_at(a->im[1], &a->im[1]->funcs[gn], tn - a->im[1]->funcs[gn].addr);
		if (io - a->im[0]->funcs[go].insn != in - a->im[1]->funcs[gn].insn)
			return false;
	}
	return true;
}

enum same { SAME, OTHER_LITERAL, OTHER };

static enum same same_code_target(const struct sea_analysis *a, uint64_t o, uint64_t n)
{
	uint32_t fo = sea_func_of(a->im[0], o), fn = sea_func_of(a->im[1], n);
	const char *xo, *xn;
	uint64_t ro, rn;

	if (fo != SEA_NONE && fn != SEA_NONE) {
		bool at_start = a->im[0]->funcs[fo].addr == o;

		if (a->m.peer[0][fo] != fn || at_start != (a->im[1]->funcs[fn].addr == n))
			return OTHER;
		return SAME; /* into the middle: only of a part of the same function */
	}
	if (sea_stub_resolver(a->im[0], o, &ro) && sea_stub_resolver(a->im[1], n, &rn)) {
		fo = sea_func_at(a->im[0], ro);
		fn = sea_func_at(a->im[1], rn);
		return fo != SEA_NONE && fn != SEA_NONE && a->m.peer[0][fo] == fn ? SAME : OTHER;
	}
	xo = sea_stub_import(a->im[0], o, NULL);
	xn = sea_stub_import(a->im[1], n, NULL);
	return xo && xn && strcmp(xo, xn) == 0 ? SAME : OTHER;
}

/* How far what is at @addr can reach. */
static uint64_t extent(const struct sea_image *im, uint64_t addr)
{
	const struct sea_section *s = sea_section_of(im, addr);
	uint64_t len = sea_next_target(im, addr) - addr;

	return s && len > s->addr + s->size - addr ? s->addr + s->size - addr : len;
}

/*
 * A text of a letter or two that may be numbers where it lies in one version, for the zeros behind
 * it, and cannot where it lies in the other.
 */
static bool same_short_text(
	const struct sea_analysis *a, const struct sea_ref *o, const struct sea_ref *n)
{
	const size_t lo = sea_string_at(a->im[0], o->target);
	const size_t ln = sea_string_at(a->im[1], n->target);
	const uint8_t *p = sea_bytes(a->im[0], o->target, lo + ln + 1);
	const uint8_t *q = sea_bytes(a->im[1], n->target, lo + ln + 1);

	return (o->kind == SEA_R_LEA || o->kind == SEA_R_ABS) && !lo != !ln && p && q &&
	       memcmp(p, q, lo + ln + 1) == 0;
}

static enum same same_read_only(const struct sea_analysis *a, const struct sea_ref *o,
	const struct sea_ref *n, bool canon_differs)
{
	uint64_t len = extent(a->im[0], o->target), len_n = extent(a->im[1], n->target);
	const uint8_t *p, *q;
	uint32_t to, tn;

	to = sea_jump_table(a->im[0], o->func, o->target);
	tn = sea_jump_table(a->im[1], n->func, n->target);
	if (to || tn)
		return same_tables(a, o->func, o->target, to, n->func, n->target, tn) ? SAME
										      : OTHER;
	if (canon_differs)
		return same_short_text(a, o, n) ? SAME : OTHER_LITERAL;
	if (o->access)
		len = len_n = o->access;
	if (len > len_n)
		len = len_n;
	if (len > MAX_LITERAL)
		len = MAX_LITERAL;
	p = sea_bytes(a->im[0], o->target, len);
	q = sea_bytes(a->im[1], n->target, len);
	return p && q && memcmp(p, q, len) == 0 ? SAME : OTHER_LITERAL;
}

/* One place in both, although what it belongs to may be laid out otherwise. */
static bool same_doubtful_place(const struct sea_analysis *a, uint64_t o, uint64_t n)
{
	const struct sea_conflict *c = sea_conflict_of(a, SEA_OLD, o);

	return c && c->doubt && o - c->lo[0] == n - c->lo[1];
}

/*
 * Where a section ends is told by its name alone: what follows may begin there or, for its
 * alignment, later. That is no place of a variable in one of them at least.
 */
static bool are_ends_of_one(const struct sea_analysis *a, uint64_t o, uint64_t n)
{
	if (sea_section_of(a->im[0], o) && sea_section_of(a->im[1], n))
		return false;
	for (uint32_t i = 0; i < a->im[0]->n_loaded; i++) {
		const struct sea_section *x = &a->im[0]->sects[a->im[0]->loaded[i]];

		if (x->addr + x->size != o)
			continue;
		for (uint32_t k = 0; k < a->im[1]->n_loaded; k++) {
			const struct sea_section *y = &a->im[1]->sects[a->im[1]->loaded[k]];

			if (y->addr + y->size == n && strcmp(x->name, y->name) == 0)
				return true;
		}
	}
	return false;
}

static enum same same_ref(const struct sea_analysis *a, uint32_t ro, uint32_t rn)
{
	const struct sea_ref *o = &a->im[0]->refs[ro], *n = &a->im[1]->refs[rn];
	uint64_t co = a->m.canon[0][ro], cn = a->m.canon[1][rn], peer;
	enum sea_place po, pn;

	if (o->kind != n->kind)
		return OTHER;
	if (o->kind == SEA_R_TLS)
		return o->target == n->target ? SAME : OTHER;
	po = sea_place_of(a->im[0], o->target);
	pn = sea_place_of(a->im[1], n->target);
	if (po == SEA_P_CODE && pn == SEA_P_CODE)
		return same_code_target(a, o->target, n->target);
	if (po == SEA_P_RODATA && pn == SEA_P_RODATA) {
		if (co && co == cn)
			return SAME;
		return same_read_only(a, o, n, co || cn);
	}
	if (!o->access && !n->access && are_ends_of_one(a, o->target, n->target))
		return SAME;
	if (co || cn)
		return co == cn ? SAME : OTHER;
	if (po != pn)
		return OTHER;
	if (po == SEA_P_GOT) {
		const struct sea_reloc *x = sea_reloc_at(a->im[0], o->target);
		const struct sea_reloc *y = sea_reloc_at(a->im[1], n->target);
		uint64_t tx, ty;

		if (x && y && sea_reloc_target(a->im[0], x, &tx) &&
			sea_reloc_target(a->im[1], y, &ty)) {
			if (sea_place_of(a->im[0], tx) == SEA_P_CODE)
				return same_code_target(a, tx, ty);
			return sea_data_peer(a, SEA_OLD, tx, &peer) && peer == ty ? SAME : OTHER;
		}
		return OTHER;
	}
	if (sea_data_peer(a, SEA_OLD, o->target, &peer))
		return peer == n->target ? SAME : OTHER;
	/* The end of the same section. */
	if (a->im[0]->n_sects && a->im[1]->n_sects && !sea_section_of(a->im[0], o->target) &&
		!sea_section_of(a->im[1], n->target))
		return SAME;
	return same_doubtful_place(a, o->target, n->target) ? SAME : OTHER;
}

/* Where a jump inside its function goes, counted from the function's first instruction. */
static uint32_t inner_target(const struct sea_image *im, const struct sea_func *f, uint32_t insn)
{
	uint32_t to = sea_jump_inside(im, f, insn);

	to = to == SEA_NONE ? to : sea_insn_at(im, f, to);
	return to == SEA_NONE ? to : to - f->insn;
}

static uint8_t judge_pair(const struct sea_analysis *a, uint32_t fo, uint32_t fn)
{
	const struct sea_func *o = &a->im[0]->funcs[fo], *n = &a->im[1]->funcs[fn];
	uint8_t verdict = o->exact == n->exact ? SEA_V_IDENTICAL : SEA_V_CONSTANTS;

	if (o->n_insn != n->n_insn)
		return SEA_V_CHANGED;
	for (uint32_t i = 0; i < o->n_insn; i++) {
		const struct sea_insn *x = &a->im[0]->insns[o->insn + i];
		const struct sea_insn *y = &a->im[1]->insns[n->insn + i];
		enum same same;

		if (x->shape != y->shape || x->kind != y->kind || x->disp != y->disp ||
			(x->ref == SEA_NONE) != (y->ref == SEA_NONE))
			return SEA_V_CHANGED;
		if (x->exact != y->exact && inner_target(a->im[0], o, o->insn + i) !=
						    inner_target(a->im[1], n, n->insn + i))
			return SEA_V_CHANGED;
		/* A frame of another size is another frame. */
		if (x->imm != y->imm && x->reg == X86_REG_RSP)
			return SEA_V_CHANGED;
		if (x->ref == SEA_NONE)
			continue;
		same = same_ref(a, x->ref, y->ref);
		if (same == OTHER)
			return SEA_V_CHANGED;
		if (same == OTHER_LITERAL)
			verdict = SEA_V_CONSTANTS;
	}
	return verdict;
}

/* A function and its cold part run on one frame: they change together. */
static void tie_fragments(struct sea_analysis *a, enum sea_side side)
{
	const struct sea_image *im = a->im[side];

	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < im->n_funcs; i++) {
			uint32_t p = im->funcs[i].parent;
			uint8_t *x = &a->func[side][i].verdict, *y, both;

			if (p == SEA_NONE)
				continue;
			y = &a->func[side][p].verdict;
			both = *x > *y ? *x : *y;
			/* Without a partner the one stays so; for the other that is a change. */
			if (both == SEA_V_ALONE)
				both = SEA_V_CHANGED;
			if (*x != SEA_V_ALONE)
				*x = both;
			if (*y != SEA_V_ALONE)
				*y = both;
		}
}

/* The two sides of a pair say the same. */
static void level(struct sea_analysis *a)
{
	for (uint32_t i = 0; i < a->im[0]->n_funcs; i++) {
		uint32_t n = a->m.peer[0][i];
		uint8_t *x = &a->func[0][i].verdict, *y;

		if (n == SEA_NONE)
			continue;
		y = &a->func[1][n].verdict;
		*x = *y = *x > *y ? *x : *y;
	}
}

static void mark_ambiguous(struct sea_analysis *a)
{
	for (uint32_t i = 0; i < a->m.code.n; i++) {
		const struct sea_vote *v = &a->m.code.v[i];
		uint32_t fo = sea_func_at(a->im[0], v->old_addr);
		uint32_t fn = sea_func_at(a->im[1], v->new_addr);

		if (a->m.peer[0][fo] == SEA_NONE && a->m.peer[1][fn] == SEA_NONE)
			a->func[0][fo].ambiguous = a->func[1][fn].ambiguous = true;
	}
}

void sea_judge(struct sea_analysis *a)
{
	for (int s = 0; s < 2; s++)
		for (uint32_t i = 0; i < a->im[s]->n_funcs; i++)
			a->func[s][i].verdict = SEA_V_ALONE;
	for (uint32_t i = 0; i < a->im[0]->n_funcs; i++) {
		uint32_t n = a->m.peer[0][i];

		if (i % 64 == 0 && sea_budget_spent(a->budget))
			return; /* and the result is dropped */
		if (n != SEA_NONE)
			a->func[0][i].verdict = a->func[1][n].verdict = judge_pair(a, i, n);
	}
	tie_fragments(a, SEA_OLD);
	tie_fragments(a, SEA_NEW);
	level(a);
	tie_fragments(a, SEA_OLD);
	tie_fragments(a, SEA_NEW);
	level(a);
	mark_ambiguous(a);
}
