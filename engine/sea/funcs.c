/* SPDX-License-Identifier: Apache-2.0 */
/* Where functions begin and end: call-frame information first, then symbols, then references. */
#include "sea/image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAX_FUNCS (2u << 20)

static bool is_code(const struct sea_image *im, uint64_t addr)
{
	return sea_place_of(im, addr) == SEA_P_CODE;
}

static void add_func(struct sea_image *im, uint32_t *room, struct sea_func f)
{
	if (im->n_funcs == *room) {
		*room = *room ? *room * 2 : 1024;
		im->funcs = xreallocarray(im->funcs, *room, sizeof(f));
	}
	f.parent = SEA_NONE;
	im->funcs[im->n_funcs++] = f;
}

static int by_start(const void *a, const void *b)
{
	const struct sea_func *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	/* Call-frame information knows the extent best; then the longest. */
	if ((x->flags ^ y->flags) & SEA_F_FDE)
		return x->flags & SEA_F_FDE ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	if (!x->name || !y->name)
		return !x->name - !y->name;
	/* Of several names at one address both versions must take the same one. */
	if ((x->file != NULL) != (y->file != NULL))
		return x->file ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void add_symbols(struct sea_image *im, uint32_t *room, const struct sea_sym *syms,
	uint32_t n, uint32_t flags)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct sea_sym *s = &syms[i];

		if (!s->defined || !is_code(im, s->addr) || !*s->name ||
			(s->type != STT_FUNC && s->type != STT_GNU_IFUNC))
			continue;
		if (im->n_funcs >= MAX_FUNCS)
			return;
		add_func(im, room,
			(struct sea_func){ .addr = s->addr,
				.size = s->size,
				.name = s->name,
				.file = s->file,
				.flags = SEA_F_SYMBOL | flags,
				.fde = SEA_NONE });
	}
}

/* Functions that nothing names: the entry point, and what runs at the start and the end. */
static void add_roots(struct sea_image *im, uint32_t *room)
{
	static const char *const arrays[] = { ".init_array", ".fini_array" };
	static const char *const pieces[] = { ".init", ".fini" };
	struct sea_func f = { .flags = SEA_F_FOUND, .fde = SEA_NONE };

	f.addr = im->entry;
	if (im->entry && is_code(im, im->entry))
		add_func(im, room, f);
	for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
		const struct sea_section *s = sea_section_named(im, pieces[k]);

		f.addr = s ? s->addr : 0;
		if (s && s->size && is_code(im, f.addr))
			add_func(im, room, f);
	}
	for (size_t k = 0; k < ARRAY_SIZE(arrays); k++) {
		const struct sea_section *s = sea_section_named(im, arrays[k]);

		for (uint64_t at = 0; s && at < s->size && sea_bytes(im, s->addr + at, 8); at += 8)
			if (sea_word_target(im, s->addr + at, &f.addr) && is_code(im, f.addr))
				add_func(im, room, f);
	}
}

/* The end of the code that holds @addr: of its section, or else of its segment. */
static uint64_t code_end(const struct sea_image *im, uint64_t addr)
{
	const struct sea_section *sect = sea_section_of(im, addr);
	const struct sea_segment *seg = sea_segment_of(im, addr);
	uint64_t end = seg->addr + seg->filesz;

	if (sect && sect->addr + sect->size < end)
		end = sect->addr + sect->size;
	return end;
}

/*
 * One entry an address; names win over none; nothing overlaps. A symbol that lies inside a frame
 * is a second entry, not a function of its own.
 */
static void settle(struct sea_image *im)
{
	uint32_t n = 0;
	uint64_t fde_end = 0;

	if (im->n_funcs)
		qsort(im->funcs, im->n_funcs, sizeof(*im->funcs), by_start);
	for (uint32_t i = 0; i < im->n_funcs; i++) {
		struct sea_func *f = &im->funcs[i], *last = n ? &im->funcs[n - 1] : NULL;

		if (last && last->addr == f->addr) {
			if (!last->name && f->name) {
				last->name = f->name;
				last->file = f->file;
			}
			last->flags |= f->flags;
			continue;
		}
		if (f->addr < fde_end)
			continue;
		if (f->flags & SEA_F_FDE)
			fde_end = f->addr + f->size;
		im->funcs[n++] = *f;
	}
	im->n_funcs = n;
	for (uint32_t i = 0; i < n; i++) {
		struct sea_func *f = &im->funcs[i];
		uint64_t end = code_end(im, f->addr);

		if (i + 1 < n && im->funcs[i + 1].addr < end)
			end = im->funcs[i + 1].addr;
		/* Without a size the disassembler finds the end; this is only its limit. */
		if (!f->size && !(f->flags & SEA_F_FDE))
			f->flags |= SEA_F_FOUND;
		if (!f->size || f->size > end - f->addr)
			f->size = end - f->addr;
	}
}

int sea_find_functions(struct sea_image *im, const struct sea_load_opts *opts, struct err *err)
{
	uint32_t room = 0;

	for (uint32_t i = 0; i < im->n_fdes; i++) {
		const struct sea_fde *d = &im->fdes[i];
		struct sea_func f = { .addr = d->addr, .size = d->size, .fde = i };

		f.flags = SEA_F_FDE | (d->has_lsda ? SEA_F_LSDA : 0);
		/* The linkage stubs have one frame; they are not functions of the program. */
		if (sea_section_of(im, d->addr) &&
			str_starts(sea_section_of(im, d->addr)->name, ".plt"))
			continue;
		add_func(im, &room, f);
	}
	add_symbols(im, &room, im->syms, im->n_syms, 0);
	if (!opts->no_exports)
		add_symbols(im, &room, im->dynsyms, im->n_dynsyms, SEA_F_EXPORTED);
	add_roots(im, &room);
	if (im->n_funcs >= MAX_FUNCS)
		return err_set(err, EFBIG, "more than %u functions", MAX_FUNCS);
	if (!im->n_funcs)
		return err_set(err, EINVAL,
			"has neither call-frame information nor symbols: no function is known");
	settle(im);
	return 0;
}

uint32_t sea_func_of(const struct sea_image *im, uint64_t addr)
{
	uint32_t lo = 0, hi = im->n_funcs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (im->funcs[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || addr - im->funcs[lo - 1].addr >= im->funcs[lo - 1].size)
		return SEA_NONE;
	return lo - 1;
}

uint32_t sea_func_at(const struct sea_image *im, uint64_t addr)
{
	uint32_t i = sea_func_of(im, addr);

	return i != SEA_NONE && im->funcs[i].addr == addr ? i : SEA_NONE;
}
