/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions: one small record each, with the fields that hold references masked out of the
 * hash, so that the same source compiled into another place hashes the same.
 */
#include "sea/image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/capstone.h"

#define MAX_INSNS (10u << 20)
#define MAX_FOUND 4096 /* functions found by references alone, beyond those that frames name */

struct decoder {
	struct sea_image *im;
	csh cs;
	cs_insn *insn;
	uint32_t room_insns, room_refs;
};

static struct sea_insn *new_insn(struct decoder *d)
{
	struct sea_image *im = d->im;

	if (im->n_insns == d->room_insns) {
		d->room_insns = d->room_insns ? d->room_insns * 2 : 65536;
		im->insns = xreallocarray(im->insns, d->room_insns, sizeof(*im->insns));
	}
	memset(&im->insns[im->n_insns], 0, sizeof(*im->insns));
	im->insns[im->n_insns].ref = SEA_NONE;
	return &im->insns[im->n_insns++];
}

static void add_ref(struct decoder *d, uint32_t func, struct sea_ref ref)
{
	struct sea_image *im = d->im;

	if (im->n_refs == d->room_refs) {
		d->room_refs = d->room_refs ? d->room_refs * 2 : 65536;
		im->refs = xreallocarray(im->refs, d->room_refs, sizeof(*im->refs));
	}
	ref.insn = im->n_insns - 1;
	ref.func = func;
	im->insns[ref.insn].ref = im->n_refs;
	im->refs[im->n_refs++] = ref;
}

static bool in_group(const cs_insn *in, uint8_t group)
{
	for (int i = 0; i < in->detail->groups_count; i++)
		if (in->detail->groups[i] == group)
			return true;
	return false;
}

static uint8_t kind_of(const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;
	bool direct = x->op_count == 1 && x->operands[0].type == X86_OP_IMM;

	if (in->id == X86_INS_NOP)
		return SEA_I_PADDING;
	if (in->id == X86_INS_CALL || in->id == X86_INS_LCALL)
		return direct ? SEA_I_CALL : SEA_I_CALL_INDIRECT;
	if (in->id == X86_INS_JMP || in->id == X86_INS_LJMP)
		return direct ? SEA_I_JUMP : SEA_I_JUMP_INDIRECT;
	if (in_group(in, CS_GRP_RET) || in_group(in, CS_GRP_IRET))
		return SEA_I_RETURN;
	if (direct && (in_group(in, CS_GRP_JUMP) || in_group(in, CS_GRP_BRANCH_RELATIVE)))
		return SEA_I_BRANCH;
	return SEA_I_PLAIN;
}

static bool is_address(const struct sea_image *im, int64_t v)
{
	return !im->is_pie && v > 0 && (uint64_t)v >= im->lo && (uint64_t)v < im->hi;
}

/* Operation and operands without any constant. */
static uint32_t shape_of(const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;
	uint32_t words[4 + 4 * 8] = { in->id, x->prefix[0], x->op_count };
	size_t n = 3;
	uint64_t h;

	for (int i = 0; i < x->op_count && n + 4 <= ARRAY_SIZE(words); i++) {
		const cs_x86_op *op = &x->operands[i];

		words[n++] = op->type << 16 | op->size;
		if (op->type == X86_OP_REG)
			words[n++] = op->reg;
		if (op->type == X86_OP_MEM) {
			words[n++] = op->mem.base << 16 | op->mem.index;
			words[n++] = op->mem.segment << 16 | op->mem.scale;
		}
	}
	h = sea_hash(7, words, n * sizeof(words[0]));
	return h ^ h >> 32;
}

/*
 * The width of a displacement. capstone (4.0.2) says 2 where the instruction has an operand-size
 * prefix, which a displacement knows nothing of (AMD64 manual, vol. 3, section 1.5).
 */
static uint8_t disp_width(const cs_insn *in, int64_t disp)
{
	const cs_x86_encoding *e = &in->detail->x86.encoding;
	const int32_t value = (int32_t)disp;

	if (e->disp_size == 2 && e->disp_offset && e->disp_offset + 4 <= in->size &&
		memcmp(in->bytes + e->disp_offset, &value, 4) == 0)
		return 4;
	return e->disp_size;
}

