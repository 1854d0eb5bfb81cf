/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs that a structure is laid out otherwise in the other version, from code alone: the same
 * instruction reads another offset, walks with another stride, or asks for objects of another
 * size; a size is computed otherwise; as much as is used of what an argument points to differs. A
 * function that shows one must not run on the other version's data.
 */
#include "sea/analysis.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/fields.h"
#include "sea/layout.h"
#include "sea/stride.h"
#include "sea/twins.h"

#define MAX_WRAPPER 120 /* instructions of a function that passes a size on to the allocator */
#define MAX_OBJECT  65536
#define MIN_GROWTH  4
#define ALIKE	    75 /* percent: what differs is a layout, and not the code */
#define NEAR_CALL   8  /* instructions in which a size is computed */
#define NEAR_USE    8  /* and in which a constant is used */
#define MAX_CHECKS  64 /* of a function's offsets; what is left counts as moved */

static bool is_allocator(const char *name)
{
	static const char *const names[] = { "malloc", "calloc", "realloc", "reallocarray",
		"aligned_alloc", "memalign", "posix_memalign", "_Znwm", "_Znam",
		"_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t", "mallocx", "rallocx", "g_malloc",
		"g_malloc0", "g_slice_alloc", "apr_palloc", "palloc", "palloc0", "OPENSSL_malloc",
		"CRYPTO_malloc", "CRYPTO_zalloc" };

	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

bool sea_leads_to_allocator(const struct sea_layout *l, enum sea_side side, const struct sea_ref *r)
{
	const struct sea_image *im = l->a->im[side];
	uint32_t f;

	if (r->kind != SEA_R_CALL && r->kind != SEA_R_JUMP && r->kind != SEA_R_READ)
		return false;
	if (r->kind == SEA_R_READ) {
		const struct sea_reloc *slot = sea_reloc_at(im, r->target);

		return slot && is_allocator(sea_reloc_import(im, slot));
	}
	f = sea_func_at(im, r->target);
	if (f != SEA_NONE)
		return l->allocates[side][f];
	return is_allocator(sea_stub_import(im, r->target, NULL));
}

/* Short functions that call the allocator are allocators, two deep. */
static void find_allocators(struct sea_layout *l, enum sea_side side)
{
	const struct sea_image *im = l->a->im[side];

	l->allocates[side] = xzalloc(im->n_funcs);
	for (uint32_t i = 0; i < im->n_funcs; i++)
		l->allocates[side][i] = is_allocator(im->funcs[i].name);
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < im->n_refs; i++) {
			const struct sea_ref *r = &im->refs[i];

			if (im->funcs[r->func].n_insn <= MAX_WRAPPER &&
				sea_leads_to_allocator(l, side, r))
				l->allocates[side][r->func] = 1;
		}
}

/* Whether the function keeps its frame in rbp: then rbp + offset is its own. */
bool sea_uses_frame_pointer(const struct sea_image *im, const struct sea_func *f)
{
	for (uint32_t i = 0; i < f->n_insn && i < 24; i++) {
		const struct sea_insn *in = &im->insns[f->insn + i];
		const uint8_t *p = sea_bytes(im, f->addr + in->off, in->len);

		/* mov %rsp,%rbp in its two encodings */
		if (p && in->len == 3 && p[0] == 0x48 &&
			((p[1] == 0x89 && p[2] == 0xe5) || (p[1] == 0x8b && p[2] == 0xec)))
			return true;
	}
	return false;
}

static bool is_size_argument(uint16_t reg)
{
	return reg == X86_REG_EDI || reg == X86_REG_RDI || reg == X86_REG_ESI || reg == X86_REG_RSI;
}

/* Structures that hold anything but characters are multiples of four. */
static bool is_object_size(int32_t n)
{
	if (n < 0 && n > -MAX_OBJECT)
		n = -n; /* steps backwards */
	return n >= 8 && n <= MAX_OBJECT && n % 4 == 0;
}

/* The call that the constant loaded at @insn is for: the next one, if it is near. */
static const struct sea_ref *next_call(
	const struct sea_image *im, const struct sea_func *f, uint32_t insn)
{
	for (uint32_t i = insn + 1; i < f->insn + f->n_insn && i < insn + NEAR_USE; i++) {
		const struct sea_insn *in = &im->insns[i];

		if (in->ref != SEA_NONE && (in->kind == SEA_I_CALL || in->kind == SEA_I_JUMP ||
						   in->kind == SEA_I_CALL_INDIRECT))
			return &im->refs[in->ref];
		if (in->kind != SEA_I_PLAIN && in->kind != SEA_I_PADDING)
			return NULL;
	}
	return NULL;
}

