/* SPDX-License-Identifier: Apache-2.0 */
/* The dynamic section: relocations, dynamic symbols, imports. */
#include "sea/image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_RELOCS (8u << 20)

/* Not in the elf.h of glibc 2.36. */
#define TAG_RELRSZ 35
#define TAG_RELR   36

struct dynamic {
	uint64_t symtab, strtab, strsz, rela, relasz, jmprel, pltrelsz, relr, relrsz, hash,
		gnu_hash;
	uint64_t soname, verneed;
	bool has_soname;
};

static void take_tag(struct dynamic *d, const Elf64_Dyn *dyn)
{
	switch (dyn->d_tag) {
	case DT_SYMTAB:
		d->symtab = dyn->d_un.d_val;
		break;
	case DT_STRTAB:
		d->strtab = dyn->d_un.d_val;
		break;
	case DT_STRSZ:
		d->strsz = dyn->d_un.d_val;
		break;
	case DT_RELA:
		d->rela = dyn->d_un.d_val;
		break;
	case DT_RELASZ:
		d->relasz = dyn->d_un.d_val;
		break;
	case DT_JMPREL:
		d->jmprel = dyn->d_un.d_val;
		break;
	case DT_PLTRELSZ:
		d->pltrelsz = dyn->d_un.d_val;
		break;
	case TAG_RELR:
		d->relr = dyn->d_un.d_val;
		break;
	case TAG_RELRSZ:
		d->relrsz = dyn->d_un.d_val;
		break;
	case DT_SONAME:
		d->soname = dyn->d_un.d_val;
		d->has_soname = true;
		break;
	default:
		break;
	}
}

static void read_tags(const struct sea_image *im, struct dynamic *d)
{
	Elf64_Ehdr eh;

	memcpy(&eh, im->data, sizeof(eh));
	for (unsigned i = 0; i < eh.e_phnum && im->segs; i++) {
		const uint8_t *at;
		Elf64_Phdr ph;

		memcpy(&ph, im->data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_DYNAMIC)
			continue;
		at = sea_bytes(im, ph.p_vaddr, ph.p_filesz);
		for (uint64_t k = 0; at && k + sizeof(Elf64_Dyn) <= ph.p_filesz;
			k += sizeof(Elf64_Dyn)) {
			Elf64_Dyn dyn;

			memcpy(&dyn, at + k, sizeof(dyn));
			if (dyn.d_tag == DT_NULL)
				break;
			take_tag(d, &dyn);
		}
	}
}

static int add_reloc(struct sea_image *im, uint32_t *room, struct sea_reloc r, struct err *err)
{
	if (im->n_relocs == MAX_RELOCS)
		return err_set(err, EFBIG, "more than %u relocations", MAX_RELOCS);
	if (im->n_relocs == *room) {
		*room = *room ? *room * 2 : 1024;
		im->relocs = xreallocarray(im->relocs, *room, sizeof(r));
	}
	im->relocs[im->n_relocs++] = r;
	return 0;
}

