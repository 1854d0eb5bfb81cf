/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each changed or added function needs when it is put into the other version: where every
 * operand must lead there, which data has to come along, and the reasons why it must not be done.
 */
#include "sea/analysis.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/tls.h"

struct import {
	uint64_t key;
	const char *name;
	uint64_t stub, slot;
};

struct literal {
	uint64_t key, addr;
};

/* What one side offers to code of the other. */
struct offers {
	struct import *imports; /* sorted by key */
	uint32_t n_imports, room_imports;
	struct literal *literals; /* strings, sorted by key */
	uint32_t n_literals;
};

struct plan {
	struct sea_analysis *a;
	struct offers offers[2];
	struct sea_tls tls;
};

static void add_import(struct offers *o, const char *name, uint64_t stub, uint64_t slot)
{
	if (o->n_imports == o->room_imports) {
		o->room_imports = o->room_imports ? o->room_imports * 2 : 256;
		o->imports = xreallocarray(o->imports, o->room_imports, sizeof(*o->imports));
	}
	o->imports[o->n_imports++] =
		(struct import){ sea_hash(1, name, strlen(name)), name, stub, slot };
}

static int by_import(const void *x, const void *y)
{
	const struct import *a = x, *b = y;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->stub != b->stub ? (a->stub < b->stub ? -1 : 1) : 0;
}

