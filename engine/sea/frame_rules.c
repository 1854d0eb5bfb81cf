/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame looks like at an instruction: call-frame programs, run (DWARF 5, section 6.4). The
 * numbers of registers and of kept states are bounded, whatever a program names.
 */
#include "sea/frames.h"

#include <dwarf.h>
#include <errno.h>

#include "base/xalloc.h"

#define MAX_ROWS   65536
#define MAX_STATES 8

struct machine {
	const struct sea_frames *eh;
	const struct sea_cie *cie;
	struct sea_frame_rules now, first, kept[MAX_STATES];
	unsigned depth;
	uint64_t loc;
	bool failed, moved;
};

/* Registers that are none of ours (vectors) may be named; nothing is known about them. */
static void set_rule(struct machine *m, uint64_t reg, enum sea_rule_kind kind, int64_t off)
{
	if (reg < CFI_REGS)
		m->now.reg[reg] = (struct sea_rule){ .kind = kind, .off = off };
}

static void restore_rule(struct machine *m, uint64_t reg)
{
	if (reg < CFI_REGS)
		m->now.reg[reg] = m->first.reg[reg];
}

static int64_t factored(const struct machine *m, uint64_t n)
{
	return (int64_t)(n * (uint64_t)m->cie->data_align);
}

static void set_expr(struct machine *m, struct cursor *c, enum sea_rule_kind kind)
{
	uint64_t reg = cursor_uleb(c), len = cursor_uleb(c);
	struct cursor expr = cursor_part(c, len);

	set_rule(m, reg, kind, 0);
	if (reg < CFI_REGS)
		m->now.reg[reg].expr = expr;
}

static void set_cfa_reg(struct machine *m, uint64_t reg)
{
	/* No frame of x86-64 starts from another register than a general one. */
	m->failed |= reg >= CFI_REGS;
	m->now.cfa_reg = reg;
}

static void advance(struct machine *m, uint64_t n)
{
	m->loc += n * m->cie->code_align;
	m->moved = true;
}

/* The three primary opcodes, which carry an operand in their low six bits. */
static void step_primary(struct machine *m, struct cursor *c, uint8_t op)
{
	uint8_t low = op & 0x3f;

	if ((op & 0xc0) == DW_CFA_advance_loc)
		advance(m, low);
	else if ((op & 0xc0) == DW_CFA_offset)
		set_rule(m, low, SEA_RULE_SAVED, factored(m, cursor_uleb(c)));
	else
		restore_rule(m, low);
}

static void step_state(struct machine *m, uint8_t op)
{
	if (op == DW_CFA_remember_state) {
		if (m->depth == MAX_STATES)
			m->failed = true;
		else
			m->kept[m->depth++] = m->now;
	} else if (m->depth == 0) {
		m->failed = true;
	} else {
		m->now = m->kept[--m->depth];
	}
}

static void step_cfa(struct machine *m, struct cursor *c, uint8_t op)
{
	switch (op) {
	case DW_CFA_def_cfa:
		set_cfa_reg(m, cursor_uleb(c));
		m->now.cfa_off = (int64_t)cursor_uleb(c);
		break;
	case DW_CFA_def_cfa_sf:
		set_cfa_reg(m, cursor_uleb(c));
		m->now.cfa_off = factored(m, cursor_sleb(c));
		break;
	case DW_CFA_def_cfa_register:
		set_cfa_reg(m, cursor_uleb(c));
		break;
	case DW_CFA_def_cfa_offset:
		m->now.cfa_off = (int64_t)cursor_uleb(c);
		break;
	case DW_CFA_def_cfa_offset_sf:
		m->now.cfa_off = factored(m, cursor_sleb(c));
		break;
	default: /* DW_CFA_def_cfa_expression */
		m->now.cfa_reg = CFI_REGS;
		m->now.cfa_off = 0;
		m->now.cfa_expr = cursor_part(c, cursor_uleb(c));
	}
}

static void step_register(struct machine *m, struct cursor *c, uint8_t op)
{
	uint64_t reg;

	if (op == DW_CFA_expression || op == DW_CFA_val_expression) {
		set_expr(m, c, op == DW_CFA_expression ? SEA_RULE_SAVED_EXPR : SEA_RULE_VALUE_EXPR);
		return;
	}
	reg = cursor_uleb(c);
	switch (op) {
	case DW_CFA_offset_extended:
		return set_rule(m, reg, SEA_RULE_SAVED, factored(m, cursor_uleb(c)));
	case DW_CFA_offset_extended_sf:
		return set_rule(m, reg, SEA_RULE_SAVED, factored(m, cursor_sleb(c)));
	case DW_CFA_GNU_negative_offset_extended:
		return set_rule(m, reg, SEA_RULE_SAVED, factored(m, -cursor_uleb(c)));
	case DW_CFA_val_offset:
		return set_rule(m, reg, SEA_RULE_VALUE, factored(m, cursor_uleb(c)));
	case DW_CFA_val_offset_sf:
		return set_rule(m, reg, SEA_RULE_VALUE, factored(m, cursor_sleb(c)));
	case DW_CFA_register:
		return set_rule(m, reg, SEA_RULE_REGISTER, (int64_t)cursor_uleb(c));
	case DW_CFA_restore_extended:
		return restore_rule(m, reg);
	case DW_CFA_undefined:
		return set_rule(m, reg, SEA_RULE_UNDEFINED, 0);
	default: /* DW_CFA_same_value */
		return set_rule(m, reg, SEA_RULE_SAME, 0);
	}
}

