/* SPDX-License-Identifier: Apache-2.0 */
/* The records of one analysed pair. */
#include "sea/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/map_build.h"

#define PATCH_LEN 5 /* jmp rel32 */

static uint32_t room_of(const struct sea_image *im, uint32_t i)
{
	const struct sea_func *f = &im->funcs[i];
	const struct sea_section *s = sea_section_of(im, f->addr);
	uint64_t end = s ? s->addr + s->size : f->addr + f->size;

	if (i + 1 < im->n_funcs && im->funcs[i + 1].addr < end)
		end = im->funcs[i + 1].addr;
	end -= f->addr;
	return end > UINT32_MAX ? UINT32_MAX : end;
}

/* Whether the bytes of a patch at the entry are its own: nothing jumps between them. */
static bool is_patchable(const struct sea_image *im, uint32_t i)
{
	const struct sea_func *f = &im->funcs[i];

	if (f->flags & (SEA_F_FRAGMENT | SEA_F_PARTIAL) || room_of(im, i) < PATCH_LEN)
		return false;
	/* Behind a shorter function the patch may only cover padding. */
	for (uint64_t k = f->size; k < PATCH_LEN; k++) {
		const uint8_t *p = sea_bytes(im, f->addr + k, 1);

		if (!p || (*p != 0x90 && *p != 0xcc && *p != 0x66 && *p != 0x0f && *p != 0x1f &&
				  *p != 0x2e && *p != 0x00))
			return false;
	}
	for (uint32_t k = 0; k < f->n_insn; k++) {
		uint32_t to = sea_jump_inside(im, f, f->insn + k);

		if (to > 0 && to < PATCH_LEN)
			return false;
	}
	return true;
}

static uint32_t flags_of(const struct sea_analysis *a, enum sea_side side, uint32_t i)
{
	const struct sea_func *f = &a->im[side]->funcs[i];
	const struct sea_func_result *r = &a->func[side][i];
	uint32_t flags = 0;

	if (f->flags & SEA_F_FRAGMENT)
		flags |= SEA_FF_FRAGMENT;
	if (r->ambiguous && r->verdict == SEA_V_ALONE)
		flags |= SEA_FF_AMBIGUOUS;
	if (is_patchable(a->im[side], i))
		flags |= SEA_FF_PATCHABLE;
	if (f->flags & SEA_F_ADDRESS)
		flags |= SEA_FF_ADDRESS;
	if (f->flags & SEA_F_EXPORTED)
		flags |= SEA_FF_EXPORTED;
	if (r->refusal)
		flags |= SEA_FF_REFUSED;
	if (f->flags & SEA_F_LSDA)
		flags |= SEA_FF_EXCEPTIONS;
	return flags;
}

static void add_funcs(struct sea_map_builder *b, const struct sea_analysis *a, enum sea_side side)
{
	const struct sea_image *im = a->im[side];
	struct sea_map_func *v = xreallocarray(NULL, im->n_funcs, sizeof(*v));

	for (uint32_t i = 0; i < im->n_funcs; i++) {
		const struct sea_func *f = &im->funcs[i];
		const struct sea_func_result *r = &a->func[side][i];
		uint32_t peer = a->m.peer[side][i], fo = side == SEA_OLD ? i : peer;

		memset(&v[i], 0, sizeof(v[i]));
		v[i].addr = f->addr;
		v[i].size = f->size;
		v[i].name = sea_map_add_string(b, f->name);
		v[i].peer = peer;
		v[i].parent = f->parent;
		v[i].flags = flags_of(a, side, i);
		v[i].refusal = sea_map_add_string(b, r->refusal);
		v[i].operand = r->op;
		v[i].n_operands = r->n_op;
		v[i].verdict = r->verdict;
		v[i].room = room_of(im, i);
		if (peer == SEA_NONE)
			continue;
		v[i].evidence = a->m.how[fo];
		v[i].confidence = a->m.confidence[fo];
		v[i].similarity = r->verdict == SEA_V_IDENTICAL
					  ? 100
					  : sea_similarity(&a->m, fo, side == SEA_OLD ? peer : i);
	}
	sea_map_add_table(b, SEA_T_FUNCS_OLD + side, v, im->n_funcs, sizeof(*v));
	free(v);
}

