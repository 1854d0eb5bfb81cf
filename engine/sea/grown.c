/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Once a structure is known to be laid out otherwise, code is trusted only where the other version
 * has the same: an instruction that both functions have, with the same offset and constant, finds
 * the same field. What one has alone may use any field, of any structure, at its own version's
 * place, whether through a pointer or in a frame of its own (a local structure, or one that is
 * passed by value). So functions that add or drop such code are refused, but for what lies before
 * the first field that moved.
 */
#include "sea/layout.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/fields.h"

#define MAX_ALONE 512  /* instructions of a function that are held against the other's */
#define MAX_REFS  4096 /* of a function that one is held against */
#define MAX_ALIGN 16   /* of what structures hold */
#define MARGIN	  64   /* bytes in which fields may have moved before the first that was seen to */

/* A function, and what of it the other version has. */
struct own {
	const struct sea_image *im;
	const struct sea_func *f;
	uint8_t *shared; /* by instruction, from the function's first */
	bool frame_pointer;
	bool escapes; /* what lies on its stack may be a structure */
	int64_t safe; /* what is nearer to a structure's start than this is where it was */
	struct sea_frame_row *rows;
	uint32_t n_rows;
};

static bool is_frame(const struct own *own, uint16_t reg)
{
	return reg == X86_REG_RSP || (own->frame_pointer && reg == X86_REG_RBP);
}

static bool uses_memory(const struct sea_insn *in)
{
	return (in->mem_size || in->id == X86_INS_LEA) && in->base && in->ref == SEA_NONE;
}

static bool takes_stack(const struct sea_insn *in)
{
	return in->id == X86_INS_MOV && in->from == X86_REG_RSP && in->reg != X86_REG_RBP;
}

/* An address of its stack is taken, or more is put there than a register holds. */
static bool may_hold_structures(const struct own *own)
{
	for (uint32_t i = 0; i < own->f->n_insn; i++) {
		const struct sea_insn *in = &own->im->insns[own->f->insn + i];
		bool on_stack = uses_memory(in) && is_frame(own, in->base);

		if (on_stack && (in->id == X86_INS_LEA || in->mem_size > 8))
			return true;
		if (in->id == X86_INS_PUSH && in->mem_size)
			return true;
		if (takes_stack(in))
			return true;
	}
	return false;
}

/* Where on the stack @in's operand lies, from where the caller's arguments begin; false: unknown.
 */
static bool frame_place(const struct own *own, const struct sea_insn *in, int64_t *ret)
{
	uint64_t addr = own->f->addr + in->off;
	uint32_t i = 0;

	if (in->base != X86_REG_RSP) {
		*ret = (int64_t)in->disp - 16; /* below the saved rbp and the return address */
		return true;
	}
	while (i < own->n_rows && own->rows[i].addr <= addr)
		i++;
	if (!i || own->rows[i - 1].cfa_reg != 7)
		return false;
	*ret = in->disp - own->rows[i - 1].cfa_off;
	return true;
}

static bool is_argument(const struct own *own, const struct sea_insn *in)
{
	int64_t place;

	return frame_place(own, in, &place) && place >= 0;
}

/* Makes room on the stack. */
static bool is_frame_size(const struct sea_insn *in)
{
	return (in->id == X86_INS_SUB || in->id == X86_INS_ADD) && in->reg == X86_REG_RSP;
}

/*
 * Writes a variable of this version's right behind, or before, what it also writes in the other
 * version: the same object, of which there may be more.
 */
static bool extends_variable(const struct own *own, uint32_t insn)
{
	const struct sea_image *im = own->im;
	uint32_t ref = im->insns[insn].ref;
	const struct sea_ref *r = ref == SEA_NONE ? NULL : &im->refs[ref];

	if (!r || r->kind != SEA_R_WRITE)
		return false;
	for (uint32_t i = 0; i < own->f->n_ref && i < MAX_REFS; i++) {
		const struct sea_ref *other = &im->refs[own->f->ref + i];

		if (other->kind == SEA_R_WRITE && own->shared[other->insn - own->f->insn] &&
			(other->target + other->access == r->target ||
				r->target + r->access == other->target))
			return true;
	}
	return false;
}

