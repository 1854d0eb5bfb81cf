/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of functions by name and by content; propagate.c goes on from there. */
#include "sea/match.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define ENOUGH_INSNS  6 /* content says little about a function that is shorter */
#define MANY_LITERALS 4 /* strings and imports of which no other function uses the same */
#define MAX_ROUNDS    64

void sea_name_base(const char *name, struct str *ret)
{
	static const char *const dropped[] = { ".constprop", ".isra", ".lto_priv", ".localalias" };

	str_reset(ret);
	while (*name) {
		const char *rest = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(dropped) && ret->len; i++)
			if (str_starts(name, dropped[i]))
				rest = name + strlen(dropped[i]);
		/* The number behind is the compiler's count. */
		if (!rest && ret->len && *name == '.' && isdigit((unsigned char)name[1]))
			rest = name;
		if (!rest) {
			str_putc(ret, *name++);
			continue;
		}
		name = rest;
		if (*name == '.' && isdigit((unsigned char)name[1]))
			for (name++; isdigit((unsigned char)*name);)
				name++;
	}
}

bool sea_names_agree(const char *a, const char *b)
{
	cleanup_str struct str x = STR_INIT, y = STR_INIT;

	if (strcmp(a, b) == 0)
		return true;
	sea_name_base(a, &x);
	sea_name_base(b, &y);
	return strcmp(str_text(&x), str_text(&y)) == 0;
}

bool sea_may_pair(const struct sea_match *m, uint32_t fo, uint32_t fn)
{
	const struct sea_func *a = &m->im[0]->funcs[fo], *b = &m->im[1]->funcs[fn];

	if (m->peer[0][fo] != SEA_NONE || m->peer[1][fn] != SEA_NONE)
		return false;
	if (a->name && b->name)
		return sea_names_agree(a->name, b->name);
	/* Both files name this kind of function: one name alone speaks against the pair. */
	if ((a->name || b->name) && m->im[0]->has_symtab == m->im[1]->has_symtab)
		return false;
	return true;
}

void sea_pair(struct sea_match *m, uint32_t fo, uint32_t fn, enum sea_evidence how, unsigned conf)
{
	m->peer[0][fo] = fn;
	m->peer[1][fn] = fo;
	m->how[fo] = how;
	m->confidence[fo] = conf;
	m->seen[fo] = 0;
}

