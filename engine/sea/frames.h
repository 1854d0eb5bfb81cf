/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call-frame information (.eh_frame): which functions it covers, and what is in force at an
 * instruction. The bytes are untrusted; what can be had from them is bounded by their number.
 */
#ifndef MX_SEA_FRAMES_H
#define MX_SEA_FRAMES_H

#include "sea/cfi.h"
#include "sea/cursor.h"
#include "sea/image.h"

enum sea_rule_kind {
	SEA_RULE_NONE,	     /* nothing is said: by the ABI */
	SEA_RULE_SAVED,	     /* in memory at CFA + @off */
	SEA_RULE_VALUE,	     /* is CFA + @off */
	SEA_RULE_REGISTER,   /* in register @off */
	SEA_RULE_SAVED_EXPR, /* in memory where @expr says */
	SEA_RULE_VALUE_EXPR, /* is what @expr says */
	SEA_RULE_SAME,
	SEA_RULE_UNDEFINED,
};

struct sea_rule {
	enum sea_rule_kind kind;
	int64_t off;
	struct cursor expr; /* not read yet */
};

struct sea_frame_rules {
	uint64_t cfa_reg; /* CFI_REGS: @cfa_expr says it, or, where that is empty, nothing does */
	int64_t cfa_off;
	struct cursor cfa_expr;
	struct sea_rule reg[CFI_REGS];
	bool is_signal; /* of a signal's trampoline: the caller's address is exact */
};

/* Where the header in PT_GNU_EH_FRAME, @len bytes loaded at @addr, says that the frames begin. */
bool sea_frames_begin(const uint8_t *header, size_t len, uint64_t addr, uint64_t *ret_addr);

/*
 * The functions that @eh covers, sorted by address; malloc'ed. -ETIME: more than can be kept, or
 * than @b allows.
 */
MUST_CHECK int sea_frames_list(const struct sea_frames *eh, struct sea_budget *b,
	struct sea_fde **ret_fdes, uint32_t *ret_n, struct err *err);

/* The rules at address @pc of @fde. False: its program, or its CIE's, cannot be followed. */
bool sea_frames_rules_at(const struct sea_frames *eh, const struct sea_fde *fde, uint64_t pc,
	struct sea_frame_rules *ret);

/* Common information of several frames. */
struct sea_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_reg;
	struct cursor prog;
	uint8_t pointer_enc, lsda_enc;
	bool has_z, is_signal;
};

bool sea_cie_parse(const struct sea_frames *eh, uint32_t at, struct sea_cie *ret);

/* A pointer in encoding @enc; @pc is the address of the byte at the cursor. */
uint64_t sea_frames_pointer(struct cursor *c, uint8_t enc, uint64_t pc);

#endif