/* Whether what it does depends on how some structure is laid out, as far as can be told. */
static bool depends_on_layout(const struct own *own, uint32_t insn)
{
	const struct sea_insn *in = &own->im->insns[insn];

	if (in->kind != SEA_I_PLAIN && in->kind != SEA_I_CALL_INDIRECT &&
		in->kind != SEA_I_JUMP_INDIRECT)
		return false;
	if (is_frame_size(in) || takes_stack(in))
		return own->escapes;
	if (extends_variable(own, insn))
		return true;
	if (uses_memory(in)) {
		if (is_frame(own, in->base))
			return own->escapes || is_argument(own, in);
		/* Arithmetic of numbers, or the address of an element. */
		if (in->id == X86_INS_LEA && !in->disp)
			return false;
		return in->disp < 0 ? in->disp <= -own->safe
				    : in->disp + (int64_t)in->mem_size > own->safe;
	}
	if (sea_is_scale(in))
		return (int64_t)1 << in->imm >= own->safe;
	if (sea_is_stride(in))
		return llabs(in->imm) > 3 && llabs(in->imm) >= own->safe;
	return sea_is_fill(own->im, own->f, insn) && llabs(in->imm) >= own->safe;
}

/* Writes memory that is not its own, or compares some: as code does that is to reach every field.
 */
static bool covers(const struct own *own, const struct sea_insn *in)
{
	if (!uses_memory(in) || in->id == X86_INS_LEA)
		return false;
	return !in->writes || in->id == X86_INS_XOR || in->id == X86_INS_SUB ||
	       in->id == X86_INS_PXOR || in->id == X86_INS_PCMPEQB || is_frame(own, in->base);
}

static void get_own(const struct sea_layout *l, enum sea_side side, uint32_t func, struct own *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->im = l->a->im[side];
	ret->f = &ret->im->funcs[func];
	ret->shared = xzalloc(ret->f->n_insn);
	ret->frame_pointer = sea_uses_frame_pointer(ret->im, ret->f);
	ret->escapes = may_hold_structures(ret);
	if (l->first_moved != UINT32_MAX && l->first_moved > MARGIN)
		ret->safe = l->first_moved - MARGIN;
	if (ret->f->fde != SEA_NONE &&
		sea_frame_rows(ret->im, &ret->im->fdes[ret->f->fde], &ret->rows, &ret->n_rows) < 0)
		ret->n_rows = 0;
}

/* What @in does, with its constants, in whatever registers. */
static uint64_t token_of(const struct own *own, uint32_t i)
{
	const struct sea_insn *in = &own->im->insns[own->f->insn + i];
	int64_t place = in->disp;
	uint64_t kind[5] = { in->id, in->mem_size, (uint64_t)in->scale << 8 | in->writes, 0, 0 };

	if (in->kind != SEA_I_BRANCH && in->kind != SEA_I_JUMP && in->ref == SEA_NONE) {
		if (uses_memory(in) && is_frame(own, in->base)) {
			kind[2] |= 1 << 16;
			if (!frame_place(own, in, &place) || place < 0)
				place = in->disp;
		}
		kind[3] = (uint64_t)place;
		kind[4] = (uint32_t)in->imm;
	}
	return sea_hash(0, kind, sizeof(kind));
}

static uint64_t *tokens(const struct own *own)
{
	uint64_t *t = xreallocarray(NULL, own->f->n_insn, sizeof(*t));

	for (uint32_t i = 0; i < own->f->n_insn; i++)
		t[i] = token_of(own, i);
	return t;
}

static void mark(void *ctx, uint32_t i, uint32_t k)
{
	struct own *own = ctx;

	own[0].shared[i] = own[1].shared[k] = 1;
}

static void mark_shared(struct own own[2])
{
	uint64_t *t[2] = { tokens(&own[0]), tokens(&own[1]) };

	sea_diff(t[0], own[0].f->n_insn, t[1], own[1].f->n_insn, mark, own);
	free(t[0]);
	free(t[1]);
}

/* The first instruction of @own that only this version has, and that needs a layout; or NULL. */
static const struct sea_insn *first_alone(const struct own *own, bool *ret_covers)
{
	const struct sea_insn *first = NULL;

	*ret_covers = false;
	for (uint32_t i = 0; i < own->f->n_insn; i++) {
		const struct sea_insn *in = &own->im->insns[own->f->insn + i];

		if (own->shared[i] || !depends_on_layout(own, own->f->insn + i))
			continue;
		*ret_covers |= covers(own, in) || !uses_memory(in);
		if (!first)
			first = in;
	}
	return first;
}