void sea_unpair(struct sea_match *m, uint32_t fo)
{
	m->peer[1][m->peer[0][fo]] = SEA_NONE;
	m->peer[0][fo] = SEA_NONE;
	m->how[fo] = SEA_BY_NOTHING;
	m->confidence[fo] = 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t *sorted_shapes(const struct sea_image *im, const struct sea_func *f)
{
	uint32_t *v = xreallocarray(NULL, f->n_insn, sizeof(*v));

	for (uint32_t i = 0; i < f->n_insn; i++)
		v[i] = im->insns[f->insn + i].shape;
	qsort(v, f->n_insn, sizeof(*v), by_number);
	return v;
}

unsigned sea_similarity(const struct sea_match *m, uint32_t fo, uint32_t fn)
{
	const struct sea_func *a = &m->im[0]->funcs[fo], *b = &m->im[1]->funcs[fn];
	uint32_t *x, *y, i = 0, k = 0;
	uint64_t same = 0;

	if (a->exact == b->exact)
		return 100;
	if (!a->n_insn || !b->n_insn)
		return 0;
	x = sorted_shapes(m->im[0], a);
	y = sorted_shapes(m->im[1], b);
	while (i < a->n_insn && k < b->n_insn) {
		if (x[i] == y[k])
			same++, i++, k++;
		else if (x[i] < y[k])
			i++;
		else
			k++;
	}
	free(x);
	free(y);
	return 200 * same / ((uint64_t)a->n_insn + b->n_insn);
}

/* One key a function; a key that occurs once on each side makes a pair. */
struct key {
	uint64_t value;
	uint32_t func;
};

static int by_key(const void *x, const void *y)
{
	const struct key *a = x, *b = y;

	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	return a->func < b->func ? -1 : a->func > b->func;
}

typedef uint64_t key_fn(const struct sea_match *m, enum sea_side side, uint32_t func);

static struct key *make_keys(
	const struct sea_match *m, enum sea_side side, key_fn *key, uint32_t *ret_n)
{
	uint32_t n = 0;
	struct key *v = xreallocarray(NULL, m->im[side]->n_funcs, sizeof(*v));

	for (uint32_t i = 0; i < m->im[side]->n_funcs; i++) {
		uint64_t k = m->peer[side][i] == SEA_NONE ? key(m, side, i) : 0;

		if (k)
			v[n++] = (struct key){ k, i };
	}
	if (n)
		qsort(v, n, sizeof(*v), by_key);
	*ret_n = n;
	return v;
}

static uint32_t count_equal(const struct key *v, uint32_t n, uint32_t i)
{
	uint32_t k = i + 1;

	while (k < n && v[k].value == v[i].value)
		k++;
	return k - i;
}

static void match_unique(struct sea_match *m, key_fn *key, enum sea_evidence how, unsigned conf,
	unsigned min_similarity)
{
	uint32_t no, nn, i = 0, k = 0;
	struct key *o = make_keys(m, SEA_OLD, key, &no), *n = make_keys(m, SEA_NEW, key, &nn);

	while (i < no && k < nn && !(min_similarity && sea_budget_spent(m->budget))) {
		uint32_t li = count_equal(o, no, i), lk = count_equal(n, nn, k);

		if (o[i].value < n[k].value) {
			i += li;
		} else if (o[i].value > n[k].value) {
			k += lk;
		} else {
			if (li == 1 && lk == 1 && sea_may_pair(m, o[i].func, n[k].func) &&
				(!min_similarity ||
					sea_similarity(m, o[i].func, n[k].func) >= min_similarity))
				sea_pair(m, o[i].func, n[k].func, how, conf);
			i += li;
			k += lk;
		}
	}
	free(o);
	free(n);
}

static uint64_t hash_name(const char *name, const char *file)
{
	uint64_t h = sea_hash(21, name, strlen(name));

	return (file ? sea_hash(h, file, strlen(file)) : h) | 1;
}

static uint64_t key_name(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	const struct sea_func *f = &m->im[side]->funcs[func];

	return f->name ? hash_name(f->name, NULL) : 0;
}

static uint64_t key_name_file(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	const struct sea_func *f = &m->im[side]->funcs[func];

	return f->name && f->file ? hash_name(f->name, f->file) : 0;
}

static uint64_t key_base(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	const struct sea_func *f = &m->im[side]->funcs[func];
	cleanup_str struct str base = STR_INIT;

	if (!f->name)
		return 0;
	sea_name_base(f->name, &base);
	return hash_name(str_text(&base), f->file);
}

static bool says_enough(const struct sea_match *m, enum sea_side side, const struct sea_func *f)
{
	uint32_t named = 0;

	for (uint32_t i = 0; i < f->n_ref; i++)
		named += m->canon[side][f->ref + i] != 0;
	return f->n_insn + 3 * named >= ENOUGH_INSNS + 3;
}

static bool tells_no_more(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	return m->doubt[side][func] & SEA_DOUBT_CONSTANTS;
}

static uint64_t key_context(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	const struct sea_func *f = &m->im[side]->funcs[func];

	return says_enough(m, side, f) && !tells_no_more(m, side, func) ? f->context | 1 : 0;
}

static uint64_t key_exact(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	const struct sea_func *f = &m->im[side]->funcs[func];

	return f->n_insn >= 2 * ENOUGH_INSNS && !tells_no_more(m, side, func) ? f->exact | 1 : 0;
}

/* The strings and imports as a set; order and number of uses may change. How many to @ret_n. */
static uint64_t hash_literals(
	const struct sea_match *m, enum sea_side side, uint32_t func, uint32_t *ret_n)
{
	const struct sea_func *f = &m->im[side]->funcs[func];
	uint64_t sum = 0, mix = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n_ref; i++) {
		uint64_t c = m->canon[side][f->ref + i];
		bool again = !c;

		for (uint32_t k = 0; k < i && k < 64 && !again; k++)
			again = m->canon[side][f->ref + k] == c;
		if (again)
			continue;
		sum += c;
		mix ^= c * 0x9e3779b97f4a7c15ull;
		n++;
	}
	*ret_n = n;
	return (sum ^ mix >> 7) | 1;
}

static uint64_t key_literals(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	uint32_t n;
	uint64_t h = hash_literals(m, side, func, &n);

	return n >= MANY_LITERALS ? h : 0;
}

/* Few are shared by a function and the part of it that was split off, or is another one's. */
static uint64_t key_few_literals(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	uint32_t n;
	uint64_t h = hash_literals(m, side, func, &n);

	return n >= 2 && n < MANY_LITERALS ? h : 0;
}

static void match_literals(struct sea_match *m, unsigned conf)
{
	match_unique(m, key_literals, SEA_BY_LITERALS, conf, 50);
	match_unique(m, key_few_literals, SEA_BY_LITERALS, conf, 75);
}

/*
 * The instructions and all that they refer to, matched functions included: tells short functions
 * apart that differ only in what they call or hand out.
 */