static bool is_source_name(const struct sea_image *im, uint64_t addr)
{
	static const char *const ends[] = { ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh" };
	size_t len = sea_string_at(im, addr);
	const char *text = len ? (const char *)sea_bytes(im, addr, len) : NULL;

	for (size_t i = 0; text && i < ARRAY_SIZE(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && memcmp(text + len - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

/* The argument that a register passes, from 0; -1: none. */
static int argument_of(uint16_t reg)
{
	static const uint16_t regs[][2] = { { X86_REG_EDI, X86_REG_RDI },
		{ X86_REG_ESI, X86_REG_RSI }, { X86_REG_EDX, X86_REG_RDX },
		{ X86_REG_ECX, X86_REG_RCX }, { X86_REG_R8D, X86_REG_R8 },
		{ X86_REG_R9D, X86_REG_R9 } };

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (reg == regs[i][0] || reg == regs[i][1])
			return (int)i;
	return -1;
}

/*
 * An argument in a function that names a source file, as macros do that tell of a failed assertion
 * or keep a record: a line, and no size, whatever else the callee does with it.
 */
bool sea_is_line_number(const struct sea_image *im, const struct sea_func *f, uint32_t insn)
{
	const struct sea_insn *in = &im->insns[insn];

	if (in->id != X86_INS_MOV || in->mem_size || argument_of(in->reg) < 1 ||
		sea_is_fill(im, f, insn))
		return false;
	for (uint32_t i = 0; i < f->n_ref; i++)
		if (is_source_name(im, im->refs[f->ref + i].target))
			return true;
	return false;
}

/* A 64-bit register: what holds a pointer. */
static bool is_wide(uint16_t reg)
{
	return (reg >= X86_REG_RAX && reg <= X86_REG_RSP) ||
	       (reg >= X86_REG_R8 && reg <= X86_REG_R15);
}

/* Is it given the size of what a pointer leads to? */
static bool takes_size(const struct sea_image *im, const struct sea_ref *r)
{
	static const char *const names[] = { "memset", "memcpy", "memmove", "mempcpy", "bzero",
		"explicit_bzero", "__memset_chk", "__memcpy_chk", "__memmove_chk", "memcmp", "bcmp",
		"qsort", "qsort_r", "bsearch", "fread", "fwrite", "write", "read",
		/* operator delete and delete[] that are told it */
		"_ZdlPvm", "_ZdaPvm", "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t" };
	const char *name = sea_stub_import(im, r->target, NULL);

	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* A count of bytes, of words of a string instruction, or of anything else that is filled. */
static bool is_string_op(const struct sea_insn *in)
{
	return in->id == X86_INS_STOSB || in->id == X86_INS_STOSD || in->id == X86_INS_STOSQ ||
	       in->id == X86_INS_MOVSB || in->id == X86_INS_MOVSD || in->id == X86_INS_MOVSQ ||
	       in->id == X86_INS_CMPSB;
}

/* Whether the number in @reg at @insn is soon a count, as it is or through another register. */
static bool becomes_count(
	const struct sea_image *im, const struct sea_func *f, uint32_t insn, int reg)
{
	uint32_t end = f->insn + f->n_insn, from = insn;
	const struct sea_ref *call;

	for (uint32_t i = insn + 1; i < end && i < insn + NEAR_USE; i++) {
		const struct sea_insn *in = &im->insns[i];

		if (reg == sea_general_reg(X86_REG_RCX) && is_string_op(in))
			return true;
		if (in->kind != SEA_I_PLAIN && in->kind != SEA_I_PADDING)
			break;
		if (!in->writes || in->mem_size)
			continue;
		/* Without optimisation numbers are made in one register and used in another. */
		if (in->id == X86_INS_MOV && in->from && sea_general_reg(in->from) == reg) {
			reg = sea_general_reg(in->reg);
			from = i;
		} else if (sea_general_reg(in->reg) == reg) {
			return false;
		}
	}
	if (reg != sea_general_reg(X86_REG_RDX) && reg != sea_general_reg(X86_REG_RSI))
		return false;
	call = next_call(im, f, from);
	return call && takes_size(im, call);
}

bool sea_is_fill(const struct sea_image *im, const struct sea_func *f, uint32_t insn)
{
	const struct sea_insn *in = &im->insns[insn];
	uint16_t reg = in->reg;

	/* push and pop load a small constant in fewer bytes than mov. */
	if (in->id == X86_INS_PUSH && in->imm_off && insn + 1 < f->insn + f->n_insn &&
		im->insns[insn + 1].id == X86_INS_POP)
		reg = im->insns[++insn].reg;
	else if (in->id != X86_INS_MOV || in->mem_size || !in->imm_off)
		return false;
	return becomes_count(im, f, insn, sea_general_reg(reg));
}

bool sea_is_stride(const struct sea_insn *in)
{
	if (in->id != X86_INS_ADD && in->id != X86_INS_SUB)
		return in->id == X86_INS_IMUL;
	/* A pointer in a register, or kept on the stack. */
	return in->mem_size ? in->mem_size == 8 && in->imm_off
			    : !sea_is_frame_reg(in->reg) && is_wide(in->reg);
}

/* An index is made a distance in bytes, or the other way round. */
bool sea_is_scale(const struct sea_insn *in)
{
	return (in->id == X86_INS_SHL || in->id == X86_INS_SAL || in->id == X86_INS_SAR) &&
	       is_wide(in->reg) && in->imm >= 2 && in->imm <= 16;
}

static void refuse_both(struct sea_layout *l, uint32_t fo, uint32_t fn, const char *why)
{
	sea_refuse(l->a, SEA_OLD, fo, xstrdup(why));
	sea_refuse(l->a, SEA_NEW, fn, xstrdup(why));
}

static void add_growth(struct sea_layout *l, int64_t by)
{
	by = llabs(by);
	if (by < MIN_GROWTH || by > MAX_OBJECT || l->n_growths == SEA_MAX_GROWTHS)
		return;
	for (uint32_t i = 0; i < l->n_growths; i++)
		if (l->growths[i] == by)
			return;
	l->growths[l->n_growths++] = (uint32_t)by;
}

/* What lies at @x in the old version and at @y in the new one moved; or so large are they. */
static void grew(
	struct sea_layout *l, uint32_t fo, uint32_t fn, const char *why, int64_t x, int64_t y)
{
	uint64_t at = llabs(x) < llabs(y) ? llabs(x) : llabs(y);

	l->grew = true;
	if (l->alike && at < l->first_moved)
		l->first_moved = (uint32_t)at;
	if (l->alike)
		add_growth(l, y - x);
	refuse_both(l, fo, fn, why);
}

static bool reads_elsewhere(struct sea_layout *l, uint32_t fo, uint32_t fn,
	const struct sea_insn *x, const struct sea_insn *y)
{
	struct sea_analysis *a = l->a;

	if (x->disp == y->disp || x->base != y->base || sea_is_frame_reg(x->base) ||
		(l->frame_pointer && x->base == X86_REG_RBP))
		return false;
	/* Nothing else differs: even two fields that changed places show. */
	if (l->lockstep || x->shape != y->shape)
		return true;
	/* Text is read a few bytes ahead or behind, as it comes. */
	if (x->mem_size == 1 && y->mem_size == 1 && abs(x->disp) < 4 && abs(y->disp) < 4)
		return false;
	return ++l->n_checks > MAX_CHECKS ||
	       sea_offsets_moved(a->im[0], &a->im[0]->funcs[fo], a->im[1], &a->im[1]->funcs[fn], x);
}

static bool asks_for_size(
	const struct sea_layout *l, enum sea_side side, uint32_t func, uint32_t insn)
{
	const struct sea_image *im = l->a->im[side];
	const struct sea_insn *in = &im->insns[insn];
	const struct sea_ref *call = next_call(im, &im->funcs[func], insn);

	return in->id == X86_INS_MOV && is_size_argument(in->reg) && is_object_size(in->imm) &&
	       call && sea_leads_to_allocator(l, side, call);
}

/* What it says of structures that @io has one constant and @in another; to @ret_size: how large. */
static char *other_constant(struct sea_layout *l, uint32_t fo, uint32_t fn, uint32_t io,
	uint32_t in, int64_t ret_size[2])
{
	const struct sea_image *im[2] = { l->a->im[0], l->a->im[1] };
	const struct sea_insn *x = &im[0]->insns[io], *y = &im[1]->insns[in];

	ret_size[0] = x->imm;
	ret_size[1] = y->imm;
	if (asks_for_size(l, SEA_OLD, fo, io) && asks_for_size(l, SEA_NEW, fn, in) &&
		!(sea_is_line_number(im[0], &im[0]->funcs[fo], io) &&
			sea_is_line_number(im[1], &im[1]->funcs[fn], in))) {
		if (l->n_sizes < SEA_MAX_SIZES)
			l->sizes[l->n_sizes++] = (struct sea_sizes){
				x->imm < y->imm ? x->imm : y->imm,
				x->imm < y->imm ? y->imm : x->imm,
			};
		add_growth(l, (int64_t)y->imm - x->imm);
		return xasprintf("allocates objects of %d bytes in the old version, of %d in the "
				 "new",
			x->imm, y->imm);
	}
	if (sea_is_fill(im[0], &im[0]->funcs[fo], io) && sea_is_fill(im[1], &im[1]->funcs[fn], in))
		return xasprintf("fills, copies or hands on another amount (%d in the old version, "
				 "%d in the new)",
			x->imm, y->imm);
	if (sea_is_stride(x) && is_object_size(x->imm) && is_object_size(y->imm))
		return xasprintf("walks in steps of %d in the old version, of %d in the new",
			x->imm, y->imm);
	if (sea_is_scale(x) && sea_is_scale(y)) {
		ret_size[0] = 1 << x->imm;
		ret_size[1] = 1 << y->imm;
		return xasprintf("scales by %d in the old version, by %d in the new", 1 << x->imm,
			1 << y->imm);
	}
	return NULL;
}

/* Whether other constants are more than a coincidence of the alignment. */
static bool is_other_constant(struct sea_layout *l, uint32_t fo, uint32_t fn,
	const struct sea_insn *x, const struct sea_insn *y)
{
	const struct sea_analysis *a = l->a;

	if (x->imm == y->imm)
		return false;
	return l->lockstep || ++l->n_checks > MAX_CHECKS ||
	       sea_constants_moved(
		       a->im[0], &a->im[0]->funcs[fo], a->im[1], &a->im[1]->funcs[fn], x);
}

static void compare_insns(struct sea_layout *l, uint32_t fo, uint32_t fn, uint32_t io, uint32_t in)
{
	struct sea_analysis *a = l->a;
	const struct sea_insn *x = &a->im[0]->insns[io], *y = &a->im[1]->insns[in];
	cleanup_free char *why = NULL;
	int64_t at[2] = { x->disp, y->disp };

	if (reads_elsewhere(l, fo, fn, x, y))
		why = xasprintf("reads offset %#x of a structure where the other version reads %#x "
				"(at +%#x)",
			(unsigned)y->disp, (unsigned)x->disp, y->off);
	else if (is_other_constant(l, fo, fn, x, y))
		why = other_constant(l, fo, fn, io, in, at);
	if (why)
		grew(l, fo, fn, why, at[0], at[1]);
}

/* What the size that the call at @call asks for is computed with, in the instructions before. */
static uint64_t size_computation(
	const struct sea_image *im, const struct sea_func *f, uint32_t call)
{
	uint32_t i = call - f->insn > NEAR_CALL ? call - NEAR_CALL : f->insn;
	uint64_t sum = 0;

	for (; i < call; i++) {
		const struct sea_insn *in = &im->insns[i];

		if (in->kind != SEA_I_PLAIN && in->kind != SEA_I_PADDING)
			sum = 0; /* for something else */
		else if (sea_is_scale(in) || in->id == X86_INS_IMUL)
			sum = sum * 31 + in->id + ((uint64_t)(uint32_t)in->imm << 16);
		else if (sea_lea_factor(in) > 1)
			sum = sum * 31 + in->id + ((uint64_t)sea_lea_factor(in) << 16);
	}
	return sum;
}

/* The next call of the allocator from *@at on, as an index of instruction; SEA_NONE: none. */
static uint32_t next_allocation(
	struct sea_layout *l, enum sea_side side, uint32_t func, uint32_t at)
{
	const struct sea_image *im = l->a->im[side];
	const struct sea_func *f = &im->funcs[func];

	for (; at < f->insn + f->n_insn; at++)
		if (im->insns[at].ref != SEA_NONE &&
			sea_leads_to_allocator(l, side, &im->refs[im->insns[at].ref]))
			return at;
	return SEA_NONE;
}

static void compare_allocations(struct sea_layout *l, uint32_t fo, uint32_t fn)
{
	const struct sea_image *o = l->a->im[0], *n = l->a->im[1];
	uint32_t io = o->funcs[fo].insn, in = n->funcs[fn].insn;

	for (;; io++, in++) {
		io = next_allocation(l, SEA_OLD, fo, io);
		in = next_allocation(l, SEA_NEW, fn, in);
		if (io == SEA_NONE || in == SEA_NONE)
			return;
		if (size_computation(o, &o->funcs[fo], io) !=
			size_computation(n, &n->funcs[fn], in)) {
			grew(l, fo, fn, "computes the size of what it allocates otherwise", 0, 0);
			return;
		}
	}
}

static void compare_uses(struct sea_layout *l, uint32_t fo, uint32_t fn)
{
	const struct sea_image *o = l->a->im[0], *n = l->a->im[1];
	cleanup_free char *why = NULL;
	struct sea_use x, y;

	if (!sea_uses_differ(o, &o->funcs[fo], n, &n->funcs[fn], &x, &y))
		return;
	why = xasprintf("uses %u bytes at offset %#x of an argument in the old version, %u in the "
			"new",
		x.size, (unsigned)x.disp, y.size);
	grew(l, fo, fn, why, x.disp, y.disp);
}

static void compare_variables(struct sea_layout *l, uint32_t fo, uint32_t fn)
{
	cleanup_free char *why = NULL;
	uint64_t at[2];

	if (!sea_variable_moved(l->a, fo, fn, at))
		return;
	why = xasprintf("uses %#lx in the old version and %#lx in the new, which may be one field "
			"that moved within a variable",
		at[0], at[1]);
	refuse_both(l, fo, fn, why);
}

static void compare_strides(struct sea_layout *l, uint32_t fo, uint32_t fn)
{
	const struct sea_image *o = l->a->im[0], *n = l->a->im[1];
	cleanup_free char *why = NULL;
	uint32_t x, y;

	if (!sea_strides_differ(o, &o->funcs[fo], n, &n->funcs[fn], &x, &y))
		return;
	why = xasprintf("indexes elements of %u bytes in the old version, of %u in the new", x, y);
	if (!is_object_size(x) || !is_object_size(y)) {
		refuse_both(l, fo, fn, why);
		return;
	}
	add_growth(l, (int64_t)y - x);
	grew(l, fo, fn, why, x, y);
}

static void compare_pair(struct sea_layout *l, uint32_t fo, uint32_t fn)
{
	struct sea_analysis *a = l->a;
	struct sea_aligned *al;
	uint32_t n;

	l->frame_pointer = sea_uses_frame_pointer(a->im[0], &a->im[0]->funcs[fo]) &&
			   sea_uses_frame_pointer(a->im[1], &a->im[1]->funcs[fn]);
	l->n_checks = 0;
	sea_align(&a->m, fo, fn, &al, &n, &l->lockstep);
	l->alike = l->lockstep || sea_similarity(&a->m, fo, fn) >= ALIKE;
	for (uint32_t i = 0; i < n; i++) {
		const struct sea_insn *x = &a->im[0]->insns[al[i].o];
		const struct sea_insn *y = &a->im[1]->insns[al[i].n];

		if (x->disp != y->disp || x->imm != y->imm)
			compare_insns(l, fo, fn, al[i].o, al[i].n);
	}
	free(al);
	compare_allocations(l, fo, fn);
	compare_uses(l, fo, fn);
	compare_variables(l, fo, fn);
	compare_strides(l, fo, fn);
}

static void compare_twin(void *ctx, uint32_t fo, uint32_t fn)
{
	compare_pair(ctx, fo, fn);
}

static void refuse_either(void *ctx, enum sea_side side, uint32_t func)
{
	struct sea_layout *l = ctx;

	sea_refuse(l->a, side, func,
		xstrdup("may be one of several functions of the other version that have the same "
			"instructions, with other offsets or sizes"));
}

/* References to data whose layout is in conflict. */
static void check_conflicts(struct sea_analysis *a, enum sea_side side, uint32_t func)
{
	const struct sea_image *im = a->im[side];
	const struct sea_func *f = &im->funcs[func];

	for (uint32_t i = 0; i < f->n_ref && a->n_conflicts; i++) {
		const struct sea_ref *r = &im->refs[f->ref + i];
		const struct sea_conflict *c =
			r->kind == SEA_R_TLS ? NULL : sea_conflict_of(a, side, r->target);

		if (c) {
			sea_refuse(a, side, func,
				xasprintf("uses data whose layout differs: %s", c->why));
			return;
		}
	}
}

void sea_judge_layout(struct sea_analysis *a)
{
	struct sea_layout l = { .a = a, .first_moved = UINT32_MAX };

	find_allocators(&l, SEA_OLD);
	find_allocators(&l, SEA_NEW);
	for (uint32_t i = 0; i < a->im[0]->n_funcs && !sea_budget_spent(a->budget); i++)
		if (a->m.peer[0][i] != SEA_NONE && a->func[0][i].verdict != SEA_V_IDENTICAL)
			compare_pair(&l, i, a->m.peer[0][i]);
	sea_each_twin(a, compare_twin, refuse_either, &l);
	for (int s = 0; s < 2; s++)
		for (uint32_t i = 0; i < a->im[s]->n_funcs && !sea_budget_spent(a->budget); i++)
			check_conflicts(a, s, i);
	if (l.grew)
		sea_judge_grown(&l);
	free(l.allocates[0]);
	free(l.allocates[1]);
}
