/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/fields.h"

#include <capstone/capstone.h>

#include "sea/stride.h"

#define MAX_OFFSETS 256
#define MAX_USES    32

bool sea_is_frame_reg(uint16_t reg)
{
	return reg == X86_REG_RSP || reg == X86_REG_ESP || reg == X86_REG_RIP || reg == 0;
}

/* The same operation on memory, with whatever registers. */
static bool is_like(const struct sea_insn *a, const struct sea_insn *b)
{
	return a->id == b->id && a->mem_size == b->mem_size && a->writes == b->writes &&
	       !a->imm_off == !b->imm_off && !sea_is_frame_reg(a->base);
}

/* The offsets that instructions like @in use in a function: @regs, with the same registers. */
static uint32_t gather_offsets(const struct sea_image *im, const struct sea_func *f,
	const struct sea_insn *in, bool regs, int32_t ret[MAX_OFFSETS])
{
	uint32_t n = 0;

	for (uint32_t i = f->insn; i < f->insn + f->n_insn && n < MAX_OFFSETS; i++) {
		const struct sea_insn *other = &im->insns[i];

		if (regs ? other->shape == in->shape : is_like(other, in))
			ret[n++] = other->disp;
	}
	return n;
}

static bool has_surplus(const int32_t *a, uint32_t na, const int32_t *b, uint32_t nb)
{
	for (uint32_t i = 0; i < na; i++) {
		int32_t more = 0;

		for (uint32_t k = 0; k < na; k++)
			more += a[k] == a[i];
		for (uint32_t k = 0; k < nb; k++)
			more -= b[k] == a[i];
		if (more > 0)
			return true;
	}
	return false;
}

static bool differ(const struct sea_image *o, const struct sea_func *fo, const struct sea_image *n,
	const struct sea_func *fn, const struct sea_insn *in, bool regs)
{
	int32_t theirs[MAX_OFFSETS], ours[MAX_OFFSETS];
	uint32_t nt = gather_offsets(o, fo, in, regs, theirs);
	uint32_t no = gather_offsets(n, fn, in, regs, ours);

	/* Too many to tell. */
	if (nt == MAX_OFFSETS || no == MAX_OFFSETS)
		return true;
	return has_surplus(theirs, nt, ours, no) && has_surplus(ours, no, theirs, nt);
}

bool sea_offsets_moved(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, const struct sea_insn *in)
{
	return differ(o, fo, n, fn, in, true) && differ(o, fo, n, fn, in, false);
}

static uint32_t gather_constants(const struct sea_image *im, const struct sea_func *f,
	const struct sea_insn *in, int32_t ret[MAX_OFFSETS])
{
	uint32_t n = 0;

	for (uint32_t i = f->insn; i < f->insn + f->n_insn && n < MAX_OFFSETS; i++)
		if (im->insns[i].id == in->id && im->insns[i].imm_off)
			ret[n++] = im->insns[i].imm;
	return n;
}

bool sea_constants_moved(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, const struct sea_insn *in)
{
	int32_t theirs[MAX_OFFSETS], ours[MAX_OFFSETS];
	uint32_t nt = gather_constants(o, fo, in, theirs);
	uint32_t no = gather_constants(n, fn, in, ours);

	if (nt == MAX_OFFSETS || no == MAX_OFFSETS)
		return true;
	return has_surplus(theirs, nt, ours, no) && has_surplus(ours, no, theirs, nt);
}

/* How much of what each argument points to is used at each offset, before anything is called. */
struct uses {
	struct sea_use v[MAX_USES];
	uint32_t n;
};

static void find_uses(const struct sea_image *im, const struct sea_func *f, struct uses *ret)
{
	bool own[3] = { true, true, true };
	static const uint16_t regs[] = { X86_REG_RDI, X86_REG_RSI, X86_REG_RDX };

	ret->n = 0;
	for (uint32_t i = f->insn; i < f->insn + f->n_insn && ret->n < MAX_USES; i++) {
		const struct sea_insn *in = &im->insns[i];

		if (in->kind != SEA_I_PLAIN && in->kind != SEA_I_PADDING)
			return;
		for (size_t k = 0; k < ARRAY_SIZE(regs); k++) {
			if (own[k] && in->base == regs[k] && in->mem_size && in->id != X86_INS_LEA)
				ret->v[ret->n++] =
					(struct sea_use){ regs[k], in->mem_size, in->disp };
			if (in->writes && sea_general_reg(in->reg) == sea_general_reg(regs[k]))
				own[k] = false;
		}
	}
}

bool sea_uses_differ(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, struct sea_use *ret_old,
	struct sea_use *ret_new)
{
	struct uses theirs, ours;

	find_uses(o, fo, &theirs);
	find_uses(n, fn, &ours);
	for (uint32_t i = 0; i < theirs.n; i++)
		for (uint32_t k = 0; k < ours.n; k++) {
			*ret_old = theirs.v[i];
			*ret_new = ours.v[k];
			/* More than a register at once is several fields, joined as it suits. */
			if (ret_old->base == ret_new->base && ret_old->disp == ret_new->disp &&
				ret_old->size != ret_new->size && ret_old->size <= 8 &&
				ret_new->size <= 8)
				return true;
		}
	return false;
}