static uint64_t key_linked(const struct sea_match *m, enum sea_side side, uint32_t func)
{
	const struct sea_func *f = &m->im[side]->funcs[func];
	uint64_t h = f->exact, linked = 0;

	if (tells_no_more(m, side, func))
		return 0;
	for (uint32_t i = 0; i < f->n_ref; i++) {
		const struct sea_ref *r = &m->im[side]->refs[f->ref + i];
		uint64_t c = sea_canon(m, side, f->ref + i);

		if (!c && r->kind != SEA_R_TLS && sea_func_of(m->im[side], r->target) != SEA_NONE)
			return 0; /* an unmatched function: later */
		linked += c != 0;
		h = sea_hash(h, &c, sizeof(c));
	}
	return linked && f->n_insn >= 3 ? h | 1 : 0;
}

static void hash_context(struct sea_match *m, enum sea_side side)
{
	struct sea_image *im = m->im[side];

	m->canon[side] = xreallocarray(NULL, im->n_refs, sizeof(uint64_t));
	for (uint32_t i = 0; i < im->n_refs; i++)
		m->canon[side][i] = sea_canon_static(im, &im->refs[i]);
	for (uint32_t i = 0; i < im->n_funcs; i++) {
		struct sea_func *f = &im->funcs[i];

		f->context =
			sea_hash(f->exact, m->canon[side] + f->ref, f->n_ref * sizeof(uint64_t));
	}
}

static void match_names(struct sea_match *m)
{
	match_unique(m, key_name, SEA_BY_NAME, 100, 0);
	match_unique(m, key_name_file, SEA_BY_NAME, 99, 0);
	match_unique(m, key_base, SEA_BY_NAME, 97, 0);
}

/* What the headers themselves point out: the entry, and the code of .init and .fini. */
static void match_roots(struct sea_match *m)
{
	static const char *const pieces[] = { ".init", ".fini" };

	for (size_t i = 0; i <= ARRAY_SIZE(pieces); i++) {
		uint64_t at[2] = { m->im[0]->entry, m->im[1]->entry };
		uint32_t fo, fn;

		for (int s = 0; s < 2 && i < ARRAY_SIZE(pieces); s++) {
			const struct sea_section *sect = sea_section_named(m->im[s], pieces[i]);

			at[s] = sect ? sect->addr : 0;
		}
		fo = at[0] ? sea_func_at(m->im[0], at[0]) : SEA_NONE;
		fn = at[1] ? sea_func_at(m->im[1], at[1]) : SEA_NONE;
		if (fo != SEA_NONE && fn != SEA_NONE && sea_may_pair(m, fo, fn))
			sea_pair(m, fo, fn, SEA_BY_POINTERS, 99);
	}
}

static uint32_t *fill_none(uint32_t n)
{
	uint32_t *v = xreallocarray(NULL, n, sizeof(*v));

	for (uint32_t i = 0; i < n; i++)
		v[i] = SEA_NONE;
	return v;
}

int sea_match_run(struct sea_image *old_im, struct sea_image *new_im, struct sea_budget *budget,
	struct sea_match *ret, struct err *err)
{
	struct sea_match *m = ret;
	uint32_t made = 1;

	memset(m, 0, sizeof(*m));
	m->im[0] = old_im;
	m->im[1] = new_im;
	m->budget = budget;
	m->peer[0] = fill_none(old_im->n_funcs);
	m->peer[1] = fill_none(new_im->n_funcs);
	m->how = xzalloc(old_im->n_funcs);
	m->confidence = xzalloc(old_im->n_funcs);
	m->seen = xzalloc(old_im->n_funcs);
	hash_context(m, SEA_OLD);
	hash_context(m, SEA_NEW);
	sea_find_families(m);
	match_names(m);
	match_roots(m);
	match_unique(m, key_context, SEA_BY_CONTENT, 98, 0);
	match_unique(m, key_exact, SEA_BY_CODE, 95, 0);
	match_literals(m, 90);
	for (int round = 0; made && round < MAX_ROUNDS && !sea_budget_spent(budget); round++) {
		made = 0;
		for (uint32_t n; (n = sea_propagate(m)) && !sea_budget_spent(budget);)
			made += n;
		match_unique(m, key_context, SEA_BY_CONTENT, 97, 0);
		match_literals(m, 88);
		match_unique(m, key_linked, SEA_BY_CONTENT, 96, 0);
		made += sea_match_order(m);
	}
	/* What was taken back may have a better partner. */
	for (int round = 0; round < 4 && !sea_budget_spent(budget); round++) {
		if (!sea_match_verify(m))
			break;
		match_unique(m, key_linked, SEA_BY_CONTENT, 96, 0);
	}
	if (sea_budget_spent(budget)) {
		sea_match_free(m);
		return err_set(err, ETIME, "matching took too long");
	}
	return 0;
}

void sea_match_free(struct sea_match *m)
{
	for (int s = 0; s < 2; s++) {
		free(m->peer[s]);
		free(m->canon[s]);
		free(m->doubt[s]);
	}
	free(m->how);
	free(m->confidence);
	free(m->seen);
	free(m->code.v);
	free(m->data.v);
	memset(m, 0, sizeof(*m));
}
