/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/cfi_expr.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>

#define STACK_MAX 64
#define STEPS_MAX 4096 /* DW_OP_bra can loop */

struct machine {
	const struct cfi_expr *env;
	uint64_t stack[STACK_MAX];
	unsigned depth;
	int error;
	bool is_value; /* DW_OP_stack_value was seen */
	int in_reg;    /* DW_OP_reg*: the location is this register; -1: none */
};

static void push(struct machine *m, uint64_t value)
{
	if (m->depth == STACK_MAX)
		m->error = -EINVAL;
	else
		m->stack[m->depth++] = value;
}

static uint64_t pop(struct machine *m)
{
	if (m->depth == 0) {
		m->error = -EINVAL;
		return 0;
	}
	return m->stack[--m->depth];
}

static uint64_t reg_value(struct machine *m, uint64_t reg)
{
	if (reg >= CFI_REGS || !(m->env->regs->known & 1u << reg)) {
		m->error = -EINVAL;
		return 0;
	}
	return m->env->regs->value[reg];
}

static void pick(struct machine *m, uint64_t index)
{
	if (index >= m->depth)
		m->error = -EINVAL;
	else
		push(m, m->stack[m->depth - 1 - index]);
}

static void deref(struct machine *m, unsigned size)
{
	uint64_t addr = pop(m), word;

	if (m->error)
		return;
	if (size < 1 || size > 8)
		m->error = -EINVAL;
	else if (!m->env->read(m->env->arg, addr, &word))
		m->error = -EFAULT;
	else
		push(m, size == 8 ? word : word & ((1ull << 8 * size) - 1));
}

static void binary(struct machine *m, uint8_t op)
{
	uint64_t b = pop(m), a = pop(m);
	int64_t sa = a, sb = b;

	switch (op) {
	case DW_OP_and:
		return push(m, a & b);
	case DW_OP_or:
		return push(m, a | b);
	case DW_OP_xor:
		return push(m, a ^ b);
	case DW_OP_plus:
		return push(m, a + b);
	case DW_OP_minus:
		return push(m, a - b);
	case DW_OP_mul:
		return push(m, a * b);
	case DW_OP_shl:
		return push(m, b < 64 ? a << b : 0);
	case DW_OP_shr:
		return push(m, b < 64 ? a >> b : 0);
	case DW_OP_shra:
		return push(m, sa >> (b < 64 ? b : 63));
	case DW_OP_eq:
		return push(m, sa == sb);
	case DW_OP_ne:
		return push(m, sa != sb);
	case DW_OP_lt:
		return push(m, sa < sb);
	case DW_OP_le:
		return push(m, sa <= sb);
	case DW_OP_gt:
		return push(m, sa > sb);
	case DW_OP_ge:
		return push(m, sa >= sb);
	case DW_OP_div:
	case DW_OP_mod:
		if (b == 0 || (sa == INT64_MIN && sb == -1))
			break;
		return push(m, op == DW_OP_div ? (uint64_t)(sa / sb) : a % b);
	}
	m->error = -EINVAL;
}

static void unary(struct machine *m, uint8_t op, uint64_t operand)
{
	uint64_t a = pop(m);

	if (op == DW_OP_plus_uconst)
		push(m, a + operand);
	else if (op == DW_OP_neg)
		push(m, -a);
	else if (op == DW_OP_not)
		push(m, ~a);
	else
		push(m, (int64_t)a < 0 ? -a : a);
}

static void swap_or_rot(struct machine *m, uint8_t op)
{
	uint64_t a = pop(m), b = pop(m), c = op == DW_OP_rot ? pop(m) : 0;

	push(m, a);
	if (op == DW_OP_rot)
		push(m, c);
	push(m, b);
}