/* Capstone takes many moves of vector registers into memory for reads. */
static bool is_written(const cs_insn *in, const cs_x86_op *op)
{
	const char *name = in->mnemonic[0] == 'v' ? in->mnemonic + 1 : in->mnemonic;

	return op->access & CS_AC_WRITE ||
	       (op == in->detail->x86.operands && strncmp(name, "mov", 3) == 0);
}

/* The reference that memory operand @op makes, or plain displacement. */
static bool memory_ref(const struct decoder *d, const cs_insn *in, const cs_x86_op *op,
	struct sea_insn *rec, struct sea_ref *ref)
{
	const cs_x86 *x = &in->detail->x86;

	ref->off = x->encoding.disp_offset;
	ref->width = disp_width(in, op->mem.disp);
	ref->access = op->size;
	rec->index = op->mem.index;
	rec->scale = op->mem.scale;
	if (op->mem.base == X86_REG_RIP) {
		ref->target = in->address + in->size + op->mem.disp;
		if (in->id == X86_INS_LEA) {
			ref->kind = SEA_R_LEA;
			ref->access = 0; /* capstone gives the size of the register */
		} else {
			ref->kind = is_written(in, op) ? SEA_R_WRITE : SEA_R_READ;
		}
		return true;
	}
	if (op->mem.segment == X86_REG_FS && op->mem.base == X86_REG_INVALID &&
		op->mem.index == X86_REG_INVALID && op->mem.disp < 0) {
		ref->target = op->mem.disp;
		ref->kind = SEA_R_TLS;
		return true;
	}
	if (is_address(d->im, op->mem.disp) && ref->width == 4) {
		ref->target = op->mem.disp;
		ref->kind = SEA_R_ABS;
		return true;
	}
	rec->disp = op->mem.disp;
	rec->base = op->mem.base;
	rec->mem_size = op->size;
	return false;
}

/* Direct transfers: a reference when they leave the function, a constant when they do not. */
static bool transfer_ref(const cs_insn *in, const struct sea_func *f, const struct sea_insn *rec,
	struct sea_ref *ref)
{
	uint64_t target = in->detail->x86.operands[0].imm;
	uint8_t first = in->bytes[0];

	if (rec->kind != SEA_I_CALL && target >= f->addr && target - f->addr < f->size)
		return false;
	ref->target = target;
	ref->kind = rec->kind == SEA_I_CALL ? SEA_R_CALL : SEA_R_JUMP;
	ref->width = 4;
	if (in->size < 5 && (first == 0xeb || (first >= 0x70 && first < 0x80) ||
				    (first >= 0xe0 && first < 0xe4)))
		ref->width = 1;
	ref->off = in->size - ref->width;
	return true;
}

static bool operand_refs(
	struct decoder *d, const cs_insn *in, struct sea_insn *rec, struct sea_ref *ref)
{
	const cs_x86 *x = &in->detail->x86;
	bool found = false;

	for (int i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];

		if (op->type == X86_OP_MEM && !found)
			found = memory_ref(d, in, op, rec, ref);
		if (op->type == X86_OP_REG && i == 0) {
			rec->reg = op->reg;
			rec->writes = (op->access & CS_AC_WRITE) != 0;
		}
		if (op->type == X86_OP_REG && i == 1)
			rec->from = op->reg;
		if (op->type != X86_OP_IMM)
			continue;
		/* A number that has no room is only told from others. */
		rec->imm = op->imm == (int32_t)op->imm ? (int32_t)op->imm
						       : (int32_t)(op->imm ^ op->imm >> 32);
		rec->imm_off = x->encoding.imm_offset;
		if (!found && is_address(d->im, op->imm) && x->encoding.imm_size >= 4) {
			ref->target = op->imm;
			ref->kind = SEA_R_ABS;
			ref->off = x->encoding.imm_offset;
			ref->width = x->encoding.imm_size;
			rec->imm = 0;
			found = true;
		}
	}
	return found;
}

