/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/graft.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "rem/origin.h"

#define PAGE	   4096ul
#define CODE_ALIGN 16ul
#define STUB_SIZE  16ul
#define SIZE_MOST  (64ul << 20)

static uint64_t up(uint64_t n, uint64_t align)
{
	return (n + align - 1) / align * align;
}

static const struct sea_map_func *funcs(const struct graft *g, uint32_t *ret_n)
{
	return sea_map_records(g->map, g->object.pair, SEA_T_FUNCS_OLD + g->side, ret_n);
}

static const struct sea_map_copy *copies(const struct graft *g, uint32_t *ret_n)
{
	return sea_map_records(g->map, g->object.pair, SEA_T_COPIES_OLD + g->side, ret_n);
}

static const struct sea_map_operand *operands(const struct graft *g)
{
	uint32_t n;

	return sea_map_records(g->map, g->object.pair, SEA_T_OPERANDS_OLD + g->side, &n);
}

static int refuse(
	struct err *err, const struct graft *g, const struct sea_map_func *f, const char *why)
{
	const char *name = sea_map_string(g->map, f->name);

	if (name[0])
		return err_set(err, ENOTSUP, "%s %s", name, why);
	return err_set(err, ENOTSUP, "the function at %#" PRIx64 " %s", f->addr, why);
}

static int refuse_operand(struct err *err, const struct graft *g, const struct sea_map_func *f,
	const struct sea_map_operand *op, uint64_t dest)
{
	cleanup_free char *why = xasprintf("refers at +%#x to %#" PRIx64 " (%s), which %s", op->off,
		op->target, sea_class_text(op->klass),
		dest ? "is out of its reach" : "does not come along");

	return refuse(err, g, f, why);
}

/* May it be put in, and its counterpart's entry be led to it? */
static int check(const struct graft *g, const struct sea_map_func *f, struct err *err)
{
	const struct sea_map_func *theirs;
	uint32_t n;

	if (f->flags & SEA_FF_REFUSED) {
		cleanup_free char *why =
			xasprintf("must not be put in: %s", sea_map_string(g->map, f->refusal));

		return refuse(err, g, f, why);
	}
	if (f->peer == SEA_MAP_NONE || (f->flags & SEA_FF_FRAGMENT))
		return 0;
	theirs = sea_map_records(g->map, g->object.pair, SEA_T_FUNCS_OLD + !g->side, &n);
	if (!(theirs[f->peer].flags & SEA_FF_PATCHABLE))
		return refuse(err, g, f, "leaves no room for a jump at its entry");
	return 0;
}

static int plan_code(struct graft *g, struct err *err)
{
	uint32_t n, stubs = 0;
	const struct sea_map_func *f = funcs(g, &n);
	const struct sea_map_operand *ops = operands(g);
	uint64_t at = 0;

	g->func_at = xreallocarray(NULL, n, sizeof(*g->func_at));
	for (uint32_t i = 0; i < n; i++) {
		int rc;

		g->func_at[i] = GRAFT_NONE;
		if (f[i].verdict == SEA_V_IDENTICAL)
			continue;
		rc = check(g, &f[i], err);
		if (rc < 0)
			return rc;
		g->func_at[i] = at;
		g->n += !(f[i].flags & SEA_FF_FRAGMENT);
		at = up(at + f[i].size, CODE_ALIGN);
		for (uint32_t k = 0; k < f[i].n_operands; k++)
			stubs += ops[f[i].operand + k].klass == SEA_C_IMPORT &&
				 !ops[f[i].operand + k].peer;
		if (at > SIZE_MOST || stubs > SIZE_MOST / STUB_SIZE)
			return err_set(err, EFBIG, "too much code differs to be put in");
	}
	g->stubs_at = g->stubs_end = at;
	g->code = up(at + stubs * STUB_SIZE, PAGE);
	return 0;
}

static int plan_data(struct graft *g, bool writable, uint64_t *at, struct err *err)
{
	uint32_t n;
	const struct sea_map_copy *c = copies(g, &n);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t align = c[i].align ? c[i].align : 1;

		if (!(c[i].flags & SEA_CF_WRITABLE) == writable)
			continue;
		if (align > PAGE || c[i].size > SIZE_MOST || *at > SIZE_MOST)
			return err_set(err, EFBIG, "too much data would have to come along");
		/* At the same place in its page as in its file: what it was aligned to, it is. */
		*at = up(*at, PAGE) + c[i].addr % PAGE;
		g->copy_at[i] = *at;
		*at += c[i].size;
	}
	*at = up(*at, PAGE);
	return 0;
}

int graft_plan(
	const struct sea_map *map, const struct object *object, struct graft *ret, struct err *err)
{
	struct graft g = { .map = map, .object = *object, .side = !object->side };
	uint64_t at;
	uint32_t n;
	int rc = plan_code(&g, err);

	copies(&g, &n);
	g.copy_at = xreallocarray(NULL, n, sizeof(*g.copy_at));
	at = g.code;
	if (rc == 0)
		rc = plan_data(&g, false, &at, err);
	g.constants = at - g.code;
	if (rc == 0)
		rc = plan_data(&g, true, &at, err);
	g.data = at - g.code - g.constants;
	if (rc < 0) {
		graft_free(&g);
		return rc;
	}
	*ret = g;
	return 0;
}

uint64_t graft_size(const struct graft *g)
{
	return g->code + g->constants + g->data;
}

uint64_t graft_entry(const struct graft *g, uint32_t i)
{
	return g->func_at[i] == GRAFT_NONE ? 0 : g->base + g->func_at[i];
}

