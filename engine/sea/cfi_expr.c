/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/cfi_expr.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>

#define STACK_MAX 64
#define STEPS_MAX 4096 /* DW_OP_bra can loop */

struct op {
	uint8_t code;
	uint64_t a, b; /* operands, sign-extended */
};

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

/* The number of type DW_OP_const*, which stand in the order 1u 1s 2u 2s 4u 4s 8u 8s u s. */
static uint64_t take_const(struct cursor *c, uint8_t code)
{
	unsigned size = 1u << (code - DW_OP_const1u) / 2, shift;
	uint64_t v;

	if (code == DW_OP_constu)
		return cursor_uleb(c);
	if (code == DW_OP_consts)
		return cursor_sleb(c);
	v = cursor_take(c, size);
	shift = 64 - 8 * size;
	return (code - DW_OP_const1u) % 2 ? (uint64_t)((int64_t)(v << shift) >> shift) : v;
}

/* The operation at the cursor. One that is not known is taken to have no operands. */
static struct op take_op(struct cursor *c)
{
	struct op op = { .code = cursor_take(c, 1) };

	switch (op.code) {
	case DW_OP_addr:
		op.a = cursor_take(c, 8);
		break;
	case DW_OP_const1u ... DW_OP_consts:
		op.a = take_const(c, op.code);
		break;
	case DW_OP_pick:
	case DW_OP_deref_size:
		op.a = cursor_take(c, 1);
		break;
	case DW_OP_skip:
	case DW_OP_bra:
		op.a = (uint64_t)(int64_t)(int16_t)cursor_take(c, 2);
		break;
	case DW_OP_breg0 ... DW_OP_breg31:
		op.a = cursor_sleb(c);
		break;
	case DW_OP_regx:
	case DW_OP_plus_uconst:
		op.a = cursor_uleb(c);
		break;
	case DW_OP_bregx:
		op.a = cursor_uleb(c);
		op.b = cursor_sleb(c);
		break;
	}
	return op;
}

/* Everything but jumps. */
static void step(struct machine *m, const struct op *op)
{
	uint8_t code = op->code;

	if (code >= DW_OP_lit0 && code <= DW_OP_lit31)
		return push(m, code - DW_OP_lit0);
	if (code >= DW_OP_breg0 && code <= DW_OP_breg31)
		return push(m, reg_value(m, code - DW_OP_breg0) + op->a);
	if (code >= DW_OP_reg0 && code <= DW_OP_reg31) {
		m->in_reg = code - DW_OP_reg0;
		return;
	}
	switch (code) {
	case DW_OP_nop:
		return;
	case DW_OP_addr:
	case DW_OP_const1u ... DW_OP_consts:
		return push(m, op->a);
	case DW_OP_bregx:
		return push(m, reg_value(m, op->a) + op->b);
	case DW_OP_regx:
		m->in_reg = op->a < CFI_REGS ? (int)op->a : INT_MAX;
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
		return pick(m, op->a);
	case DW_OP_drop:
		pop(m);
		return;
	case DW_OP_swap:
	case DW_OP_rot:
		return swap_or_rot(m, code);
	case DW_OP_deref:
		return deref(m, 8);
	case DW_OP_deref_size:
		return deref(m, op->a);
	case DW_OP_abs:
	case DW_OP_neg:
	case DW_OP_not:
	case DW_OP_plus_uconst:
		return unary(m, code, op->a);
	case DW_OP_stack_value:
		m->is_value = true;
		return;
	default:
		return binary(m, code);
	}
	m->error = -EINVAL;
}

static int run(struct machine *m, const struct cfi_expr *env, struct cursor expr)
{
	struct cursor c = expr;

	*m = (struct machine){ .env = env, .in_reg = -1 };
	if (env->has_cfa)
		push(m, env->cfa);
	for (unsigned steps = 0; c.at < c.end; steps++) {
		struct op op = take_op(&c);

		if (c.over || steps == STEPS_MAX)
			return -EINVAL;
		if (op.code == DW_OP_skip || (op.code == DW_OP_bra && pop(m) != 0)) {
			if ((int64_t)op.a < expr.at - c.at || (int64_t)op.a > c.end - c.at)
				return -EINVAL;
			c.at += (int64_t)op.a;
		} else if (op.code != DW_OP_bra) {
			step(m, &op);
		}
		if (m->error)
			return m->error;
	}
	return 0;
}

int cfi_expr_value(const struct cfi_expr *env, struct cursor expr, uint64_t *ret_value)
{
	struct machine m;
	int rc = run(&m, env, expr);

	if (rc < 0)
		return rc;
	if (m.in_reg >= 0 || m.depth == 0)
		return -EINVAL;
	*ret_value = m.stack[m.depth - 1];
	return 0;
}

int cfi_expr_location(
	const struct cfi_expr *env, struct cursor expr, uint64_t *ret_value, uint64_t *ret_saved_at)
{
	struct machine m;
	uint64_t value, at = 0;
	int rc = run(&m, env, expr);

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