static void step(struct machine *m, struct cursor *c)
{
	uint8_t op = cursor_take(c, 1);

	m->moved = false;
	if (op & 0xc0) {
		step_primary(m, c, op);
		return;
	}
	switch (op) {
	case DW_CFA_nop:
		break;
	case DW_CFA_set_loc:
		m->loc = sea_frames_pointer(
			c, m->cie->pointer_enc, m->eh->addr + (c->at - m->eh->bytes));
		m->moved = true;
		break;
	case DW_CFA_advance_loc1:
	case DW_CFA_advance_loc2:
	case DW_CFA_advance_loc4:
		advance(m, cursor_take(c, 1u << (op - DW_CFA_advance_loc1)));
		break;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		step_cfa(m, c, op);
		break;
	case DW_CFA_expression:
	case DW_CFA_val_expression:
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_GNU_negative_offset_extended:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_register:
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
		step_register(m, c, op);
		break;
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
		step_state(m, op);
		break;
	case DW_CFA_GNU_args_size:
		cursor_uleb(c);
		break;
	default:
		m->failed = true;
	}
}

/* Ready to run the program of @fde: the rules are those that its CIE gives. */
static bool start(struct machine *m, const struct sea_frames *eh, const struct sea_fde *fde,
	struct sea_cie *cie, struct cursor *ret_prog)
{
	struct cursor c;

	if (!sea_cie_parse(eh, fde->cie_at, cie) || fde->prog_at > eh->len ||
		fde->prog_len > eh->len - fde->prog_at || cie->return_reg != CFI_RIP)
		return false;
	m->eh = eh;
	m->cie = cie;
	m->depth = 0;
	m->failed = false;
	m->first = m->now =
		(struct sea_frame_rules){ .cfa_reg = CFI_REGS, .is_signal = cie->is_signal };
	for (c = cie->prog; c.at < c.end && !m->failed && !c.over;)
		step(m, &c);
	m->first = m->now;
	m->loc = fde->addr;
	*ret_prog = (struct cursor){ eh->bytes + fde->prog_at,
		eh->bytes + fde->prog_at + fde->prog_len, false };
	return !m->failed && !c.over;
}

bool sea_frames_rules_at(const struct sea_frames *eh, const struct sea_fde *fde, uint64_t pc,
	struct sea_frame_rules *ret)
{
	struct sea_cie cie;
	struct machine m;
	struct cursor c;

	if (!start(&m, eh, fde, &cie, &c))
		return false;
	while (c.at < c.end) {
		struct sea_frame_rules rules = m.now;
		uint64_t before = m.loc;

		step(&m, &c);
		if (m.failed || c.over || m.loc < before)
			return false;
		if (m.loc > pc) {
			*ret = rules;
			return true;
		}
	}
	*ret = m.now;
	return true;
}

/* What a rule comes to, so that rules of two files can be compared. */
static uint64_t hash_rule(uint64_t seed, const struct sea_rule *r)
{
	uint64_t h = sea_hash(seed, &r->kind, sizeof(r->kind));

	h = sea_hash(h, &r->off, sizeof(r->off));
	return r->expr.at ? sea_hash(h, r->expr.at, r->expr.end - r->expr.at) : h;
}

static void add_row(struct sea_frame_row **rows, uint32_t *n, uint32_t *room,
	const struct sea_frame_rules *now, uint64_t addr)
{
	struct sea_frame_row row = {
		.addr = addr, .cfa_reg = now->cfa_reg, .cfa_off = now->cfa_off
	};

	if (now->cfa_reg == CFI_REGS) {
		row.cfa_reg = 0xffff;
		row.cfa_off = sea_hash(0, now->cfa_expr.at, now->cfa_expr.end - now->cfa_expr.at);
	}
	row.saved = 1;
	for (unsigned reg = 0; reg < CFI_REGS; reg++)
		row.saved = hash_rule(row.saved, &now->reg[reg]);
	if (*n && (*rows)[*n - 1].addr == addr) {
		(*rows)[*n - 1] = row;
		return;
	}
	if (*n == *room) {
		*room = *room ? *room * 2 : 16;
		*rows = xreallocarray(*rows, *room, sizeof(row));
	}
	(*rows)[(*n)++] = row;
}

int sea_frame_rows(const struct sea_image *im, const struct sea_fde *fde,
	struct sea_frame_row **ret_rows, uint32_t *ret_n)
{
	cleanup_free struct sea_frame_row *rows = NULL;
	uint32_t n = 0, room = 0;
	struct sea_cie cie;
	struct machine m;
	struct cursor c;

	if (!start(&m, &im->frames, fde, &cie, &c))
		return -EINVAL;
	while (c.at < c.end) {
		struct sea_frame_rules rules = m.now;
		uint64_t before = m.loc;

		step(&m, &c);
		if (m.failed || c.over || m.loc < before || n == MAX_ROWS)
			return -EINVAL;
		if (m.moved)
			add_row(&rows, &n, &room, &rules, before);
	}
	add_row(&rows, &n, &room, &m.now, m.loc);
	*ret_rows = take_ptr(rows);
	*ret_n = n;
	return 0;
}
