/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each register is followed, in the order of the addresses, as a multiple of a value of which
 * nothing is known. Where it ends up in an address, the multiple is a size of elements. Joins of
 * control are not looked at: what is wrong is wrong in both versions alike.
 */
#include "sea/stride.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#define MIN_STRIDE  4 /* structures are multiples of it; other products are computations */
#define SCALAR_MAX  8 /* what is smaller may be a number or a pointer, and no structure */
#define MAX_STRIDES 64
#define MAX_FACTOR  65536
#define N_REGS	    16

struct strides {
	struct {
		uint32_t size;
		int32_t n; /* times in the old version, less those in the new */
	} v[MAX_STRIDES];
	uint32_t n;
	bool full;
};

struct value {
	uint32_t origin; /* the value that it is a multiple of */
	uint32_t factor;
	uint64_t constant;  /* that it is; 0: it is none */
	bool is_difference; /* of two pointers, it may be */
	uint32_t divided;   /* such a difference, by so much; 0: not */
};

struct walk {
	struct strides *to;
	int32_t sign;
	uint32_t n_origins;
	uint32_t in_addresses; /* the registers that memory operands are made of, a bit each */
	struct value regs[N_REGS];
};

int sea_general_reg(uint16_t reg)
{
	static const uint16_t parts[N_REGS][4] = {
		{ X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL }, /* divide() */
		{ X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL },
		{ X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL },
		{ X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL },
		{ X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL },
		{ X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B },
		{ X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B },
		{ X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B },
		{ X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B },
		/* From here on a call leaves them as they are. */
		{ X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL },
		{ X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL },
		{ X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL },
		{ X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B },
		{ X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B },
		{ X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B },
		{ X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B },
	};

	for (int i = 0; reg && i < N_REGS; i++)
		for (int k = 0; k < 4; k++)
			if (parts[i][k] == reg)
				return i;
	return SEA_NO_REG;
}

#define N_SCRATCH 9

uint32_t sea_lea_factor(const struct sea_insn *in)
{
	if (in->id != X86_INS_LEA || !in->index || in->ref != SEA_NONE)
		return 0;
	if (!in->base)
		return in->scale;
	return in->base == in->index ? in->scale + 1u : 0;
}

static void add_stride(struct walk *w, uint32_t size, int32_t times)
{
	struct strides *s = w->to;
	uint32_t i = 0;

	if (size < MIN_STRIDE || size % MIN_STRIDE)
		return;
	while (i < s->n && s->v[i].size != size)
		i++;
	if (i == MAX_STRIDES) {
		s->full = true;
		return;
	}
	if (i == s->n) {
		s->v[s->n].size = size;
		s->v[s->n++].n = 0;
	}
	s->v[i].n += w->sign * times;
}

static struct value unknown(struct walk *w)
{
	return (struct value){ .origin = ++w->n_origins, .factor = 1 };
}

static struct value value_of(struct walk *w, int reg)
{
	return reg == SEA_NO_REG ? unknown(w) : w->regs[reg];
}

static struct value times(struct walk *w, struct value v, int64_t by)
{
	if (by <= 0 || by > MAX_FACTOR || v.factor * (uint64_t)by > MAX_FACTOR)
		return unknown(w);
	return (struct value){ .origin = v.origin, .factor = v.factor * (uint32_t)by };
}

/* An index that is added to itself goes on; one that is added to a pointer has come to its end. */
static struct value sum(struct walk *w, struct value a, struct value b)
{
	if (a.origin == b.origin && a.factor + b.factor <= MAX_FACTOR)
		return (struct value){ .origin = a.origin, .factor = a.factor + b.factor };
	add_stride(w, a.factor > 1 ? a.factor : b.factor, 1);
	return unknown(w);
}

static struct value difference(struct walk *w, struct value a, struct value b)
{
	struct value v = unknown(w);

	if (a.origin == b.origin && a.factor > b.factor)
		return (struct value){ .origin = a.origin, .factor = a.factor - b.factor };
	v.is_difference = true;
	return v;
}

/* What is left of a difference of pointers when its elements are a power of two large. */
static struct value shifted(struct walk *w, struct value a, int32_t by)
{
	struct value v = unknown(w);

	if (!a.is_difference || by <= 0 || by > 16)
		return v;
	v.divided = 1u << by;
	add_stride(w, v.divided, 1);
	return v;
}

/* The number whose product with the odd @n is 1, modulo 2^64, by Newton's iteration. */
static uint64_t inverse(uint64_t n)
{
	uint64_t x = n;

	for (int i = 0; i < 5; i++)
		x *= 2 - n * x;
	return x;
}

/* Compilers divide by what is left of the size with its inverse. */
static struct value product(struct walk *w, struct value a, struct value b)
{
	struct value v = unknown(w), by = a.divided ? b : a;
	uint32_t divided = a.divided ? a.divided : b.divided;
	uint64_t size = by.constant & 1 ? inverse(by.constant) : 0;

	if (!divided || size < 2 || size > MAX_FACTOR / divided)
		return v;
	add_stride(w, divided, -1);
	add_stride(w, divided * (uint32_t)size, 1);
	return v;
}

/* A register of which an address is made, and that goes on by a constant, walks over elements. */
static struct value moved(struct walk *w, struct value a, const struct sea_insn *in)
{
	/* -128 fits a byte and 128 does not: that much is added by subtracting. */
	int32_t by = in->id == X86_INS_SUB && in->imm == -128 ? 128 : in->imm;
	bool is_size = by >= 8 && by <= MAX_FACTOR && by % 4 == 0;