static int by_literal(const void *x, const void *y)
{
	const struct literal *a = x, *b = y;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

/* Imports by the words that the loader fills, and by the stubs that jump through them. */
static void find_imports(const struct sea_image *im, struct offers *o)
{
	for (uint32_t i = 0; i < im->n_relocs; i++) {
		const struct sea_reloc *r = &im->relocs[i];

		if ((r->type == R_X86_64_GLOB_DAT || r->type == R_X86_64_JUMP_SLOT) && r->sym &&
			r->sym < im->n_dynsyms)
			add_import(o, im->dynsyms[r->sym].name, 0, r->addr);
	}
	for (uint32_t i = 0; i < im->n_sects; i++) {
		const struct sea_section *s = &im->sects[i];

		if (!str_starts(s->name, ".plt") || !(s->flags & SHF_EXECINSTR) ||
			s->size > SEA_MAX_FILE)
			continue;
		for (uint64_t at = 0; at + 6 <= s->size; at += 8) {
			const char *name = sea_stub_import(im, s->addr + at, NULL);

			if (name)
				add_import(o, name, s->addr + at, 0);
		}
	}
	for (uint32_t i = 0; i < im->n_refs; i++) {
		const struct sea_ref *r = &im->refs[i];
		const char *name;

		if (r->kind == SEA_R_CALL && sea_func_of(im, r->target) == SEA_NONE &&
			(name = sea_stub_import(im, r->target, NULL)))
			add_import(o, name, r->target, 0);
	}
	if (o->n_imports)
		qsort(o->imports, o->n_imports, sizeof(*o->imports), by_import);
}

static void find_literals(const struct sea_image *im, struct offers *o)
{
	o->literals = xreallocarray(NULL, im->n_ref_targets, sizeof(*o->literals));
	for (uint32_t i = 0; i < im->n_ref_targets; i++) {
		uint64_t addr = im->ref_targets[i];
		size_t len = sea_string_at(im, addr);

		if (len)
			o->literals[o->n_literals++] =
				(struct literal){ sea_hash(2, sea_bytes(im, addr, len), len),
					addr };
	}
	if (o->n_literals)
		qsort(o->literals, o->n_literals, sizeof(*o->literals), by_literal);
}

/* In records that are sorted by the key that they begin with: the first that has @key or more. */
static uint32_t first_of(const void *records, uint32_t n, size_t size, uint64_t key)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (*(const uint64_t *)((const char *)records + mid * size) < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void lookup_import(
	const struct offers *o, const char *name, uint64_t *ret_stub, uint64_t *ret_slot)
{
	uint64_t key = sea_hash(1, name, strlen(name));

	for (uint32_t i = first_of(o->imports, o->n_imports, sizeof(*o->imports), key);
		i < o->n_imports && o->imports[i].key == key; i++) {
		if (strcmp(o->imports[i].name, name))
			continue;
		if (o->imports[i].stub)
			*ret_stub = o->imports[i].stub;
		if (o->imports[i].slot)
			*ret_slot = o->imports[i].slot;
	}
}

static uint64_t lookup_literal(
	const struct offers *o, const struct sea_image *im, const uint8_t *text, size_t len)
{
	uint64_t key = sea_hash(2, text, len);

	for (uint32_t i = first_of(o->literals, o->n_literals, sizeof(*o->literals), key);
		i < o->n_literals && o->literals[i].key == key; i++) {
		const uint8_t *p = sea_bytes(im, o->literals[i].addr, len + 1);

		if (p && !p[len] && !memcmp(p, text, len))
			return o->literals[i].addr;
	}
	return 0;
}

/* One more section (or, without sections, segment) that comes along whole. */
static bool add_copy_around(struct plan *p, enum sea_side side, uint64_t addr)
{
	struct sea_analysis *a = p->a;
	const struct sea_section *sect = sea_section_of(a->im[side], addr);
	const struct sea_segment *seg = sea_segment_of(a->im[side], addr);
	struct sea_map_copy c = { .align = 64 };

	if (!seg)
		return false;
	c.addr = sect ? sect->addr : seg->addr;
	c.size = sect ? sect->size : seg->filesz;
	if (!sea_bytes(a->im[side], c.addr, c.size))
		return false;
	for (uint32_t i = 0; i < a->n_copies[side]; i++)
		if (a->copies[side][i].addr == c.addr)
			return true;
	if (a->n_copies[side] == a->room_copies[side]) {
		a->room_copies[side] = a->room_copies[side] ? a->room_copies[side] * 2 : 16;
		a->copies[side] = xreallocarray(a->copies[side], a->room_copies[side], sizeof(c));
	}
	a->copies[side][a->n_copies[side]++] = c;
	return true;
}

static void add_slot(struct sea_analysis *a, enum sea_side side, struct sea_map_slot s)
{
	if (a->n_slots[side] == a->room_slots[side]) {
		a->room_slots[side] = a->room_slots[side] ? a->room_slots[side] * 2 : 64;
		a->slots[side] = xreallocarray(a->slots[side], a->room_slots[side], sizeof(s));
	}
	a->slots[side][a->n_slots[side]++] = s;
}

static void add_table_slots(struct sea_analysis *a, enum sea_side side, uint64_t table, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sea_map_slot s = { .addr = table + 4 * i, .klass = SEA_C_SELF, .width = 4 };
		int32_t rel;

		memcpy(&rel, sea_bytes(a->im[side], s.addr, 4), 4);
		s.base = table;
		s.target = table + (int64_t)rel;
		add_slot(a, side, s);
	}
}

static bool same_group(const struct sea_image *im, uint32_t f, uint32_t g)
{
	return f == g || im->funcs[f].parent == g || im->funcs[g].parent == f ||
	       (im->funcs[f].parent != SEA_NONE && im->funcs[f].parent == im->funcs[g].parent);
}

/* The other version's stub for the indirect function that the stub at @addr leads to, or 0. */
static uint64_t chosen_stub(const struct sea_analysis *a, enum sea_side side, uint64_t addr)
{
	const struct sea_image *other = a->im[!side];
	uint64_t resolver, theirs;
	uint32_t f, peer;

	if (!sea_stub_resolver(a->im[side], addr, &resolver))
		return 0;
	f = sea_func_at(a->im[side], resolver);
	peer = f == SEA_NONE ? SEA_NONE : a->m.peer[side][f];
	for (uint32_t i = 0; peer != SEA_NONE && i < other->n_refs; i++)
		if (other->refs[i].kind == SEA_R_CALL &&
			sea_func_of(other, other->refs[i].target) == SEA_NONE &&
			sea_stub_resolver(other, other->refs[i].target, &theirs) &&
			sea_func_at(other, theirs) == peer)
			return other->refs[i].target;
	return 0;
}

/* Code inside the object. @stored: the address may end up in memory. */
static const char *resolve_code(const struct plan *p, enum sea_side side, uint32_t func,
	uint64_t target, bool stored, struct sea_map_operand *op)
{
	const struct sea_analysis *a = p->a;
	const struct sea_image *im = a->im[side], *other = a->im[!side];
	uint32_t f = sea_func_of(im, target), peer;

	if (f == SEA_NONE) {
		const char *name = sea_stub_import(im, target, NULL);

		if (!name && (op->peer = chosen_stub(a, side, target))) {
			op->klass = SEA_C_IMPORT;
			return NULL;
		}
		if (!name)
			return "refers to code that belongs to no known function";
		op->klass = SEA_C_IMPORT;
		lookup_import(&p->offers[!side], name, &op->peer, &op->slot);
		return op->peer || op->slot ? NULL : name;
	}
	peer = a->m.peer[side][f];
	if (im->funcs[f].addr != target) {
		if (func != SEA_NONE && same_group(im, func, f)) {
			op->klass = SEA_C_SELF;
			return NULL;
		}
		if (peer == SEA_NONE || a->func[side][f].verdict != SEA_V_IDENTICAL)
			return "jumps into the middle of a function that differs";
		op->klass = SEA_C_FUNC;
		op->peer = other->funcs[peer].addr + (target - im->funcs[f].addr);
		return NULL;
	}
	op->peer = peer == SEA_NONE ? 0 : other->funcs[peer].addr;
	if (stored)
		op->klass = SEA_C_ADDRESS;
	else if (func != SEA_NONE && same_group(im, func, f))
		op->klass = SEA_C_SELF;
	else
		op->klass =
			a->func[side][f].verdict == SEA_V_IDENTICAL ? SEA_C_FUNC : SEA_C_INJECTED;
	return NULL;
}

/* A word of the global offset table: the other version's word for the same thing. */
static const char *resolve_slot(
	const struct plan *p, enum sea_side side, uint64_t addr, struct sea_map_operand *op)
{
	const struct sea_image *im = p->a->im[side], *other = p->a->im[!side];
	const struct sea_reloc *r = sea_reloc_at(im, addr);
	uint64_t stub = 0, to, peer = 0;
	uint32_t f;

	op->klass = SEA_C_SLOT;
	if (!r)
		return "uses a word of the linkage table that the loader does not fill";
	if (r->sym && r->sym < im->n_dynsyms &&
		(r->type == R_X86_64_GLOB_DAT || r->type == R_X86_64_JUMP_SLOT)) {
		lookup_import(&p->offers[!side], im->dynsyms[r->sym].name, &stub, &op->peer);
		return op->peer ? NULL : im->dynsyms[r->sym].name;
	}
	if (r->type != R_X86_64_RELATIVE || !sea_reloc_target(im, r, &to))
		return "uses a kind of linkage that is not followed (thread-local or indirect)";
	f = sea_func_at(im, to);
	if (f != SEA_NONE && p->a->m.peer[side][f] != SEA_NONE)
		peer = other->funcs[p->a->m.peer[side][f]].addr;
	else if (f == SEA_NONE && !sea_data_peer(p->a, side, to, &peer))
		peer = 0;
	for (uint32_t i = 0; peer && i < other->n_relocs; i++)
		if (other->relocs[i].type == R_X86_64_RELATIVE &&
			(uint64_t)other->relocs[i].addend == peer &&
			sea_place_of(other, other->relocs[i].addr) == SEA_P_GOT) {
			op->peer = other->relocs[i].addr;
			return NULL;
		}
	return "uses a word of the linkage table that the other version lacks";
}

static const char *resolve_read_only(
	struct plan *p, enum sea_side side, const struct sea_ref *r, struct sea_map_operand *op)
{
	struct sea_analysis *a = p->a;
	const struct sea_image *im = a->im[side];
	size_t len = sea_string_at(im, r->target);
	uint32_t table = r->kind == SEA_R_LEA ? sea_jump_table(im, r->func, r->target) : 0;

	op->klass = SEA_C_LITERAL;
	if (len && !table && r->kind != SEA_R_READ) {
		op->peer = lookup_literal(
			&p->offers[!side], a->im[!side], sea_bytes(im, r->target, len), len);
		if (op->peer)
			return NULL;
	}
	op->klass = SEA_C_COPY;
	if (!add_copy_around(p, side, r->target))
		return "uses read-only data that cannot be copied";
	if (table)
		add_table_slots(a, side, r->target, table);
	return NULL;
}

/* Copies a table of pointers' section and resolves the words in it. */
static const char *copy_pointers(struct plan *p, enum sea_side side, uint64_t addr)
{
	struct sea_analysis *a = p->a;
	const struct sea_image *im = a->im[side];
	uint32_t before = a->n_copies[side];
	const struct sea_map_copy *c;

	if (!add_copy_around(p, side, addr))
		return "uses constant tables that cannot be copied";
	if (a->n_copies[side] == before)
		return NULL;
	c = &a->copies[side][before];
	for (uint32_t i = sea_reloc_first(im, c->addr);
		i < im->n_relocs && im->relocs[i].addr - c->addr < c->size; i++) {
		const struct sea_reloc *r = &im->relocs[i];
		struct sea_map_slot s = { .addr = r->addr, .width = 8, .klass = SEA_C_UNKNOWN };
		struct sea_map_operand op = { 0 };
		const char *why = "";

		if (sea_reloc_import(im, r)) {
			lookup_import(
				&p->offers[!side], sea_reloc_import(im, r), &s.peer, &op.slot);
			s.klass = s.peer ? SEA_C_IMPORT : SEA_C_UNKNOWN;
		} else if (sea_reloc_target(im, r, &s.target)) {
			enum sea_place place = sea_place_of(im, s.target);

			if (place == SEA_P_CODE)
				why = resolve_code(p, side, SEA_NONE, s.target, true, &op);
			else if (sea_data_peer(a, side, s.target, &op.peer))
				why = NULL, op.klass = SEA_C_DATA;
			else if ((place == SEA_P_RODATA || place == SEA_P_RELRO) &&
				 add_copy_around(p, side, s.target))
				why = NULL, op.klass = SEA_C_COPY;
			if (!why) {
				s.klass = op.klass;
				s.peer = op.peer;
			}
		}
		add_slot(a, side, s);
		c = &a->copies[side][before];
	}
	return NULL;
}

static const struct sea_sym *object_at(const struct sea_image *im, uint64_t addr)
{
	for (uint32_t i = 0; i < im->n_syms; i++)
		if (im->syms[i].type == STT_OBJECT && addr >= im->syms[i].addr &&
			addr - im->syms[i].addr < im->syms[i].size)
			return &im->syms[i];
	return NULL;
}

static bool is_named_elsewhere(const struct sea_image *im, const struct sea_sym *s)
{
	for (uint32_t i = 0; i < im->n_syms; i++)
		if (im->syms[i].type == STT_OBJECT && sea_names_agree(im->syms[i].name, s->name))
			return true;
	return false;
}

/* Writable data that only this version has, by its symbol: its initialised copy comes along. */
static bool copy_new_object(struct plan *p, enum sea_side side, uint64_t addr)
{
	struct sea_analysis *a = p->a;
	const struct sea_sym *s =
		a->im[0]->has_symtab && a->im[1]->has_symtab ? object_at(a->im[side], addr) : NULL;
	struct sea_map_copy c = { .align = 64, .flags = SEA_CF_WRITABLE };

	if (!s || is_named_elsewhere(a->im[!side], s))
		return false;
	c.addr = s->addr;
	c.size = s->size;
	if (!sea_bytes(a->im[side], c.addr, c.size))
		c.flags |= SEA_CF_ZERO;
	/* Words that the loader fills would need homes of their own. */
	if (sea_reloc_first(a->im[side], c.addr) != sea_reloc_first(a->im[side], c.addr + c.size))
		return false;
	for (uint32_t i = 0; i < a->n_copies[side]; i++)
		if (a->copies[side][i].addr == c.addr)
			return true;
	if (a->n_copies[side] == a->room_copies[side]) {
		a->room_copies[side] = a->room_copies[side] ? a->room_copies[side] * 2 : 16;
		a->copies[side] = xreallocarray(a->copies[side], a->room_copies[side], sizeof(c));
	}
	a->copies[side][a->n_copies[side]++] = c;
	return true;
}

static const char *resolve_data(
	struct plan *p, enum sea_side side, const struct sea_ref *r, struct sea_map_operand *op)
{
	const struct sea_image *im = p->a->im[side];
	enum sea_place place = sea_place_of(im, r->target);

	op->klass = SEA_C_DATA;
	if (sea_data_peer(p->a, side, r->target, &op->peer))
		return NULL;
	if (sea_conflict_of(p->a, side, r->target))
		return "uses data whose layout differs";
	op->klass = SEA_C_COPY;
	if (place == SEA_P_RELRO)
		return copy_pointers(p, side, r->target);
	if (copy_new_object(p, side, r->target))
		return NULL;
	return "uses data whose place in the other version is not known";
}

static const char *resolve(
	struct plan *p, enum sea_side side, const struct sea_ref *r, struct sea_map_operand *op)
{
	const struct sea_image *im = p->a->im[side];

	if (!r->width)
		return "holds an operand whose place in the instruction is not known";
	switch (r->kind) {
	case SEA_R_TLS:
		op->klass = SEA_C_TLS;
		return sea_tls_stays(&p->tls, r->target)
			       ? NULL
			       : "uses thread-local data, whose layout differs or is not known";
	case SEA_R_ABS:
		return "holds constants that may be addresses (position-dependent code)";
	default:
		break;
	}
	switch (sea_place_of(im, r->target)) {
	case SEA_P_CODE:
		return resolve_code(p, side, r->func, r->target,
			r->kind != SEA_R_CALL && r->kind != SEA_R_JUMP, op);
	case SEA_P_GOT:
		return resolve_slot(p, side, r->target, op);
	case SEA_P_RODATA:
		return resolve_read_only(p, side, r, op);
	case SEA_P_NONE:
		return "refers to an address outside the object";
	default:
		return resolve_data(p, side, r, op);
	}
}

static void plan_func(struct plan *p, enum sea_side side, uint32_t func)
{
	struct sea_analysis *a = p->a;
	const struct sea_image *im = a->im[side];
	const struct sea_func *f = &im->funcs[func];
	struct sea_func_result *res = &a->func[side][func];

	res->op = a->n_ops[side];
	res->n_op = f->n_ref;
	if (f->flags & SEA_F_PARTIAL)
		sea_refuse(a, side, func, xstrdup("holds bytes that are no instruction"));
	if (f->flags & SEA_F_LSDA)
		sea_refuse(a, side, func,
			xstrdup("handles C++ exceptions, which would not find the copy"));
	for (uint32_t i = 0; i < f->n_ref; i++) {
		const struct sea_ref *r = &im->refs[f->ref + i];
		const struct sea_insn *in = &im->insns[r->insn];
		struct sea_map_operand op = { .target = r->target, .width = r->width };
		const char *why;

		if (sea_budget_spent(a->budget)) {
			res->n_op = 0; /* the caller drops the whole result */
			return;
		}
		op.off = in->off + r->off;
		op.next = in->off + in->len;
		op.relative = r->kind != SEA_R_TLS && r->kind != SEA_R_ABS;
		why = resolve(p, side, r, &op);
		/* A short jump cannot reach a function that is put elsewhere. */
		if (!why && r->width == 1 && op.klass != SEA_C_SELF)
			why = "reaches another function by a one-byte distance";
		if (why && (op.klass == SEA_C_IMPORT || op.klass == SEA_C_SLOT) &&
			!strchr(why, ' '))
			sea_refuse(a, side, func,
				xasprintf(
					"needs the import %s, which the other version lacks", why));
		else if (why)
			sea_refuse(a, side, func, xasprintf("%s (at +%#x)", why, in->off));
		if (why) {
			op.klass = SEA_C_UNKNOWN;
			op.peer = op.slot = 0;
		}
		if (a->n_ops[side] == a->room_ops[side]) {
			a->room_ops[side] = a->room_ops[side] ? a->room_ops[side] * 2 : 1024;
			a->ops[side] = xreallocarray(a->ops[side], a->room_ops[side], sizeof(op));
		}
		a->ops[side][a->n_ops[side]++] = op;
	}
}

static int by_copy(const void *x, const void *y)
{
	const struct sea_map_copy *a = x, *b = y;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static int by_slot(const void *x, const void *y)
{
	const struct sea_map_slot *a = x, *b = y;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void settle(struct sea_analysis *a, enum sea_side side)
{
	uint32_t n = 0;

	if (a->n_copies[side])
		qsort(a->copies[side], a->n_copies[side], sizeof(*a->copies[side]), by_copy);
	if (a->n_slots[side])
		qsort(a->slots[side], a->n_slots[side], sizeof(*a->slots[side]), by_slot);
	for (uint32_t i = 0; i < a->n_slots[side]; i++)
		if (!n || a->slots[side][n - 1].addr != a->slots[side][i].addr)
			a->slots[side][n++] = a->slots[side][i];
	a->n_slots[side] = n;
}

void sea_plan_injection(struct sea_analysis *a)
{
	struct plan p = { .a = a };

	for (int s = 0; s < 2; s++) {
		find_imports(a->im[s], &p.offers[s]);
		find_literals(a->im[s], &p.offers[s]);
	}
	sea_tls_compare(a, &p.tls);
	for (int s = 0; s < 2; s++) {
		for (uint32_t i = 0; i < a->im[s]->n_funcs; i++)
			if (a->func[s][i].verdict != SEA_V_IDENTICAL)
				plan_func(&p, s, i);
		settle(a, s);
	}
	/* A function and its cold part go together, or not at all. */
	for (int s = 0; s < 2; s++)
		for (uint32_t i = 0; i < a->im[s]->n_funcs; i++) {
			uint32_t whole = a->im[s]->funcs[i].parent;

			if (whole == SEA_NONE)
				continue;
			if (a->func[s][i].refusal)
				sea_refuse(a, s, whole,
					xasprintf("its cold part %s", a->func[s][i].refusal));
			else if (a->func[s][whole].refusal)
				sea_refuse(a, s, i,
					xasprintf("its function %s", a->func[s][whole].refusal));
		}
	for (int s = 0; s < 2; s++) {
		free(p.offers[s].imports);
		free(p.offers[s].literals);
	}
	sea_tls_free(&p.tls);
}
