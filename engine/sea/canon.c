/* SPDX-License-Identifier: Apache-2.0 */
/* What a reference means independently of addresses: the common language of the two versions. */
#include "sea/match.h"

#include <elf.h>
#include <string.h>

#include "base/xalloc.h"

enum { C_IMPORT = 0x11, C_STRING, C_CONST, C_FUNC, C_TLS, C_NAME };

static uint64_t named(unsigned what, const char *name)
{
	return sea_hash(what, name, strlen(name)) | 1;
}

/* The symbol that the loader copies to @addr (COPY relocation), or whose address fills the slot. */
static const char *slot_name(const struct sea_image *im, uint64_t addr)
{
	const struct sea_reloc *r = sea_reloc_at(im, addr);

	if (!r || !r->sym || r->sym >= im->n_dynsyms)
		return NULL;
	if (r->type == R_X86_64_COPY || r->type == R_X86_64_GLOB_DAT ||
		r->type == R_X86_64_JUMP_SLOT || r->type == R_X86_64_TPOFF64 ||
		r->type == R_X86_64_DTPMOD64)
		return im->dynsyms[r->sym].name;
	return NULL;
}

uint64_t sea_canon_static(const struct sea_image *im, const struct sea_ref *r)
{
	enum sea_place place;
	const char *name;
	const uint8_t *p;
	size_t len;

	if (r->kind == SEA_R_TLS)
		return 0;
	place = sea_place_of(im, r->target);
	switch (place) {
	case SEA_P_CODE:
		if (sea_func_of(im, r->target) != SEA_NONE)
			return 0;
		name = sea_stub_import(im, r->target, NULL);
		return name ? named(C_IMPORT, name) : 0;
	case SEA_P_RODATA:
		len = sea_string_at(im, r->target);
		p = sea_bytes(im, r->target, len);
		if (len && (r->kind == SEA_R_LEA || r->kind == SEA_R_ABS))
			return sea_hash(C_STRING, p, len) | 1;
		p = r->access ? sea_bytes(im, r->target, r->access) : NULL;
		return p ? sea_hash(C_CONST, p, r->access) | 1 : 0;
	case SEA_P_NONE:
		return 0;
	default:
		name = slot_name(im, r->target);
		return name && *name ? named(C_NAME, name) : 0;
	}
}

static uint64_t canon_func(const struct sea_match *m, enum sea_side side, uint64_t target)
{
	uint32_t f = sea_func_at(m->im[side], target);

	if (f == SEA_NONE || m->peer[side][f] == SEA_NONE)
		return 0;
	if (side == SEA_NEW)
		f = m->peer[side][f];
	return sea_hash(C_FUNC, &f, sizeof(f)) | 1;
}

uint64_t sea_canon(const struct sea_match *m, enum sea_side side, uint32_t ref)
{
	const struct sea_ref *r = &m->im[side]->refs[ref];
	uint64_t resolver;

	if (m->canon[side][ref])
		return m->canon[side][ref];
	if (r->kind == SEA_R_TLS)
		return C_TLS;
	if (sea_func_of(m->im[side], r->target) == SEA_NONE &&
		sea_stub_resolver(m->im[side], r->target, &resolver))
		return canon_func(m, side, resolver) * 3;
	return canon_func(m, side, r->target);
}

uint64_t sea_canon_reloc(const struct sea_match *m, enum sea_side side, const struct sea_reloc *r)
{
	const struct sea_image *im = m->im[side];
	const char *name = sea_reloc_import(im, r);
	uint64_t to;
	size_t len;

	if (name)
		return named(C_NAME, name);
	if (!sea_reloc_target(im, r, &to))
		return 0;
	len = sea_string_at(im, to);
	if (len)
		return sea_hash(C_STRING, sea_bytes(im, to, len), len) | 1;
	return canon_func(m, side, to);
}