/*
 * A field with alignment @align that lies at @a in one version and at @b in the other moved as far
 * as something grew, or less by what its alignment is smaller than the structure's.
 */
static bool is_growth(const struct sea_layout *l, int64_t a, int64_t b, unsigned align)
{
	int64_t by = llabs(b - a);

	for (uint32_t i = 0; i < l->n_growths; i++)
		if (by == l->growths[i] || (by && by < l->growths[i] && by % align == 0 &&
						   l->growths[i] - by < MAX_ALIGN))
			return true;
	return false;
}

/* A size, a product or a place: how much it changed is a multiple of how much something grew. */
static bool is_other_size(
	const struct sea_layout *l, const struct sea_insn *x, const struct sea_insn *y)
{
	int64_t by = (y->id == X86_INS_SUB ? -(int64_t)y->imm : y->imm) -
		     (x->id == X86_INS_SUB ? -(int64_t)x->imm : x->imm);

	if (x->id == X86_INS_MOVABS) /* what is divided by a size */
		return x->imm != y->imm;
	for (uint32_t i = 0; i < l->n_growths; i++)
		if (by && by % l->growths[i] == 0)
			return true;
	return false;
}

static bool is_constant(const struct own *own, uint32_t i)
{
	const struct sea_insn *in = &own->im->insns[own->f->insn + i];

	return in->imm_off && in->ref == SEA_NONE && in->kind == SEA_I_PLAIN &&
	       !is_frame_size(in) && !sea_is_line_number(own->im, own->f, own->f->insn + i);
}

/* Adding and subtracting a constant are one. */
static unsigned operation(const struct sea_insn *in)
{
	return in->id == X86_INS_SUB && in->imm_off ? X86_INS_ADD : in->id;
}

/* Makes the address of a field, in one of two ways; its offset to @ret. */
static bool makes_address(const struct own *own, const struct sea_insn *in, int64_t *ret)
{
	bool is_lea = in->id == X86_INS_LEA && in->base && !in->index;

	*ret = is_lea ? in->disp : in->imm;
	if (is_lea)
		return !is_frame(own, in->base) && in->ref == SEA_NONE;
	return in->id == X86_INS_ADD && !in->mem_size && sea_is_stride(in) && in->imm_off &&
	       !is_frame(own, in->reg);
}

/* Whether instructions that only one has may be the other's, with another place or size. */
static bool may_be_one(const struct sea_layout *l, const struct own own[2], uint32_t i, uint32_t k)
{
	const struct sea_insn *x = &own[0].im->insns[own[0].f->insn + i];
	const struct sea_insn *y = &own[1].im->insns[own[1].f->insn + k];
	/* Small structures are loaded as one number. */
	unsigned align = x->mem_size && x->mem_size < 4 ? x->mem_size : 4;
	int64_t at[2];

	if (makes_address(&own[0], x, &at[0]) && makes_address(&own[1], y, &at[1]) &&
		is_growth(l, at[0], at[1], align))
		return true;
	if (operation(x) != operation(y) || x->mem_size != y->mem_size || x->writes != y->writes)
		return false;
	if (uses_memory(x) && uses_memory(y) && !is_frame(&own[0], x->base) &&
		!is_frame(&own[1], y->base) && is_growth(l, x->disp, y->disp, align))
		return true;
	return is_constant(&own[0], i) && is_constant(&own[1], k) && is_other_size(l, x, y);
}

/* The first two that may be one. */
static bool find_moved(const struct sea_layout *l, const struct own own[2], uint32_t ret[2])
{
	for (uint32_t i = 0, tried = 0; i < own[0].f->n_insn; i++) {
		if (own[0].shared[i] || tried++ == MAX_ALONE)
			continue;
		for (uint32_t k = 0; k < own[1].f->n_insn; k++)
			if (!own[1].shared[k] && may_be_one(l, own, i, k)) {
				ret[0] = i;
				ret[1] = k;
				return true;
			}
	}
	return false;
}

