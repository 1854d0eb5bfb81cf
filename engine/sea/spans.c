/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far objects reach, where no symbol says so: code that takes the address X of some writable
 * data and then reads X + 40 through the register shows that X .. X + 40 is one object. So does a
 * call that clears or copies a constant number of bytes at X.
 */
#include "sea/analysis.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_REACH (1 << 20)
#define N_SLOTS	  16

/* The sixteen general registers, whatever part of one an instruction names; -1: another. */
static int slot_of(unsigned reg)
{
	static const uint16_t parts[N_SLOTS][4] = {
		{ X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL },
		{ X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL },
		{ X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL },
		{ X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL },
		{ X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL },
		{ X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL },
		{ X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL },
		{ X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL },
		{ X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B },
		{ X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B },
		{ X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B },
		{ X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B },
		{ X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B },
		{ X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B },
		{ X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B },
		{ X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B },
	};

	for (int i = 0; i < N_SLOTS; i++)
		for (int k = 0; k < 4; k++)
			if (parts[i][k] == reg)
				return i;
	return -1;
}

enum { RAX, RBX, RCX, RDX, RSI, RDI };

struct known {
	uint64_t base[N_SLOTS];	    /* address that the register holds, 0 for none */
	uint32_t constant[N_SLOTS]; /* small constant that it holds, 0 for none */
};

static void add_span(struct sea_spans *s, uint64_t lo, uint64_t hi)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 256;
		s->v = xreallocarray(s->v, s->room, sizeof(*s->v));
	}
	s->v[s->n++] = (struct sea_span){ lo, hi };
}

static bool is_writable(const struct sea_image *im, uint64_t addr)
{
	enum sea_place p = sea_place_of(im, addr);

	return p == SEA_P_DATA || p == SEA_P_BSS;
}

static void filled_by_call(const struct sea_image *im, const struct sea_ref *r,
	const struct known *k, struct sea_spans *out)
{
	static const char *const fillers[] = { "memset", "memcpy", "memmove", "__memset_chk",
		"__memcpy_chk", "__memmove_chk" };
	const char *name = sea_stub_import(im, r->target, NULL);

	if (!name || !k->constant[RDX])
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
		if (strcmp(name, fillers[i]) == 0) {
			if (k->base[RDI])
				add_span(out, k->base[RDI], k->base[RDI] + k->constant[RDX]);
			if (k->base[RSI])
				add_span(out, k->base[RSI], k->base[RSI] + k->constant[RDX]);
		}
}

static void scan_insn(const struct sea_image *im, const struct sea_insn *in, struct known *k,
	struct sea_spans *out)
{
	const struct sea_ref *r = in->ref == SEA_NONE ? NULL : &im->refs[in->ref];
	int reg = slot_of(in->reg), base = in->base ? slot_of(in->base) : -1, from;

	if (base >= 0 && k->base[base] && in->disp >= 0 && in->disp < MAX_REACH &&
		in->id != X86_INS_LEA && in->mem_size && in->mem_size <= 64)
		add_span(out, k->base[base], k->base[base] + in->disp + in->mem_size);
	if (in->kind == SEA_I_CALL || in->kind == SEA_I_CALL_INDIRECT) {
		if (r)
			filled_by_call(im, r, k, out);
		memset(k, 0, sizeof(*k)); /* callee-saved ones too: a branch may come between */
		return;
	}
	if (in->kind != SEA_I_PLAIN && in->kind != SEA_I_PADDING) {
		memset(k, 0, sizeof(*k));
		return;
	}
	if (in->id == X86_INS_STOSQ && k->base[RDI] && k->constant[RCX])
		add_span(out, k->base[RDI], k->base[RDI] + 8ull * k->constant[RCX]);
	if (in->id == X86_INS_STOSQ || in->id == X86_INS_MOVSQ || in->id == X86_INS_STOSB ||
		in->id == X86_INS_MOVSB)
		k->base[RDI] = k->base[RSI] = k->constant[RCX] = 0;
	if (reg < 0 || !in->writes)
		return;
	from = in->id == X86_INS_MOV && !in->base && in->from ? slot_of(in->from) : -1;
	k->constant[reg] = from >= 0 ? k->constant[from] : 0;
	k->base[reg] = from >= 0 ? k->base[from] : 0;
	if (in->id == X86_INS_LEA && r && r->kind == SEA_R_LEA && is_writable(im, r->target))
		k->base[reg] = r->target;
	if (in->id == X86_INS_MOV && r && r->kind == SEA_R_ABS && in->imm_off &&
		is_writable(im, r->target))
		k->base[reg] = r->target;
	if (in->id == X86_INS_MOV && !r && in->imm_off && in->imm > 0 && in->imm < MAX_REACH)
		k->constant[reg] = in->imm;
}

static int by_start(const void *a, const void *b)
{
	const struct sea_span *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

void sea_find_spans(struct sea_analysis *a, enum sea_side side)
{
	const struct sea_image *im = a->im[side];
	struct sea_spans *s = &a->spans[side];
	uint32_t n = 0;

	for (uint32_t f = 0; f < im->n_funcs; f++) {
		struct known k = { 0 };

		for (uint32_t i = 0; i < im->funcs[f].n_insn; i++)
			scan_insn(im, &im->insns[im->funcs[f].insn + i], &k, s);
	}
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_start);
	/* Spans of one base are one; spans of two bases stay two: arrays lie inside structures. */
	for (uint32_t i = 0; i < s->n; i++) {
		if (n && s->v[n - 1].lo == s->v[i].lo) {
			if (s->v[n - 1].hi < s->v[i].hi)
				s->v[n - 1].hi = s->v[i].hi;
		} else {
			s->v[n++] = s->v[i];
		}
	}
	s->n = n;
}