static void record(struct decoder *d, uint32_t func, const cs_insn *in)
{
	const struct sea_func *f = &d->im->funcs[func];
	struct sea_insn *rec = new_insn(d);
	struct sea_ref ref = { 0 };
	uint8_t bytes[24];
	bool has_ref;
	uint64_t h;

	rec->off = in->address - f->addr;
	rec->len = in->size;
	rec->id = in->id;
	rec->kind = kind_of(in);
	rec->shape = shape_of(in);
	if (rec->kind == SEA_I_CALL || rec->kind == SEA_I_JUMP || rec->kind == SEA_I_BRANCH)
		has_ref = transfer_ref(in, f, rec, &ref);
	else
		has_ref = operand_refs(d, in, rec, &ref);
	memcpy(bytes, in->bytes, in->size);
	/* Odd encodings leave the disassembler without a place for the field. */
	if (has_ref && (!ref.off || ref.off + ref.width > in->size))
		ref.off = ref.width = 0;
	if (has_ref)
		memset(bytes + ref.off, 0, ref.width);
	h = sea_hash(3, bytes, in->size);
	rec->exact = h ^ h >> 32;
	if (has_ref)
		add_ref(d, func, ref);
}

static bool ends_flow(uint8_t kind, uint16_t id)
{
	return kind == SEA_I_RETURN || kind == SEA_I_JUMP || kind == SEA_I_JUMP_INDIRECT ||
	       id == X86_INS_UD2 || id == X86_INS_HLT;
}