static char *why_moved(const struct own own[2], const uint32_t at[2])
{
	const struct sea_insn *x = &own[0].im->insns[own[0].f->insn + at[0]];
	const struct sea_insn *y = &own[1].im->insns[own[1].f->insn + at[1]];

	int64_t place[2] = { x->disp, y->disp };

	if (!makes_address(&own[0], x, &place[0]) || !makes_address(&own[1], y, &place[1])) {
		place[0] = x->disp;
		place[1] = y->disp;
	}
	if (place[0] != place[1])
		return xasprintf("uses offset %#x in the old version and %#x in the new (at +%#x), "
				 "as far apart as structures grew",
			(unsigned)place[0], (unsigned)place[1], y->off);
	return xasprintf("uses another constant (at +%#x in the new version), which may be a size "
			 "or a place in structures that grew",
		y->off);
}

static bool is_past_end(
	const struct sea_layout *l, const struct sea_insn *in, struct sea_sizes *ret)
{
	if (sea_is_frame_reg(in->base) || in->disp <= 0)
		return false;
	for (uint32_t k = 0; k < l->n_sizes; k++)
		if ((uint32_t)in->disp < l->sizes[k].big &&
			in->disp + (uint32_t)in->mem_size > l->sizes[k].small) {
			*ret = l->sizes[k];
			return true;
		}
	return false;
}

static char *why_alone(const struct sea_layout *l, const struct own *own, const struct sea_insn *in)
{
	struct sea_sizes sizes;

	if (is_past_end(l, in, &sizes))
		return xasprintf("may use offset %#x of objects that have %u bytes in one version "
				 "and %u in the other (at +%#x)",
			in->disp, sizes.small, sizes.big, in->off);
	if (in->base && is_frame(own, in->base))
		return xasprintf("keeps other things on its stack, where structures are laid out "
				 "otherwise (at +%#x)",
			in->off);
	return xasprintf("uses memory in code of its own, where structures are laid out otherwise "
			 "(at +%#x)",
		in->off);
}

static void get_both(const struct sea_layout *l, const uint32_t func[2], struct own own[2])
{
	for (int s = 0; s < 2; s++)
		get_own(l, s, func[s], &own[s]);
	mark_shared(own);
}

static void free_both(struct own own[2])
{
	for (int s = 0; s < 2; s++) {
		free(own[s].shared);
		free(own[s].rows);
	}
}

/*
 * Functions that changed too much to be aligned show by what each has alone what moved.
 * What only reads more makes the other version's function no worse; one that writes, copies or
 * compares more may be the part that knows of a new field, and then the other one does not.
 */
static void judge_pair(const struct sea_layout *l, uint32_t fo, uint32_t fn)
{
	const uint32_t func[2] = { fo, fn };
	struct own own[2];
	uint32_t at[2];

	get_both(l, func, own);
	if (find_moved(l, own, at)) {
		char *why = why_moved(own, at);

		sea_refuse(l->a, SEA_OLD, fo, xstrdup(why));
		sea_refuse(l->a, SEA_NEW, fn, why);
	}
	for (int s = 0; s < 2; s++) {
		bool both;
		const struct sea_insn *in = first_alone(&own[s], &both);

		if (in)
			sea_refuse(l->a, s, func[s], why_alone(l, &own[s], in));
		if (both)
			sea_refuse(l->a, !s, func[!s],
				xstrdup("leaves out what the other version does to memory, where "
					"structures are laid out otherwise"));
	}
	free_both(own);
}

/* A function that has no partner, or none that stands out, may use any structure. */
static void judge_unpaired(const struct sea_layout *l, enum sea_side side, uint32_t func)
{
	const char *why =
		"structures are laid out otherwise, and the other version has no function "
		"that corresponds";

	if (l->a->func[side][func].ambiguous)
		why = "structures are laid out otherwise, and which function of the other version "
		      "it corresponds to is not known";
	else if (l->a->m.peer[side][func] != SEA_NONE)
		return;
	sea_refuse(l->a, side, func, xstrdup(why));
}

void sea_judge_grown(const struct sea_layout *l)
{
	const struct sea_analysis *a = l->a;

	for (int s = 0; s < 2; s++)
		for (uint32_t i = 0; i < a->im[s]->n_funcs && !sea_budget_spent(a->budget); i++)
			if (a->func[s][i].verdict != SEA_V_IDENTICAL)
				judge_unpaired(l, s, i);
	for (uint32_t i = 0; i < a->im[0]->n_funcs && !sea_budget_spent(a->budget); i++)
		if (a->m.peer[0][i] != SEA_NONE && a->func[0][i].verdict != SEA_V_IDENTICAL)
			judge_pair(l, i, a->m.peer[0][i]);
}