	if (is_size && w->in_addresses & 1u << sea_general_reg(in->reg))
		add_stride(w, (uint32_t)by, 1);
	return a;
}

/* The division of a difference of pointers by the size of what they point to. */
static void divide(struct walk *w, struct value by)
{
	if (w->regs[0].is_difference && by.constant <= MAX_FACTOR)
		add_stride(w, (uint32_t)by.constant, 1);
}

static struct value constant(struct walk *w, const struct sea_image *im, const struct sea_func *f,
	const struct sea_insn *in)
{
	struct value v = unknown(w);
	const uint8_t *p = sea_bytes(im, f->addr + in->off, in->len);

	if (in->ref != SEA_NONE || !p)
		return v;
	if (in->imm_off + 8 == in->len)
		memcpy(&v.constant, p + in->imm_off, 8);
	else if (in->imm_off)
		v.constant = (uint64_t)(int64_t)in->imm;
	return v;
}

/* The address that a memory operand makes. */
static struct value address(struct walk *w, const struct sea_insn *in)
{
	int base = sea_general_reg(in->base), index = sea_general_reg(in->index);
	struct value scaled;

	if (index == SEA_NO_REG)
		return value_of(w, base);
	scaled = times(w, value_of(w, index), in->scale);
	return in->base ? sum(w, value_of(w, base), scaled) : scaled;
}

/* What @in leaves in the register that it writes. */
static struct value result(struct walk *w, const struct sea_image *im, const struct sea_func *f,
	const struct sea_insn *in)
{
	struct value to = value_of(w, sea_general_reg(in->reg)),
		     from = value_of(w, sea_general_reg(in->from));

	if (in->mem_size && in->id != X86_INS_LEA)
		return in->id == X86_INS_SUB ? difference(w, to, unknown(w)) : unknown(w);
	switch (in->id) {
	case X86_INS_MOVABS:
		return constant(w, im, f, in);
	case X86_INS_MOV:
	case X86_INS_MOVSXD:
		return in->from ? from : constant(w, im, f, in);
	case X86_INS_LEA:
		return in->ref == SEA_NONE ? address(w, in) : unknown(w);
	case X86_INS_SHL:
	case X86_INS_SAL:
		return in->imm > 0 && in->imm <= 16 ? times(w, to, 1 << in->imm) : unknown(w);
	case X86_INS_IMUL:
		if (!in->imm_off)
			return product(w, to, from);
		if ((in->from ? from : to).divided)
			return product(w, in->from ? from : to, constant(w, im, f, in));
		return times(w, in->from ? from : to, in->imm);
	case X86_INS_SAR:
		return shifted(w, to, in->imm);
	case X86_INS_ADD:
		return in->from ? sum(w, to, from) : moved(w, to, in);
	case X86_INS_SUB:
		return in->from ? difference(w, to, from) : in->imm == -128 ? moved(w, to, in) : to;
	default:
		return unknown(w);
	}
}

static void step(struct walk *w, const struct sea_image *im, const struct sea_func *f,
	const struct sea_insn *in)
{
	int to = sea_general_reg(in->reg);

	if (in->kind == SEA_I_CALL || in->kind == SEA_I_CALL_INDIRECT)
		for (int i = 0; i < N_SCRATCH; i++)
			w->regs[i] = unknown(w);
	if (in->mem_size && in->id != X86_INS_LEA)
		add_stride(w, address(w, in).factor, 1);
	if (in->id == X86_INS_IDIV && to != SEA_NO_REG)
		divide(w, w->regs[to]);
	if (to != SEA_NO_REG && in->writes)
		w->regs[to] = result(w, im, f, in);
}

static void note_addresses(struct walk *w, const struct sea_insn *in)
{
	int base = sea_general_reg(in->base), index = sea_general_reg(in->index);

	if (!in->mem_size || in->id == X86_INS_LEA)
		return;
	if (base != SEA_NO_REG && in->base != X86_REG_RSP)
		w->in_addresses |= 1u << base;
	if (index != SEA_NO_REG)
		w->in_addresses |= 1u << index;
}

static void gather(
	struct strides *to, int32_t sign, const struct sea_image *im, const struct sea_func *f)
{
	struct walk w = { .to = to, .sign = sign };

	for (int i = 0; i < N_REGS; i++)
		w.regs[i] = unknown(&w);
	for (uint32_t i = 0; i < f->n_insn; i++)
		note_addresses(&w, &im->insns[f->insn + i]);
	for (uint32_t i = 0; i < f->n_insn && !to->full; i++)
		step(&w, im, f, &im->insns[f->insn + i]);
}

bool sea_strides_differ(const struct sea_image *o, const struct sea_func *fo,
	const struct sea_image *n, const struct sea_func *fn, uint32_t *ret_old, uint32_t *ret_new)
{
	struct strides s = { .n = 0 };

	*ret_old = *ret_new = 0;
	gather(&s, 1, o, fo);
	gather(&s, -1, n, fn);
	for (uint32_t i = 0; i < s.n && !s.full; i++) {
		uint32_t *ret = s.v[i].n > 0 ? ret_old : ret_new;

		if (s.v[i].n != 0 && s.v[i].size > *ret)
			*ret = s.v[i].size;
	}
	return *ret_old && *ret_new && (*ret_old > SCALAR_MAX || *ret_new > SCALAR_MAX);
}