static void add_data(struct sea_map_builder *b, const struct sea_analysis *a)
{
	struct sea_map_data *v = xreallocarray(NULL, a->n_ranges, sizeof(*v));

	for (int side = 0; side < 2; side++) {
		for (uint32_t i = 0; i < a->n_ranges; i++) {
			const struct sea_range *r = &a->ranges[side ? a->by_new[i] : i];

			v[i] = (struct sea_map_data){ r->old_addr, r->new_addr, r->size, r->flags,
				sea_map_add_string(b, r->name) };
		}
		sea_map_add_table(b, SEA_T_DATA + side, v, a->n_ranges, sizeof(*v));
	}
	free(v);
}

/* The callee's name for people, from the call before @ret. */
static const char *callee_of(const struct sea_image *im, uint32_t func, uint64_t ret)
{
	uint32_t i = sea_insn_at(im, &im->funcs[func], ret - im->funcs[func].addr - 1), f;
	const struct sea_ref *r;
	const struct sea_reloc *slot;

	if (i == SEA_NONE || im->insns[i].ref == SEA_NONE)
		return NULL;
	r = &im->refs[im->insns[i].ref];
	f = sea_func_at(im, r->target);
	if (f != SEA_NONE)
		return im->funcs[f].name;
	slot = sea_reloc_at(im, r->target);
	return slot ? sea_reloc_import(im, slot) : sea_stub_import(im, r->target, NULL);
}

static int by_new_ret(const void *x, const void *y)
{
	const struct sea_map_site *a = x, *b = y;

	return a->new_ret < b->new_ret ? -1 : a->new_ret > b->new_ret;
}

static void add_sites(struct sea_map_builder *b, const struct sea_analysis *a)
{
	for (uint32_t i = 0; i < a->n_sites; i++)
		a->sites[i].callee = sea_map_add_string(
			b, callee_of(a->im[0], a->sites[i].old_func, a->sites[i].old_ret));
	sea_map_add_table(b, SEA_T_SITES, a->sites, a->n_sites, sizeof(*a->sites));
	if (a->n_sites)
		qsort(a->sites, a->n_sites, sizeof(*a->sites), by_new_ret);
	sea_map_add_table(b, SEA_T_SITES_BY_NEW, a->sites, a->n_sites, sizeof(*a->sites));
}

static void add_conflicts(struct sea_map_builder *b, const struct sea_analysis *a)
{
	struct sea_map_conflict *v = xreallocarray(NULL, a->n_conflicts, sizeof(*v));

	for (uint32_t i = 0; i < a->n_conflicts; i++) {
		const struct sea_conflict *c = &a->conflicts[i];

		v[i] = (struct sea_map_conflict){ { c->lo[0], c->lo[1] }, { c->hi[0], c->hi[1] },
			sea_map_add_string(b, c->why), 0 };
	}
	sea_map_add_table(b, SEA_T_CONFLICTS, v, a->n_conflicts, sizeof(*v));
	free(v);
}

static void add_types(struct sea_map_builder *b, const struct sea_analysis *a)
{
	struct sea_map_type *v = xreallocarray(NULL, a->n_types, sizeof(*v));

	for (uint32_t i = 0; i < a->n_types; i++) {
		const struct sea_type_change *t = &a->types[i];

		v[i] = (struct sea_map_type){ { t->size[0], t->size[1] },
			sea_map_add_string(b, t->name), sea_map_add_string(b, t->what) };
	}
	sea_map_add_table(b, SEA_T_TYPES, v, a->n_types, sizeof(*v));
	free(v);
}

void sea_map_add_pair(struct sea_map_builder *b, const struct sea_analysis *a)
{
	for (int s = 0; s < 2; s++) {
		add_funcs(b, a, s);
		sea_map_add_table(
			b, SEA_T_OPERANDS_OLD + s, a->ops[s], a->n_ops[s], sizeof(*a->ops[s]));
		sea_map_add_table(b, SEA_T_COPIES_OLD + s, a->copies[s], a->n_copies[s],
			sizeof(*a->copies[s]));
		sea_map_add_table(
			b, SEA_T_SLOTS_OLD + s, a->slots[s], a->n_slots[s], sizeof(*a->slots[s]));
	}
	add_data(b, a);
	add_sites(b, a);
	add_conflicts(b, a);
	add_types(b, a);
}
