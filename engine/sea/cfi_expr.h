/* SPDX-License-Identifier: Apache-2.0 */
/* DWARF expressions as call-frame information uses them. */
#ifndef MX_SEA_CFI_EXPR_H
#define MX_SEA_CFI_EXPR_H

#include "sea/cfi.h"
#include "sea/cursor.h"

/* What an expression can refer to. */
struct cfi_expr {
	const struct cfi_regs *regs;
	cfi_read_fn *read;
	void *arg;
	uint64_t cfa;
	bool has_cfa; /* then expressions begin with it on the stack */
};

/* The value that the expression leaves. -EINVAL: malformed or too long; -EFAULT: unreadable. */
MUST_CHECK int cfi_expr_value(const struct cfi_expr *env, struct cursor expr, uint64_t *ret_value);

/*
 * The value at the location that the expression describes: memory (then *@ret_saved_at is its
 * address), a register, or, after DW_OP_stack_value, the value itself (*@ret_saved_at is 0).
 */
MUST_CHECK int cfi_expr_location(const struct cfi_expr *env, struct cursor expr,
	uint64_t *ret_value, uint64_t *ret_saved_at);

#endif
