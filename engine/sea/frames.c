/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call-frame information (.eh_frame): where functions are in a file without symbols, and what a
 * frame looks like at a call. libdw builds a tree of the whole section before it answers the first
 * question, and one slow reader of libc's has already stalled a recovery for seconds.
 */
#include "sea/image.h"

#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_FDES (4u << 20)
#define MAX_ROWS 65536
#define N_REGS	 17

/* A reader that cannot leave its bytes: past the end it gives zeros and is marked. */
struct cursor {
	const uint8_t *at, *end;
	bool over;
};

static uint64_t take(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->at) < n) {
		c->over = true;
		c->at = c->end;
		return 0;
	}
	memcpy(&v, c->at, n);
	c->at += n;
	return v;
}

static uint64_t take_uleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t b = take(c, 1);

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
}

static int64_t take_sleb(struct cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = take(c, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	if (shift < 64 && b & 0x40)
		v |= ~0ull << shift;
	return v;
}

static void skip(struct cursor *c, uint64_t n)
{
	if (n > (uint64_t)(c->end - c->at)) {
		c->over = true;
		n = c->end - c->at;
	}
	c->at += n;
}

/* A pointer in encoding @enc; @pc is the address of the byte at the cursor. */
static uint64_t take_pointer(struct cursor *c, uint8_t enc, uint64_t pc)
{
	uint64_t v;

	switch (enc & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		v = take(c, 8);
		break;
	case DW_EH_PE_udata4:
		v = take(c, 4);
		break;
	case DW_EH_PE_sdata4:
		v = (int64_t)(int32_t)take(c, 4);
		break;
	case DW_EH_PE_udata2:
		v = take(c, 2);
		break;
	case DW_EH_PE_sdata2:
		v = (int64_t)(int16_t)take(c, 2);
		break;
	case DW_EH_PE_uleb128:
		v = take_uleb(c);
		break;
	case DW_EH_PE_sleb128:
		v = take_sleb(c);
		break;
	default:
		c->over = true;
		return 0;
	}
	if ((enc & 0x70) == DW_EH_PE_pcrel)
		v += pc;
	else if (enc & 0x70)
		c->over =
			true; /* textrel, datarel, aligned: no compiler for x86-64 uses them here */
	return v;
}

struct cie {
	uint64_t code_align;
	int64_t data_align;
	struct cursor prog;
	uint8_t pointer_enc, lsda_enc;
	bool has_z, is_signal;
};

static uint64_t addr_of(const struct sea_image *im, const uint8_t *p)
{
	return im->eh_addr + (p - im->eh);
}

static bool parse_cie(const struct sea_image *im, uint32_t at, struct cie *ret)
{
	struct cursor c = { im->eh + at, im->eh + im->eh_len, false };
	uint64_t len = take(&c, 4);
	const char *aug;

	memset(ret, 0, sizeof(*ret));
	ret->lsda_enc = DW_EH_PE_omit;
	if (c.over || len == 0xffffffff || len > (uint64_t)(c.end - c.at))
		return false;
	c.end = c.at + len;
	if (take(&c, 4) != 0)
		return false;
	if (take(&c, 1) == 0 || c.over)
		return false;
	aug = (const char *)c.at;
	if (!memchr(c.at, 0, c.end - c.at))
		return false;
	c.at += strlen(aug) + 1;
	ret->code_align = take_uleb(&c);
	ret->data_align = take_sleb(&c);
	take_uleb(&c); /* the return address column, 16 on x86-64 */
	if (*aug == 'z') {
		uint64_t n = take_uleb(&c);
		struct cursor a = c;

		ret->has_z = true;
		skip(&c, n);
		a.end = c.at;
		for (const char *p = aug + 1; *p; p++) {
			if (*p == 'R')
				ret->pointer_enc = take(&a, 1);
			else if (*p == 'L')
				ret->lsda_enc = take(&a, 1);
			else if (*p == 'P')
				take_pointer(&a, take(&a, 1) & 0x0f, 0);
			else if (*p == 'S')
				ret->is_signal = true;
			else
				break;
		}
		if (a.over)
			return false;
	} else if (*aug) {
		return false;
	}
	ret->prog = c;
	return !c.over && ret->code_align && ret->code_align < 256;
}

static void find_eh_frame(struct sea_image *im)
{
	const struct sea_section *s = sea_section_named(im, ".eh_frame");
	Elf64_Ehdr eh;

	if (s && s->flags & SHF_ALLOC && s->type != SHT_NOBITS &&
		sea_bytes(im, s->addr, s->size) == im->data + s->off) {
		im->eh = im->data + s->off;
		im->eh_addr = s->addr;
		im->eh_len = s->size;
		return;
	}
	memcpy(&eh, im->data, sizeof(eh));
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		struct cursor c;
		uint64_t at;
		Elf64_Phdr ph;
		uint8_t enc;

		memcpy(&ph, im->data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_GNU_EH_FRAME || !sea_bytes(im, ph.p_vaddr, 8))
			continue;
		c.at = sea_bytes(im, ph.p_vaddr, 8);
		c.end = c.at + sea_bytes_after(im, ph.p_vaddr);
		c.over = take(&c, 1) != 1;
		enc = take(&c, 1);
		take(&c, 2);
		at = take_pointer(&c, enc, ph.p_vaddr + 4);
		if (c.over || !sea_bytes_after(im, at))
			continue;
		im->eh_len = sea_bytes_after(im, at);
		im->eh = sea_bytes(im, at, im->eh_len);
		im->eh_addr = at;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct sea_fde *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->size > y->size ? -1 : x->size < y->size;
}

/* One FDE; @cie is what the last one used, to parse it once. */
static bool parse_fde(const struct sea_image *im, struct cursor c, uint32_t cie_at, uint32_t *last,
	struct cie *cie, struct sea_fde *ret)
{
	if (cie_at != *last) {
		*last = SEA_NONE;
		if (!parse_cie(im, cie_at, cie))
			return false;
		*last = cie_at;
	}
	memset(ret, 0, sizeof(*ret));
	ret->cie_at = cie_at;
	ret->addr = take_pointer(&c, cie->pointer_enc, addr_of(im, c.at));
	ret->size = take_pointer(&c, cie->pointer_enc & 0x0f, 0);
	if (cie->has_z) {
		uint64_t n = take_uleb(&c);

		if (cie->lsda_enc != DW_EH_PE_omit && n >= 4) {
			uint32_t word = 0;

			if (c.end - c.at >= 4)
				memcpy(&word, c.at, 4);
			ret->has_lsda = word != 0;
		}
		skip(&c, n);
	}
	ret->prog_at = c.at - im->eh;
	ret->prog_len = c.end - c.at;
	return !c.over && ret->size;
}

int sea_read_frames(struct sea_image *im, struct sea_budget *b, struct err *err)
{
	uint32_t room = 0, last = SEA_NONE;
	struct cursor c;
	struct cie cie;

	find_eh_frame(im);
	if (!im->eh)
		return 0;
	c = (struct cursor){ im->eh, im->eh + im->eh_len, false };
	while (c.end - c.at >= 4) {
		uint32_t at = c.at - im->eh;
		uint64_t len = take(&c, 4), cie_off;
		struct cursor one = c;
		const struct sea_segment *s;
		struct sea_fde fde;

		if (!len || len == 0xffffffff || len > (uint64_t)(c.end - c.at))
			break; /* the end mark; the 64-bit form is not used by any linker here */
		c.at += len;
		one.end = c.at;
		cie_off = take(&one, 4);
		if (!cie_off || cie_off > at + 4)
			continue;
		if (!parse_fde(im, one, at + 4 - cie_off, &last, &cie, &fde))
			continue;
		s = sea_segment_of(im, fde.addr);
		if (!s || !(s->flags & PF_X) || fde.size > s->addr + s->filesz - fde.addr)
			continue;
		if (im->n_fdes == MAX_FDES || (im->n_fdes % 4096 == 0 && sea_budget_spent(b)))
			return err_set(err, ETIME, "the call-frame information is too large");
		if (im->n_fdes == room) {
			room = room ? room * 2 : 512;
			im->fdes = xreallocarray(im->fdes, room, sizeof(fde));
		}
		im->fdes[im->n_fdes++] = fde;
	}
	if (im->n_fdes)
		qsort(im->fdes, im->n_fdes, sizeof(*im->fdes), by_start);
	return 0;
}

struct rules {
	uint16_t cfa_reg;
	int64_t cfa_off;
	int64_t at[N_REGS];   /* offset from the CFA */
	uint8_t kind[N_REGS]; /* 0: as the caller left it, 1: saved at an offset, 2: anything else
			       */
};

static void set_rule(struct rules *r, uint64_t reg, uint8_t kind, int64_t at)
{
	if (reg < N_REGS) {
		r->kind[reg] = kind;
		r->at[reg] = at;
	}
}

struct machine {
	struct rules now, first, stack[8];
	unsigned depth;
	uint64_t loc;
	bool failed, moved;
};

/* The three primary opcodes, which carry an operand in their low six bits. */
static void step_primary(struct machine *m, struct cursor *c, const struct cie *cie, uint8_t op)
{
	uint8_t low = op & 0x3f;

	if ((op & 0xc0) == DW_CFA_advance_loc) {
		m->loc += low * cie->code_align;
		m->moved = true;
	} else if ((op & 0xc0) == DW_CFA_offset) {
		set_rule(&m->now, low, 1, (int64_t)(take_uleb(c) * (uint64_t)cie->data_align));
	} else if (low < N_REGS) {
		m->now.kind[low] = m->first.kind[low];
		m->now.at[low] = m->first.at[low];
	}
}

static void step_state(struct machine *m, uint8_t op)
{
	if (op == DW_CFA_remember_state) {
		if (m->depth == ARRAY_SIZE(m->stack))
			m->failed = true;
		else
			m->stack[m->depth++] = m->now;
	} else if (m->depth == 0) {
		m->failed = true;
	} else {
		m->now = m->stack[--m->depth];
	}
}

static void step(struct machine *m, struct cursor *c, const struct cie *cie, uint64_t here)
{
	uint8_t op = take(c, 1);
	uint64_t reg;

	m->moved = false;
	if (op & 0xc0) {
		step_primary(m, c, cie, op);
		return;
	}
	switch (op) {
	case DW_CFA_nop:
		break;
	case DW_CFA_set_loc:
		m->loc = take_pointer(c, cie->pointer_enc, here);
		m->moved = true;
		break;
	case DW_CFA_advance_loc1:
	case DW_CFA_advance_loc2:
	case DW_CFA_advance_loc4:
		m->loc += take(c, 1u << (op - DW_CFA_advance_loc1)) * cie->code_align;
		m->moved = true;
		break;
	case DW_CFA_def_cfa:
		m->now.cfa_reg = take_uleb(c);
		m->now.cfa_off = take_uleb(c);
		break;
	case DW_CFA_def_cfa_register:
		m->now.cfa_reg = take_uleb(c);
		break;
	case DW_CFA_def_cfa_offset:
		m->now.cfa_off = take_uleb(c);
		break;
	case DW_CFA_def_cfa_expression:
		reg = take_uleb(c);
		m->now.cfa_reg = 0xffff;
		m->now.cfa_off = sea_hash(0, c->at,
			reg < (uint64_t)(c->end - c->at) ? reg : (uint64_t)(c->end - c->at));
		skip(c, reg);
		break;
	case DW_CFA_expression:
	case DW_CFA_val_expression: {
		uint64_t len;

		reg = take_uleb(c);
		len = take_uleb(c);
		set_rule(&m->now, reg, 2,
			sea_hash(op, c->at,
				len < (uint64_t)(c->end - c->at) ? len
								 : (uint64_t)(c->end - c->at)));
		skip(c, len);
		break;
	}
	case DW_CFA_offset_extended:
		reg = take_uleb(c);
		set_rule(&m->now, reg, 1, (int64_t)(take_uleb(c) * (uint64_t)cie->data_align));
		break;
	case DW_CFA_restore_extended:
		reg = take_uleb(c);
		if (reg < N_REGS)
			set_rule(&m->now, reg, m->first.kind[reg], m->first.at[reg]);
		break;
	case DW_CFA_undefined:
	case DW_CFA_same_value:
		set_rule(&m->now, take_uleb(c), op == DW_CFA_undefined ? 2 : 0, 0);
		break;
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
		step_state(m, op);
		break;
	case DW_CFA_GNU_args_size:
		take_uleb(c);
		break;
	default:
		m->failed = true;
	}
}

static void add_row(struct sea_frame_row **rows, uint32_t *n, uint32_t *room,
	const struct machine *m, uint64_t addr)
{
	struct sea_frame_row row = { .addr = addr };

	row.cfa_reg = m->now.cfa_reg;
	row.cfa_off = m->now.cfa_off;
	row.saved = sea_hash(
		sea_hash(1, m->now.kind, sizeof(m->now.kind)), m->now.at, sizeof(m->now.at));
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

static bool run(const struct sea_image *im, struct cursor c, const struct cie *cie,
	struct machine *m, struct sea_frame_row **rows, uint32_t *n)
{
	uint32_t room = *n;

	while (c.at < c.end && !m->failed && !c.over && *n < MAX_ROWS) {
		uint64_t before = m->loc;
		struct rules rules = m->now;

		step(m, &c, cie, addr_of(im, c.at + 1));
		if (m->moved && rows) {
			struct machine past = *m;

			past.now = rules;
			if (m->loc < before)
				return false;
			add_row(rows, n, &room, &past, before);
		}
	}
	if (rows)
		add_row(rows, n, &room, m, m->loc);
	return !m->failed && !c.over && *n < MAX_ROWS;
}

int sea_frame_rows(const struct sea_image *im, const struct sea_fde *fde,
	struct sea_frame_row **ret_rows, uint32_t *ret_n)
{
	cleanup_free struct sea_frame_row *rows = NULL;
	struct machine m = { 0 };
	uint32_t n = 0, none = 0;
	struct cie cie;

	if (!parse_cie(im, fde->cie_at, &cie) || fde->prog_at > im->eh_len ||
		fde->prog_len > im->eh_len - fde->prog_at)
		return -EINVAL;
	m.loc = fde->addr;
	if (!run(im, cie.prog, &cie, &m, NULL, &none))
		return -EINVAL;
	m.first = m.now;
	m.loc = fde->addr;
	if (!run(im,
		    (struct cursor){
			    im->eh + fde->prog_at, im->eh + fde->prog_at + fde->prog_len, false },
		    &cie, &m, &rows, &n))
		return -EINVAL;
	*ret_rows = take_ptr(rows);
	*ret_n = n;
	return 0;
}