/* Decodes one function; of one that only a reference names this also finds the end. */
static int decode(struct decoder *d, uint32_t func, struct err *err)
{
	struct sea_image *im = d->im;
	struct sea_func *f = &im->funcs[func];
	const uint8_t *code = sea_bytes(im, f->addr, f->size);
	bool open_ended = f->flags & SEA_F_FOUND && !(f->flags & SEA_F_FDE);
	uint64_t at = f->addr, furthest = f->addr, hash = 11;
	size_t left = f->size;

	f->insn = im->n_insns;
	f->ref = im->n_refs;
	if (!code)
		return err_set(err, EINVAL, "a function lies outside the file");
	while (left) {
		const struct sea_insn *rec;

		if (im->n_insns >= MAX_INSNS)
			return err_set(err, EFBIG, "more than %u instructions", MAX_INSNS);
		if (!cs_disasm_iter(d->cs, &code, &left, &at, d->insn)) {
			struct sea_insn *bad = new_insn(d);

			f->flags |= SEA_F_PARTIAL;
			bad->off = at - f->addr;
			bad->len = 1;
			bad->kind = SEA_I_BAD;
			bad->shape = bad->exact = *code;
			code++, at++, left--;
			hash = sea_hash(hash, &bad->exact, 4);
			if (open_ended)
				break;
			continue;
		}
		record(d, func, d->insn);
		rec = &im->insns[im->n_insns - 1];
		hash = sea_hash(hash, &rec->exact, 4);
		if (rec->ref == SEA_NONE &&
			(rec->kind == SEA_I_BRANCH || rec->kind == SEA_I_JUMP)) {
			uint64_t to = d->insn->detail->x86.operands[0].imm;

			furthest = to > furthest ? to : furthest;
		}
		if (open_ended && ends_flow(rec->kind, rec->id) && at > furthest)
			break;
	}
	if (open_ended)
		f->size = at - f->addr;
	f->exact = hash;
	f->n_insn = im->n_insns - f->insn;
	f->n_ref = im->n_refs - f->ref;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t sort_unique(uint64_t *v, uint32_t n)
{
	uint32_t k = 0;

	if (n)
		qsort(v, n, sizeof(*v), by_value);
	for (uint32_t i = 0; i < n; i++)
		if (!k || v[k - 1] != v[i])
			v[k++] = v[i];
	return k;
}

/* Code addresses that something refers to and no function holds. */
static uint64_t *stray_targets(const struct sea_image *im, uint32_t *ret_n)
{
	uint64_t *v = NULL;
	uint32_t n = 0, room = 0;

	for (uint32_t i = 0; i < im->n_refs; i++) {
		const struct sea_ref *r = &im->refs[i];
		const struct sea_section *s;

		if (r->kind == SEA_R_TLS || r->kind == SEA_R_ABS || r->kind == SEA_R_READ ||
			r->kind == SEA_R_WRITE || sea_place_of(im, r->target) != SEA_P_CODE ||
			sea_func_of(im, r->target) != SEA_NONE)
			continue;
		s = sea_section_of(im, r->target);
		if ((s && (str_starts(s->name, ".plt") || str_starts(s->name, ".iplt"))) ||
			sea_stub_import(im, r->target, NULL))
			continue;
		if (n == room) {
			room = room ? room * 2 : 64;
			v = xreallocarray(v, room, sizeof(*v));
		}
		v[n++] = r->target;
	}
	*ret_n = sort_unique(v, n);
	return v;
}

/* Puts functions for @v into the table, at their places by address; indexes move. */
static void insert_found(struct sea_image *im, const uint64_t *v, uint32_t n)
{
	struct sea_func *all = xreallocarray(NULL, im->n_funcs + n, sizeof(*all));
	uint32_t i = 0, k = 0, m = 0;

	while (i < im->n_funcs || k < n) {
		if (k == n || (i < im->n_funcs && im->funcs[i].addr < v[k])) {
			all[m++] = im->funcs[i++];
			continue;
		}
		all[m] = (struct sea_func){
			.addr = v[k], .flags = SEA_F_FOUND, .fde = SEA_NONE, .parent = SEA_NONE
		};
		all[m].size = sea_bytes_after(im, v[k]);
		if (i < im->n_funcs && im->funcs[i].addr - v[k] < all[m].size)
			all[m].size = im->funcs[i].addr - v[k];
		if (k + 1 < n && v[k + 1] - v[k] < all[m].size)
			all[m].size = v[k + 1] - v[k];
		m++, k++;
	}
	free(im->funcs);
	im->funcs = all;
	im->n_funcs = m;
	for (i = 0; i < m; i++)
		for (k = 0; k < all[i].n_ref; k++)
			im->refs[all[i].ref + k].func = i;
}

/* Decodes the functions that are not decoded yet. */
static int decode_all(struct decoder *d, struct sea_budget *b, struct err *err)
{
	struct sea_image *im = d->im;

	for (uint32_t i = 0; i < im->n_funcs; i++) {
		int rc;

		if (im->funcs[i].n_insn)
			continue;
		if (i % 64 == 0 && sea_budget_spent(b))
			return err_set(err, ETIME, "disassembly took too long");
		rc = decode(d, i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Which functions have their address taken, and every target of a reference outside code. */
static void collect_targets(struct sea_image *im)
{
	uint64_t *v = xreallocarray(NULL, im->n_refs + im->n_relocs + 1, sizeof(*v));
	uint32_t n = 0;

	for (uint32_t i = 0; i < im->n_refs; i++) {
		const struct sea_ref *r = &im->refs[i];
		uint32_t f;

		if (r->kind == SEA_R_TLS)
			continue;
		if (sea_place_of(im, r->target) != SEA_P_CODE)
			v[n++] = r->target;
		else if ((r->kind == SEA_R_LEA || r->kind == SEA_R_ABS) &&
			 (f = sea_func_at(im, r->target)) != SEA_NONE)
			im->funcs[f].flags |= SEA_F_ADDRESS;
	}
	for (uint32_t i = 0; i < im->n_relocs; i++) {
		uint64_t to;
		uint32_t f;

		if (!sea_reloc_target(im, &im->relocs[i], &to))
			continue;
		if (sea_place_of(im, to) != SEA_P_CODE)
			v[n++] = to;
		else if ((f = sea_func_at(im, to)) != SEA_NONE)
			im->funcs[f].flags |= SEA_F_ADDRESS;
	}
	im->n_ref_targets = sort_unique(v, n);
	im->ref_targets = v;
}

static bool is_cold_name(const char *name)
{
	return name && strstr(name, ".cold") != NULL;
}

static bool has_odd_frame(const struct sea_image *im, const struct sea_func *f)
{
	struct sea_frame_row *rows;
	uint32_t n;
	bool odd;

	if (f->fde == SEA_NONE || sea_frame_rows(im, &im->fdes[f->fde], &rows, &n) < 0)
		return false;
	odd = n && (rows[0].cfa_off != 8 || rows[0].cfa_reg != 7);
	free(rows);
	return odd;
}

/*
 * The cold part of a function: only one function jumps there, nobody calls it, and it starts in
 * the middle of that function's frame or goes back into its middle.
 */
static void find_fragments(struct sea_image *im)
{
	uint32_t *from = xreallocarray(NULL, im->n_funcs, sizeof(*from));
	uint8_t *bad = xzalloc(im->n_funcs), *sure = xzalloc(im->n_funcs);

	for (uint32_t i = 0; i < im->n_funcs; i++)
		from[i] = SEA_NONE;
	for (uint32_t i = 0; i < im->n_refs; i++) {
		const struct sea_ref *r = &im->refs[i];
		uint32_t to = r->kind == SEA_R_TLS ? SEA_NONE : sea_func_of(im, r->target);

		if (to == SEA_NONE || to == r->func)
			continue;
		if (r->kind != SEA_R_JUMP || (from[to] != SEA_NONE && from[to] != r->func))
			bad[to] =
				r->kind != SEA_R_JUMP || r->target == im->funcs[to].addr || bad[to];
		if (r->kind != SEA_R_JUMP)
			continue;
		if (from[to] == SEA_NONE)
			from[to] = r->func;
		if (im->insns[r->insn].kind == SEA_I_BRANCH)
			sure[to] = 1;
		if (r->target != im->funcs[to].addr && from[r->func] == to)
			sure[r->func] = 1;
	}
	for (uint32_t i = 0; i < im->n_funcs; i++) {
		struct sea_func *f = &im->funcs[i];

		if (from[i] == SEA_NONE || bad[i] || f->flags & (SEA_F_ADDRESS | SEA_F_EXPORTED))
			continue;
		if (f->name ? !is_cold_name(f->name) : !sure[i] && !has_odd_frame(im, f))
			continue;
		f->flags |= SEA_F_FRAGMENT;
		f->parent = from[i];
	}
	/* A part of a part belongs to the whole; two that claim each other are none. */
	for (uint32_t i = 0; i < im->n_funcs; i++) {
		struct sea_func *f = &im->funcs[i];

		if (f->flags & SEA_F_FRAGMENT && im->funcs[f->parent].flags & SEA_F_FRAGMENT) {
			f->flags &= ~SEA_F_FRAGMENT;
			f->parent = SEA_NONE;
		}
	}
	free(from);
	free(bad);
	free(sure);
}

int sea_disassemble(struct sea_image *im, struct sea_budget *b, struct err *err)
{
	struct decoder d = { .im = im };
	int rc;

	if (capstone_open(&d.cs) != CS_ERR_OK)
		return err_set(err, ENOMEM, "the disassembler does not start");
	cs_option(d.cs, CS_OPT_DETAIL, CS_OPT_ON);
	d.insn = cs_malloc(d.cs);
	rc = decode_all(&d, b, err);
	for (int round = 0; rc == 0 && round < 4; round++) {
		uint32_t n;
		uint64_t *v = stray_targets(im, &n);

		if (n && n <= MAX_FOUND)
			insert_found(im, v, n);
		else if (n)
			str_printf(&im->notes, "%u calls lead to unknown code\n", n);
		free(v);
		if (!n || n > MAX_FOUND)
			break;
		rc = decode_all(&d, b, err);
	}
	cs_free(d.insn, 1);
	cs_close(&d.cs);
	if (rc < 0)
		return rc;
	collect_targets(im);
	find_fragments(im);
	return 0;
}

uint32_t sea_insn_at(const struct sea_image *im, const struct sea_func *f, uint32_t off)
{
	uint32_t lo = f->insn, hi = f->insn + f->n_insn;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (im->insns[mid].off <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == f->insn ? SEA_NONE : lo - 1;
}

uint64_t sea_next_target(const struct sea_image *im, uint64_t addr)
{
	const struct sea_segment *s = sea_segment_of(im, addr);
	uint32_t lo = 0, hi = im->n_ref_targets;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (im->ref_targets[mid] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < im->n_ref_targets && s && im->ref_targets[lo] < s->addr + s->memsz)
		return im->ref_targets[lo];
	return s ? s->addr + s->memsz : addr;
}

uint32_t sea_jump_inside(const struct sea_image *im, const struct sea_func *f, uint32_t insn)
{
	const struct sea_insn *in = &im->insns[insn];
	const uint8_t *p = sea_bytes(im, f->addr + in->off, in->len);
	int32_t rel;

	if ((in->kind != SEA_I_BRANCH && in->kind != SEA_I_JUMP) || in->ref != SEA_NONE || !p)
		return SEA_NONE;
	if (in->len >= 5)
		memcpy(&rel, p + in->len - 4, 4);
	else
		rel = (int8_t)p[in->len - 1];
	return in->off + in->len + rel;
}