static int add_rela(struct sea_image *im, uint32_t *room, uint64_t addr, uint64_t size,
	uint32_t *ret_max_sym, struct err *err)
{
	const uint8_t *at = sea_bytes(im, addr, size);

	if (!size)
		return 0;
	if (!at)
		return err_set(err, EINVAL, "a relocation table lies outside the file");
	for (uint64_t k = 0; k + sizeof(Elf64_Rela) <= size; k += sizeof(Elf64_Rela)) {
		Elf64_Rela r;
		int rc;

		memcpy(&r, at + k, sizeof(r));
		if (ELF64_R_SYM(r.r_info) > *ret_max_sym)
			*ret_max_sym = ELF64_R_SYM(r.r_info);
		rc = add_reloc(im, room,
			(struct sea_reloc){ r.r_offset, r.r_addend, ELF64_R_TYPE(r.r_info),
				ELF64_R_SYM(r.r_info) },
			err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_relative(struct sea_image *im, uint32_t *room, uint64_t addr, struct err *err)
{
	const uint8_t *p = sea_bytes(im, addr, 8);
	uint64_t addend = 0;

	if (!p)
		return err_set(err, EINVAL, "a relative relocation lies outside the file");
	memcpy(&addend, p, 8);
	return add_reloc(im, room, (struct sea_reloc){ addr, addend, R_X86_64_RELATIVE, 0 }, err);
}

/* DT_RELR: an address, then bitmaps of the 63 words that follow. */
static int add_relr(
	struct sea_image *im, uint32_t *room, uint64_t addr, uint64_t size, struct err *err)
{
	const uint8_t *at = sea_bytes(im, addr, size);
	uint64_t base = 0;

	if (!size)
		return 0;
	if (!at)
		return err_set(err, EINVAL, "the compact relocations lie outside the file");
	for (uint64_t k = 0; k + 8 <= size; k += 8) {
		uint64_t entry;
		int rc = 0;

		memcpy(&entry, at + k, 8);
		if (!(entry & 1)) {
			rc = add_relative(im, room, entry, err);
			base = entry + 8;
		} else {
			for (int bit = 0; bit < 63 && rc == 0; bit++)
				if (entry >> (bit + 1) & 1)
					rc = add_relative(im, room, base + 8 * bit, err);
			base += 63 * 8;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct sea_reloc *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/*
 * The table of dynamic symbols has no length of its own. Its section header has one; without it
 * the table ends before the string table that linkers put behind it.
 */
static uint32_t count_dynsyms(const struct sea_image *im, const struct dynamic *d, uint32_t max_sym)
{
	uint64_t room = sea_bytes_after(im, d->symtab) / sizeof(Elf64_Sym);
	uint64_t n = (uint64_t)max_sym + 1;

	if (d->strtab > d->symtab)
		n = (d->strtab - d->symtab) / sizeof(Elf64_Sym);
	for (uint32_t i = 0; i < im->n_sects; i++)
		if (im->sects[i].type == SHT_DYNSYM && im->sects[i].addr == d->symtab)
			n = im->sects[i].size / sizeof(Elf64_Sym);
	return n < room ? n : room;
}

static void read_dynsyms(struct sea_image *im, const struct dynamic *d, uint32_t max_sym)
{
	const uint8_t *names = sea_bytes(im, d->strtab, d->strsz);
	uint32_t n = d->symtab ? count_dynsyms(im, d, max_sym) : 0;
	const uint8_t *at = sea_bytes(im, d->symtab, n * sizeof(Elf64_Sym));

	if (!n || !at || !names || !d->strsz || names[d->strsz - 1])
		return;
	if (d->has_soname && d->soname < d->strsz)
		im->soname = (const char *)names + d->soname;
	im->dynsyms = xreallocarray(NULL, n, sizeof(*im->dynsyms));
	for (uint32_t i = 0; i < n; i++) {
		Elf64_Sym s;

		memcpy(&s, at + i * sizeof(s), sizeof(s));
		im->dynsyms[i] = (struct sea_sym){
			.name = s.st_name < d->strsz ? (const char *)names + s.st_name : "",
			.addr = s.st_value,
			.size = s.st_size,
			.type = ELF64_ST_TYPE(s.st_info),
			.bind = ELF64_ST_BIND(s.st_info),
			.defined = s.st_shndx != SHN_UNDEF,
		};
	}
	im->n_dynsyms = n;
}

int sea_read_dynamic(struct sea_image *im, struct err *err)
{
	struct dynamic d = { 0 };
	uint32_t room = 0, max_sym = 0;
	int rc;

	read_tags(im, &d);
	rc = add_rela(im, &room, d.rela, d.relasz, &max_sym, err);
	/* A static program applies its own, which only a section names. */
	for (uint32_t i = 0; i < im->n_sects && rc == 0 && !d.rela && !d.jmprel; i++)
		if (im->sects[i].type == SHT_RELA && im->sects[i].flags & SHF_ALLOC)
			rc = add_rela(
				im, &room, im->sects[i].addr, im->sects[i].size, &max_sym, err);
	/* A static linker may put the second table inside the first. */
	if (rc == 0 && !(d.jmprel >= d.rela && d.jmprel < d.rela + d.relasz))
		rc = add_rela(im, &room, d.jmprel, d.pltrelsz, &max_sym, err);
	if (rc == 0)
		rc = add_relr(im, &room, d.relr, d.relrsz, err);
	if (rc < 0)
		return rc;
	if (im->n_relocs)
		qsort(im->relocs, im->n_relocs, sizeof(*im->relocs), by_address);
	read_dynsyms(im, &d, max_sym);
	return 0;
}

uint32_t sea_reloc_first(const struct sea_image *im, uint64_t addr)
{
	uint32_t lo = 0, hi = im->n_relocs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (im->relocs[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct sea_reloc *sea_reloc_at(const struct sea_image *im, uint64_t addr)
{
	uint32_t i = sea_reloc_first(im, addr);

	return i < im->n_relocs && im->relocs[i].addr == addr ? &im->relocs[i] : NULL;
}

bool sea_reloc_target(const struct sea_image *im, const struct sea_reloc *r, uint64_t *ret)
{
	const struct sea_sym *s;

	switch (r->type) {
	case R_X86_64_RELATIVE:
		*ret = r->addend;
		return true;
	case R_X86_64_64:
	case R_X86_64_GLOB_DAT:
	case R_X86_64_JUMP_SLOT:
		if (r->sym >= im->n_dynsyms)
			return false;
		s = &im->dynsyms[r->sym];
		if (!s->defined || s->type == STT_TLS)
			return false;
		*ret = s->addr + (r->type == R_X86_64_64 ? r->addend : 0);
		return true;
	default:
		return false;
	}
}

bool sea_word_target(const struct sea_image *im, uint64_t addr, uint64_t *ret)
{
	const struct sea_reloc *r = sea_reloc_at(im, addr);
	const uint8_t *word = sea_bytes(im, addr, sizeof(*ret));

	if (r)
		return sea_reloc_target(im, r, ret);
	if (im->is_pie || !word)
		return false;
	memcpy(ret, word, sizeof(*ret));
	return true;
}

const char *sea_reloc_import(const struct sea_image *im, const struct sea_reloc *r)
{
	if (!r->sym || r->sym >= im->n_dynsyms || im->dynsyms[r->sym].defined)
		return NULL;
	return im->dynsyms[r->sym].name;
}

/* The word that the linkage stub at @addr jumps through; false where there is no stub. */
static bool stub_slot(const struct sea_image *im, uint64_t addr, uint64_t *ret)
{
	static const uint8_t landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const uint8_t *p = sea_bytes(im, addr, 6);
	int32_t rel;

	if (p && !memcmp(p, landing, sizeof(landing))) {
		addr += sizeof(landing);
		p = sea_bytes(im, addr, 7);
	}
	if (p && *p == 0xf2) {
		addr++;
		p = sea_bytes(im, addr, 6);
	}
	if (!p || p[0] != 0xff || p[1] != 0x25)
		return false;
	memcpy(&rel, p + 2, 4);
	*ret = addr + 6 + (int64_t)rel;
	return true;
}

const char *sea_stub_import(const struct sea_image *im, uint64_t addr, uint64_t *ret_slot)
{
	const struct sea_reloc *r;
	uint64_t slot;

	if (!stub_slot(im, addr, &slot))
		return NULL;
	/* A library calls its own exported functions through stubs too. */
	r = sea_reloc_at(im, slot);
	if (!r || !r->sym || r->sym >= im->n_dynsyms)
		return NULL;
	if (ret_slot)
		*ret_slot = slot;
	return im->dynsyms[r->sym].name;
}

bool sea_stub_resolver(const struct sea_image *im, uint64_t addr, uint64_t *ret)
{
	const struct sea_reloc *r;
	uint64_t slot;

	if (!stub_slot(im, addr, &slot))
		return false;
	r = sea_reloc_at(im, slot);
	if (!r || r->type != R_X86_64_IRELATIVE)
		return false;
	*ret = r->addend;
	return true;
}