void graft_free(struct graft *g)
{
	donor_close(&g->donor);
	origin_put(g->origin);
	free(g->func_at);
	free(g->copy_at);
	free(g->bytes);
	*g = (struct graft){ 0 };
}

/* Where the donor's byte at @addr has gone; 0: it stayed behind. */
static uint64_t moved(const struct graft *g, uint64_t addr)
{
	const struct sea_map_func *f = sea_map_func_of(g->map, g->object.pair, g->side, addr);
	uint32_t n;
	const struct sea_map_copy *c = copies(g, &n);

	if (f) {
		uint32_t count;
		uint64_t at = g->func_at[f - funcs(g, &count)];

		return at == GRAFT_NONE ? 0 : g->base + at + (addr - f->addr);
	}
	for (uint32_t i = 0; i < n; i++) {
		/* One past the end is an address too. */
		if (addr >= c[i].addr && addr - c[i].addr <= c[i].size)
			return g->base + g->copy_at[i] + (addr - c[i].addr);
	}
	return 0;
}

/* A stub of our own for an import: endbr64; jmp *slot(%rip). */
static uint64_t stub_for(struct graft *g, uint64_t slot)
{
	uint8_t *p = g->bytes + g->stubs_end;
	uint64_t at = g->base + g->stubs_end;
	int32_t rel = (int32_t)(slot - (at + 10));

	memcpy(p, "\xf3\x0f\x1e\xfa\xff\x25", 6);
	memcpy(p + 6, &rel, 4);
	g->stubs_end += STUB_SIZE;
	return at;
}

/* Where something of the donor's has to lead; 0: not known. */
static uint64_t destination(
	struct graft *g, unsigned klass, uint64_t target, uint64_t peer, uint64_t slot)
{
	const uint64_t bias = g->object.bias;

	switch (klass) {
	case SEA_C_SELF:
	case SEA_C_INJECTED:
	case SEA_C_COPY:
		return moved(g, target);
	case SEA_C_ADDRESS:
		return peer ? bias + peer : moved(g, target);
	case SEA_C_IMPORT:
		return peer ? bias + peer : slot ? stub_for(g, bias + slot) : 0;
	case SEA_C_FUNC:
	case SEA_C_SLOT:
	case SEA_C_DATA:
	case SEA_C_LITERAL:
		return peer ? bias + peer : 0;
	default:
		return 0;
	}
}

static bool put_field(uint8_t *at, unsigned width, int64_t value)
{
	if ((width == 1 && value != (int8_t)value) || (width == 4 && value != (int32_t)value) ||
		(width != 1 && width != 4 && width != 8))
		return false;
	memcpy(at, &value, width);
	return true;
}

static int link_func(struct graft *g, uint32_t i, struct err *err)
{
	uint32_t n;
	const struct sea_map_func *f = &funcs(g, &n)[i];
	const struct sea_map_operand *op = operands(g) + f->operand;
	const uint8_t *code = donor_bytes(&g->donor, f->addr, f->size);
	uint8_t *to = g->bytes + g->func_at[i];

	if (!code)
		return refuse(err, g, f, "is not in its file");
	memcpy(to, code, f->size);
	for (uint32_t k = 0; k < f->n_operands; k++, op++) {
		uint64_t dest;

		if (op->klass == SEA_C_TLS)
			continue;
		if ((uint64_t)op->off + op->width > f->size || op->next > f->size || !op->relative)
			return refuse(err, g, f, "has an operand that cannot be put right");
		dest = destination(g, op->klass, op->target, op->peer, op->slot);
		if (!dest || !put_field(to + op->off, op->width,
				     (int64_t)(dest - (g->base + g->func_at[i] + op->next))))
			return refuse_operand(err, g, f, op, dest);
	}
	return 0;
}

static int copy_data(struct graft *g, struct err *err)
{
	uint32_t n;
	const struct sea_map_copy *c = copies(g, &n);

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *bytes;

		if (c[i].flags & SEA_CF_ZERO)
			continue;
		bytes = donor_bytes(&g->donor, c[i].addr, c[i].size);
		if (!bytes)
			return err_set(
				err, ENOTSUP, "data at %#" PRIx64 " is not in its file", c[i].addr);
		memcpy(g->bytes + g->copy_at[i], bytes, c[i].size);
	}
	return 0;
}

/* Words in the data that hold addresses. What leads nowhere is 0, and never used by mistake. */
static int link_words(struct graft *g, struct err *err)
{
	uint32_t n;
	const struct sea_map_slot *s =
		sea_map_records(g->map, g->object.pair, SEA_T_SLOTS_OLD + g->side, &n);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = moved(g, s[i].addr), base = 0;
		uint64_t dest = destination(g, s[i].klass, s[i].target, s[i].peer, 0);

		if (!at || at - g->base + s[i].width > graft_size(g))
			return err_set(err, EINVAL,
				"a word at %#" PRIx64 " is in no data that comes", s[i].addr);
		if (s[i].width == 4) {
			base = moved(g, s[i].base);
			if (!dest || !base)
				return err_set(err, ENOTSUP,
					"a jump table at %#" PRIx64
					" leads to code that stays behind",
					s[i].base);
		}
		if (!put_field(g->bytes + (at - g->base), s[i].width, (int64_t)(dest - base)))
			return err_set(err, ENOTSUP, "a jump table at %#" PRIx64 " reaches too far",
				s[i].base);
	}
	return 0;
}

int graft_link(struct graft *g, struct err *err)
{
	uint32_t n;
	int rc;

	funcs(g, &n);
	g->bytes = xzalloc(graft_size(g));
	rc = copy_data(g, err);
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		if (g->func_at[i] != GRAFT_NONE)
			rc = link_func(g, i, err);
	}
	return rc < 0 ? rc : link_words(g, err);
}
