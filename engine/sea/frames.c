/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call-frame information (.eh_frame): where functions are in a file without symbols. libdw builds a
 * tree of the whole section before it answers the first question, which has stalled a recovery for
 * seconds, and it makes room for any register that a file names.
 */
#include "sea/frames.h"

#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_FDES (4u << 20)

uint64_t sea_frames_pointer(struct cursor *c, uint8_t enc, uint64_t pc)
{
	uint64_t v;

	switch (enc & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		v = cursor_take(c, 8);
		break;
	case DW_EH_PE_udata4:
		v = cursor_take(c, 4);
		break;
	case DW_EH_PE_sdata4:
		v = (int64_t)(int32_t)cursor_take(c, 4);
		break;
	case DW_EH_PE_udata2:
		v = cursor_take(c, 2);
		break;
	case DW_EH_PE_sdata2:
		v = (int64_t)(int16_t)cursor_take(c, 2);
		break;
	case DW_EH_PE_uleb128:
		v = cursor_uleb(c);
		break;
	case DW_EH_PE_sleb128:
		v = cursor_sleb(c);
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

static uint64_t addr_of(const struct sea_frames *eh, const uint8_t *p)
{
	return eh->addr + (p - eh->bytes);
}

/* What the letters of @aug announce, in the bytes @c. */
static bool parse_augmentation(struct sea_cie *cie, const char *aug, struct cursor c)
{
	for (; *aug; aug++) {
		if (*aug == 'R')
			cie->pointer_enc = cursor_take(&c, 1);
		else if (*aug == 'L')
			cie->lsda_enc = cursor_take(&c, 1);
		else if (*aug == 'P')
			sea_frames_pointer(&c, cursor_take(&c, 1) & 0x0f, 0);
		else if (*aug == 'S')
			cie->is_signal = true;
		else
			break;
	}
	return !c.over;
}

bool sea_cie_parse(const struct sea_frames *eh, uint32_t at, struct sea_cie *ret)
{
	struct cursor c = { eh->bytes + at, eh->bytes + eh->len, false };
	uint64_t len = cursor_take(&c, 4);
	const char *aug;

	memset(ret, 0, sizeof(*ret));
	ret->lsda_enc = DW_EH_PE_omit;
	if (c.over || len == 0xffffffff || len > (uint64_t)(c.end - c.at))
		return false;
	c.end = c.at + len;
	if (cursor_take(&c, 4) != 0)
		return false;
	if (cursor_take(&c, 1) == 0 || c.over)
		return false;
	aug = (const char *)c.at;
	if (!memchr(c.at, 0, c.end - c.at))
		return false;
	c.at += strlen(aug) + 1;
	ret->code_align = cursor_uleb(&c);
	ret->data_align = cursor_sleb(&c);
	ret->return_reg = cursor_uleb(&c);
	ret->has_z = *aug == 'z';
	if (*aug && !ret->has_z)
		return false;
	if (ret->has_z) {
		uint64_t n = cursor_uleb(&c);

		if (!parse_augmentation(ret, aug + 1, cursor_part(&c, n)))
			return false;
	}
	ret->prog = c;
	return !c.over && ret->code_align && ret->code_align < 256;
}

bool sea_frames_begin(const uint8_t *header, size_t len, uint64_t addr, uint64_t *ret_addr)
{
	struct cursor c = { header, header + len, false };
	uint8_t version = cursor_take(&c, 1), enc = cursor_take(&c, 1);

	cursor_take(&c, 2);
	*ret_addr = sea_frames_pointer(&c, enc, addr + 4);
	return version == 1 && !c.over;
}

static void find_eh_frame(struct sea_image *im)
{
	const struct sea_section *s = sea_section_named(im, ".eh_frame");
	Elf64_Ehdr eh;

	if (s && s->flags & SHF_ALLOC && s->type != SHT_NOBITS &&
		sea_bytes(im, s->addr, s->size) == im->data + s->off) {
		im->frames = (struct sea_frames){ im->data + s->off, s->addr, s->size };
		return;
	}
	memcpy(&eh, im->data, sizeof(eh));
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		uint64_t at, len;
		Elf64_Phdr ph;

		memcpy(&ph, im->data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_GNU_EH_FRAME)
			continue;
		len = sea_bytes_after(im, ph.p_vaddr);
		if (!len ||
			!sea_frames_begin(sea_bytes(im, ph.p_vaddr, len), len, ph.p_vaddr, &at) ||
			!sea_bytes_after(im, at))
			continue;
		len = sea_bytes_after(im, at);
		im->frames = (struct sea_frames){ sea_bytes(im, at, len), at, len };
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
static bool parse_fde(const struct sea_frames *eh, struct cursor c, uint32_t cie_at, uint32_t *last,
	struct sea_cie *cie, struct sea_fde *ret)
{
	if (cie_at != *last) {
		*last = SEA_NONE;
		if (!sea_cie_parse(eh, cie_at, cie))
			return false;
		*last = cie_at;
	}
	memset(ret, 0, sizeof(*ret));
	ret->cie_at = cie_at;
	ret->addr = sea_frames_pointer(&c, cie->pointer_enc, addr_of(eh, c.at));
	ret->size = sea_frames_pointer(&c, cie->pointer_enc & 0x0f, 0);
	if (cie->has_z) {
		uint64_t n = cursor_uleb(&c);
		struct cursor lsda = cursor_part(&c, n);

		ret->has_lsda = cie->lsda_enc != DW_EH_PE_omit && cursor_take(&lsda, 4) != 0;
	}
	ret->prog_at = c.at - eh->bytes;
	ret->prog_len = c.end - c.at;
	return !c.over && ret->size;
}

int sea_frames_list(const struct sea_frames *eh, struct sea_budget *b, struct sea_fde **ret_fdes,
	uint32_t *ret_n, struct err *err)
{
	struct cursor c = { eh->bytes, eh->bytes + eh->len, false };
	cleanup_free struct sea_fde *fdes = NULL;
	uint32_t n = 0, room = 0, last = SEA_NONE;
	struct sea_cie cie;

	while (c.end - c.at >= 4) {
		uint32_t at = c.at - eh->bytes;
		uint64_t len = cursor_take(&c, 4), cie_off;
		struct cursor one;
		struct sea_fde fde;

		if (!len || len == 0xffffffff || len > (uint64_t)(c.end - c.at))
			break; /* the end mark; the 64-bit form is not used by any linker here */
		one = cursor_part(&c, len);
		cie_off = cursor_take(&one, 4);
		if (!cie_off || cie_off > at + 4)
			continue;
		if (!parse_fde(eh, one, at + 4 - cie_off, &last, &cie, &fde))
			continue;
		if (n == MAX_FDES || (n % 4096 == 0 && sea_budget_spent(b)))
			return err_set(err, ETIME, "the call-frame information is too large");
		if (n == room) {
			room = room ? room * 2 : 512;
			fdes = xreallocarray(fdes, room, sizeof(fde));
		}
		fdes[n++] = fde;
	}
	if (n)
		qsort(fdes, n, sizeof(*fdes), by_start);
	*ret_fdes = take_ptr(fdes);
	*ret_n = n;
	return 0;
}

int sea_read_frames(struct sea_image *im, struct sea_budget *b, struct err *err)
{
	uint32_t n = 0;
	int rc;

	find_eh_frame(im);
	if (!im->frames.bytes)
		return 0;
	rc = sea_frames_list(&im->frames, b, &im->fdes, &im->n_fdes, err);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < im->n_fdes; i++) {
		const struct sea_fde *fde = &im->fdes[i];
		const struct sea_segment *s = sea_segment_of(im, fde->addr);

		if (s && s->flags & PF_X && fde->size <= s->addr + s->filesz - fde->addr)
			im->fdes[n++] = *fde;
	}
	im->n_fdes = n;
	return 0;
}