/* Everything but jumps. */
static void step(struct machine *m, const Dwarf_Op *op)
{
	uint8_t code = op->atom;

	if (code >= DW_OP_lit0 && code <= DW_OP_lit31)
		return push(m, code - DW_OP_lit0);
	if (code >= DW_OP_breg0 && code <= DW_OP_breg31)
		return push(m, reg_value(m, code - DW_OP_breg0) + op->number);
	if (code >= DW_OP_reg0 && code <= DW_OP_reg31) {
		m->in_reg = code - DW_OP_reg0;
		return;
	}
	switch (code) {
	case DW_OP_nop:
		return;
	case DW_OP_addr:
	case DW_OP_const1u ... DW_OP_consts:
		return push(m, op->number);
	case DW_OP_bregx:
		return push(m, reg_value(m, op->number) + op->number2);
	case DW_OP_regx:
		m->in_reg = op->number < CFI_REGS ? (int)op->number : INT_MAX;
		return;
	case DW_OP_call_frame_cfa:
		if (m->env->has_cfa)
			return push(m, m->env->cfa);
		break;
	case DW_OP_dup:
		return pick(m, 0);
	case DW_OP_over:
		return pick(m, 1);
	case DW_OP_pick:
		return pick(m, op->number);
	case DW_OP_drop:
		pop(m);
		return;
	case DW_OP_swap:
	case DW_OP_rot:
		return swap_or_rot(m, code);
	case DW_OP_deref:
		return deref(m, 8);
	case DW_OP_deref_size:
		return deref(m, op->number);
	case DW_OP_abs:
	case DW_OP_neg:
	case DW_OP_not:
	case DW_OP_plus_uconst:
		return unary(m, code, op->number);
	case DW_OP_stack_value:
		m->is_value = true;
		return;
	default:
		return binary(m, code);
	}
	m->error = -EINVAL;
}

/* The index of the operation that a jump at @i leads to; @n is the end, more is nowhere. */
static size_t jump_target(const Dwarf_Op *ops, size_t n, size_t i)
{
	/* Offsets count from the end of the jump, which is three bytes long. */
	uint64_t want = ops[i].offset + 3 + (int64_t)(int16_t)ops[i].number;

	for (size_t j = 0; j < n; j++)
		if (ops[j].offset == want)
			return j;
	return n + 1;
}

static int run(struct machine *m, const struct cfi_expr *env, const Dwarf_Op *ops, size_t n)
{
	unsigned steps = 0;
	size_t i = 0;

	*m = (struct machine){ .env = env, .in_reg = -1 };
	while (i < n) {
		if (++steps > STEPS_MAX)
			return -EINVAL;
		if (ops[i].atom == DW_OP_skip || (ops[i].atom == DW_OP_bra && pop(m) != 0)) {
			i = jump_target(ops, n, i);
			if (i > n)
				return -EINVAL;
		} else if (ops[i].atom == DW_OP_bra) {
			i++;
		} else {
			step(m, &ops[i++]);
		}
		if (m->error)
			return m->error;
	}
	return 0;
}

int cfi_expr_value(const struct cfi_expr *env, const Dwarf_Op *ops, size_t n, uint64_t *ret_value)
{
	struct machine m;
	int rc = run(&m, env, ops, n);

	if (rc < 0)
		return rc;
	if (m.in_reg >= 0 || m.depth == 0)
		return -EINVAL;
	*ret_value = m.stack[m.depth - 1];
	return 0;
}

int cfi_expr_location(const struct cfi_expr *env, const Dwarf_Op *ops, size_t n,
	uint64_t *ret_value, uint64_t *ret_saved_at)
{
	struct machine m;
	uint64_t value, at = 0;
	int rc = run(&m, env, ops, n);

	if (rc < 0)
		return rc;
	if (m.in_reg >= 0) {
		value = reg_value(&m, m.in_reg);
		at = m.error ? 0 : env->regs->saved_at[m.in_reg];
	} else if (m.is_value) {
		value = pop(&m);
	} else {
		at = pop(&m);
		if (!m.error && !env->read(env->arg, at, &value))
			m.error = -EFAULT;
	}
	if (m.error)
		return m.error;
	*ret_value = value;
	*ret_saved_at = at;
	return 0;
}
