/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/tls.h"

#include <elf.h>
#include <stdlib.h>

#include "base/xalloc.h"

static void add(struct sea_tls *t, uint64_t offset)
{
	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->known = xreallocarray(t->known, t->room, sizeof(*t->known));
	}
	t->known[t->n++] = offset;
}

static int by_value(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

/* Below the thread pointer, as variant II of the ABI has it. */
static uint64_t offset_of(const struct sea_image *im, uint64_t in_block)
{
	uint64_t align = im->tls_align ? im->tls_align : 1;

	return in_block - (im->tls_memsz + align - 1) / align * align;
}

/* A variable that both name. Several of one name are static ones: they say nothing. */
static const struct sea_sym *only_one(const struct sea_image *im, const struct sea_sym *like)
{
	const struct sea_sym *found = NULL;

	for (uint32_t i = 0; i < im->n_syms; i++) {
		if (im->syms[i].type != STT_TLS || !sea_names_agree(im->syms[i].name, like->name))
			continue;
		if (found && found->addr != im->syms[i].addr)
			return NULL;
		found = &im->syms[i];
	}
	return found;
}

static void compare_names(const struct sea_analysis *a, struct sea_tls *t)
{
	const struct sea_image *o = a->im[0], *n = a->im[1];

	for (uint32_t i = 0; i < o->n_syms; i++) {
		const struct sea_sym *x = &o->syms[i], *y;

		if (x->type != STT_TLS || !x->defined || only_one(o, x) == NULL)
			continue;
		y = only_one(n, x);
		if (!y)
			continue;
		if (x->addr != y->addr || x->size != y->size)
			t->moved = true;
		for (uint64_t k = 0; k < x->size && k < 4096; k++)
			add(t, offset_of(o, x->addr + k));
	}
}

/* The thread-local operands of a function, in their order. */
static uint32_t operands(const struct sea_image *im, uint32_t func, uint32_t from)
{
	const struct sea_func *f = &im->funcs[func];

	while (from < f->n_ref && im->refs[f->ref + from].kind != SEA_R_TLS)
		from++;
	return from;
}

/*
 * Matched functions that use thread-local data the same number of times: the same offsets in the
 * same order are the same variables; functions that are alike otherwise and differ in offsets show
 * that variables moved.
 */
static void compare_operands(
	const struct sea_analysis *a, struct sea_tls *t, uint32_t fo, uint32_t fn)
{
	const struct sea_image *o = a->im[0], *n = a->im[1];
	const bool alike =
		o->funcs[fo].n_insn == n->funcs[fn].n_insn && sea_similarity(&a->m, fo, fn) >= 90;
	uint32_t i = operands(o, fo, 0), k = operands(n, fn, 0), first = t->n;
	bool same = true;

	while (i < o->funcs[fo].n_ref && k < n->funcs[fn].n_ref) {
		uint64_t x = o->refs[o->funcs[fo].ref + i].target;
		uint64_t y = n->refs[n->funcs[fn].ref + k].target;

		same &= x == y;
		add(t, x);
		i = operands(o, fo, i + 1);
		k = operands(n, fn, k + 1);
	}
	same &= i >= o->funcs[fo].n_ref && k >= n->funcs[fn].n_ref;
	if (same)
		return;
	t->n = first;
	t->moved |= alike;
}

void sea_tls_compare(const struct sea_analysis *a, struct sea_tls *ret)
{
	const struct sea_image *o = a->im[0], *n = a->im[1];

	*ret = (struct sea_tls){ .moved = o->tls_memsz != n->tls_memsz ||
					  o->tls_align != n->tls_align ||
					  o->tls_filesz != n->tls_filesz };
	if (ret->moved || !o->tls_memsz)
		return;
	compare_names(a, ret);
	for (uint32_t i = 0; i < o->n_funcs; i++) {
		if (a->m.peer[0][i] != SEA_NONE)
			compare_operands(a, ret, i, a->m.peer[0][i]);
	}
	if (ret->n)
		qsort(ret->known, ret->n, sizeof(*ret->known), by_value);
}

bool sea_tls_stays(const struct sea_tls *tls, uint64_t offset)
{
	return !tls->moved && tls->n &&
	       bsearch(&offset, tls->known, tls->n, sizeof(offset), by_value);
}

void sea_tls_free(struct sea_tls *tls)
{
	free(tls->known);
	*tls = (struct sea_tls){ 0 };
}
