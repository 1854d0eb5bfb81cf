/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the map of two stripped files with what the symbols of the unstripped ones say.
 * usage: truth NAME CLASS DIR ... where DIR holds {old,new}.{stripped,full}.
 *
 * Functions: by name (and source file where a name occurs twice). Data: each writable address that
 * an old function refers to, as symbol and offset; a symbol whose size changed has to be refused.
 * Return addresses: in functions of equal code by their order; in others the calls of a callee that
 * both have as often, from the same inlined functions, in the order of the source: a compiler lays
 * blocks out in another one as soon as anything changes.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/xalloc.h"
#include "sea/match.h"
#include "sea/sea.h"
#include "tests/bench/sea/places.h"

#define SHOWN 12 /* misses listed of one kind */

struct score {
	unsigned total, right, wrong, missed;
	unsigned traps, caught; /* what has to be refused, and was */
};

struct pair {
	const char *name;
	struct sea_image *im[2]; /* with symbols */
	struct places *places[2];
	struct sea_map *map;
	const struct sea_map_object *o;
	struct score funcs, data, sites;
	double seconds;
	bool quiet;
	unsigned shown;
};

/* @class: F function, D data, R return address. */
static void miss(struct pair *p, const char *what, uint64_t at, const char *name, uint64_t got,
	uint64_t want)
{
	if (p->quiet || p->shown++ >= SHOWN)
		return;
	printf("    %-8s %#8lx %-32s got %#lx, truth %#lx\n", what, at, name ? name : "", got,
		want);
}

static int by_name(const void *x, const void *y)
{
	const struct sea_func *a = *(struct sea_func *const *)x, *b = *(struct sea_func *const *)y;
	int c = strcmp(a->name, b->name);

	return c ? c : strcmp(a->file ? a->file : "", b->file ? b->file : "");
}

static const struct sea_func **named(const struct sea_image *im, uint32_t *ret_n)
{
	const struct sea_func **v = xreallocarray(NULL, im->n_funcs, sizeof(*v));
	uint32_t n = 0;

	for (uint32_t i = 0; i < im->n_funcs; i++)
		if (im->funcs[i].name)
			v[n++] = &im->funcs[i];
	qsort(v, n, sizeof(*v), by_name);
	*ret_n = n;
	return v;
}

/* For each old function the new one of the same name, or SEA_NONE; names that say too little too.
 */
static uint32_t *true_funcs(const struct pair *p, bool *ret_unclear)
{
	uint32_t n[2], *truth = xreallocarray(NULL, p->im[0]->n_funcs, sizeof(*truth));
	const struct sea_func **v[2] = { named(p->im[0], &n[0]), named(p->im[1], &n[1]) };

	for (uint32_t i = 0; i < p->im[0]->n_funcs; i++) {
		truth[i] = SEA_NONE;
		ret_unclear[i] = !p->im[0]->funcs[i].name;
	}
	for (uint32_t i = 0, k = 0; i < n[0];) {
		uint32_t li = 1, lk = 0;
		int c = k < n[1] ? by_name(&v[0][i], &v[1][k]) : -1;

		if (c > 0) {
			k++;
			continue;
		}
		while (i + li < n[0] && !by_name(&v[0][i], &v[0][i + li]))
			li++;
		while (c == 0 && k + lk < n[1] && !by_name(&v[1][k], &v[1][k + lk]))
			lk++;
		if (li == 1 && lk == 1)
			truth[v[0][i] - p->im[0]->funcs] = v[1][k] - p->im[1]->funcs;
		for (uint32_t x = 0; x < li && (li > 1 || lk > 1); x++)
			ret_unclear[v[0][i + x] - p->im[0]->funcs] = true;
		i += li;
		k += lk;
	}
	free(v[0]);
	free(v[1]);
	return truth;
}

static void score_funcs(struct pair *p, const uint32_t *truth, const bool *unclear)
{
	uint32_t n_new;
	const struct sea_map_func *g = sea_map_records(p->map, p->o, SEA_T_FUNCS_NEW, &n_new);

	for (uint32_t i = 0; i < p->im[0]->n_funcs; i++) {
		const struct sea_func *x = &p->im[0]->funcs[i];
		const struct sea_map_func *m = sea_map_func_of(p->map, p->o, 0, x->addr);
		uint64_t got =
			m && m->addr == x->addr && m->peer != SEA_MAP_NONE ? g[m->peer].addr : 0;
		uint64_t want = truth[i] == SEA_NONE ? 0 : p->im[1]->funcs[truth[i]].addr;
		uint32_t to = got ? sea_func_at(p->im[1], got) : SEA_NONE;
		const char *name = to == SEA_NONE ? NULL : p->im[1]->funcs[to].name;

		if (unclear[i] && !(name && x->name && !sea_names_agree(name, x->name)))
			continue;
		p->funcs.total += want != 0;
		if (want && got == want) {
			p->funcs.right++;
		} else if (got && name && x->name && sea_names_agree(x->name, name) && !want) {
			continue; /* only the compiler's suffix differs: neither right nor wrong */
		} else if (got) {
			p->funcs.wrong++;
			miss(p, "WRONG", x->addr, x->name, got, want);
		} else if (want) {
			p->funcs.missed++;
			miss(p, "missed", x->addr, x->name, got, want);
		}
	}
}

static const struct sea_sym *object_at(const struct sea_image *im, uint64_t addr)
{
	for (uint32_t i = 0; i < im->n_syms; i++)
		if (im->syms[i].type == STT_OBJECT && addr >= im->syms[i].addr &&
			addr - im->syms[i].addr < im->syms[i].size)
			return &im->syms[i];
	return NULL;
}

/* The only object of that name (and file) on the other side; *@ret_many: there are several. */
static const struct sea_sym *object_named(
	const struct sea_image *im, const struct sea_sym *s, bool *ret_many)
{
	const struct sea_sym *found = NULL;

	*ret_many = false;
	for (uint32_t i = 0; i < im->n_syms; i++) {
		const struct sea_sym *x = &im->syms[i];

		if (x->type != STT_OBJECT || !sea_names_agree(x->name, s->name) ||
			strcmp(x->file ? x->file : "", s->file ? s->file : ""))
			continue;
		*ret_many |= found != NULL && found->addr != x->addr;
		found = x;
	}
	return found;
}

static bool is_variable(const struct sea_image *im, uint64_t addr)
{
	enum sea_place place = sea_place_of(im, addr);

	return place == SEA_P_DATA || place == SEA_P_BSS;
}

static void score_target(struct pair *p, uint64_t addr)
{
	const struct sea_sym *o = object_at(p->im[0], addr), *n;
	bool many, many_old;
	uint64_t got, want;

	if (!o || !o->size)
		return;
	object_named(p->im[0], o, &many_old);
	n = object_named(p->im[1], o, &many);
	if (many || many_old)
		return;
	if (!sea_map_data_peer(p->map, p->o, 0, addr, &got))
		got = 0;
	if (!n || n->size != o->size) {
		p->data.traps++;
		p->data.caught += !got;
		if (got) {
			p->data.wrong++;
			miss(p, n ? "TRAP" : "GONE", addr, o->name, got, n ? n->addr : 0);
		}
		return;
	}
	want = n->addr + (addr - o->addr);
	p->data.total++;
	if (got == want) {
		p->data.right++;
	} else if (got) {
		p->data.wrong++;
		miss(p, "WRONG", addr, o->name, got, want);
	} else {
		p->data.missed++;
		miss(p, "missed", addr, o->name, got, want);
	}
}

static void score_data(struct pair *p, const uint32_t *truth)
{
	uint64_t last = 0;

	for (uint32_t i = 0; i < p->im[0]->n_ref_targets; i++) {
		uint64_t addr = p->im[0]->ref_targets[i];
		bool used = false;

		if (addr == last || !is_variable(p->im[0], addr))
			continue;
		last = addr;
		for (uint32_t k = 0; k < p->im[0]->n_refs && !used; k++)
			used = p->im[0]->refs[k].target == addr &&
			       p->im[0]->refs[k].kind != SEA_R_TLS &&
			       truth[p->im[0]->refs[k].func] != SEA_NONE;
		if (used)
			score_target(p, addr);
	}
}

struct call {
	const char *callee;
	uint64_t ret;
	struct place place;
	uint32_t turn, count; /* of those that are alike; SEA_NONE: not known which */
};

static const char *callee(const struct sea_image *im, const struct sea_insn *in)
{
	const struct sea_ref *r = in->ref == SEA_NONE ? NULL : &im->refs[in->ref];
	const struct sea_reloc *slot;
	const char *name;
	uint32_t f;

	if (!r)
		return "*";
	f = sea_func_at(im, r->target);
	if (f != SEA_NONE)
		return im->funcs[f].name ? im->funcs[f].name : "?";
	slot = sea_reloc_at(im, r->target);
	name = slot ? sea_reloc_import(im, slot) : sea_stub_import(im, r->target, NULL);
	return name ? name : "*";
}

static struct call *calls(
	const struct pair *p, enum sea_side side, uint32_t func, bool same, uint32_t *ret_n)
{
	const struct sea_image *im = p->im[side];
	const struct sea_func *f = &im->funcs[func];
	struct call *v = xreallocarray(NULL, f->n_insn, sizeof(*v));
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n_insn; i++) {
		const struct sea_insn *in = &im->insns[f->insn + i];

		if (in->kind != SEA_I_CALL && in->kind != SEA_I_CALL_INDIRECT)
			continue;
		v[n] = (struct call){ callee(im, in), f->addr + in->off + in->len, { "", "" }, 0,
			0 };
		if (!same)
			v[n].place = places_find(p->places[side], v[n].ret - 1);
		n++;
	}
	*ret_n = n;
	return v;
}

/* Whether the two calls can only be told apart by where they stand. */
static bool are_alike(const struct call *a, const struct call *b)
{
	return sea_names_agree(a->callee, b->callee) && strcmp(a->place.names, b->place.names) == 0;
}

/*
 * Each call's turn among those that are alike, in the order of the source, or of the addresses
 * where that is not known.
 */
static void count_turns(struct call *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < n; k++) {
			int c;

			if (!are_alike(&v[i], &v[k]))
				continue;
			c = strcmp(v[k].place.lines, v[i].place.lines);
			v[i].count++;
			if (c == 0 && k != i && *v[i].place.lines)
				v[i].turn = SEA_NONE; /* two stand at one place */
			if (v[i].turn != SEA_NONE && (c < 0 || (c == 0 && k < i)))
				v[i].turn++;
		}
}

static void score_site(struct pair *p, const struct call *o, uint64_t want)
{
	const struct sea_map_site *s = sea_map_site_of(p->map, p->o, 0, o->ret);

	p->sites.total++;
	if (s && s->new_ret == want)
		p->sites.right++;
	else if (s) {
		p->sites.wrong++;
		miss(p, "WRONG", o->ret, o->callee, s->new_ret, want);
	} else {
		p->sites.missed++;
		miss(p, "missed", o->ret, o->callee, 0, want);
	}
}

static void score_calls(struct pair *p, uint32_t fo, uint32_t fn)
{
	uint32_t n[2];
	bool same = p->im[0]->funcs[fo].exact == p->im[1]->funcs[fn].exact;
	struct call *c[2] = { calls(p, SEA_OLD, fo, same, &n[0]),
		calls(p, SEA_NEW, fn, same, &n[1]) };

	for (int s = 0; s < 2 && !same; s++)
		count_turns(c[s], n[s]);
	for (uint32_t i = 0; i < n[0]; i++) {
		const struct call *o = &c[0][i];

		if (same)
			score_site(p, o, c[1][i].ret);
		for (uint32_t k = 0; k < n[1] && !same && o->turn != SEA_NONE; k++)
			if (o->turn == c[1][k].turn && o->count == c[1][k].count &&
				are_alike(o, &c[1][k]))
				score_site(p, o, c[1][k].ret);
	}
	free(c[0]);
	free(c[1]);
}

static double percent(unsigned part, unsigned whole)
{
	return whole ? 100.0 * part / whole : 100.0;
}

/* Cut off, not rounded: 99.996 is not 100. */
static const char *show(unsigned part, unsigned whole, char room[16])
{
	snprintf(room, 16, "%.2f", (double)(unsigned long)(percent(part, whole) * 100) / 100);
	return room;
}

static void print_score(const char *what, const struct score *s)
{
	char a[16], b[16];

	printf("  %-10s precision %6s %%  recall %6s %%  (%u right, %u wrong, %u missed of %u",
		what, show(s->right, s->right + s->wrong, a), show(s->right, s->total, b), s->right,
		s->wrong, s->missed, s->total);
	if (s->traps)
		printf("; %u of %u changed layouts refused", s->caught, s->traps);
	puts(")");
}

static void add(struct score *sum, const struct score *s)
{
	sum->total += s->total;
	sum->right += s->right;
	sum->wrong += s->wrong;
	sum->missed += s->missed;
	sum->traps += s->traps;
	sum->caught += s->caught;
}

static bool meets(const struct pair *sum)
{
	const struct score *f = &sum->funcs, *d = &sum->data, *s = &sum->sites;

	return percent(f->right, f->right + f->wrong) >= 99.9 &&
	       percent(f->right, f->total) >= 99 && !d->wrong &&
	       percent(d->right, d->total) >= 98 && percent(s->right, s->total) >= 98 && f->total &&
	       d->total && s->total;
}

static bool load(struct pair *p, const char *dir, bool no_exports, struct err *err)
{
	static const char *const sides[2] = { "old", "new" };
	struct sea_load_opts opts = { 0 };
	struct sea_opts run = { .no_types = true, .no_exports = no_exports };
	cleanup_free char *stripped[2] = { NULL };
	char *at[2];
	struct timespec begin, end;
	int rc = 0;

	for (int s = 0; s < 2 && rc == 0; s++) {
		cleanup_free char *full = xasprintf("%s/%s.full", dir, sides[s]);

		rc = sea_image_load(full, &opts, &p->im[s], err);
		p->places[s] = places_open(full);
	}
	if (rc < 0)
		return false;
	at[0] = xasprintf("%s/old.stripped", dir);
	at[1] = xasprintf("%s/new.stripped", dir);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	rc = sea_analyze(at[0], at[1], &run, &p->map, err);
	clock_gettime(CLOCK_MONOTONIC, &end);
	p->seconds = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9;
	stripped[0] = at[0];
	free(at[1]);
	if (rc == 0)
		p->o = sea_map_object(p->map, 0);
	return rc == 0;
}

static bool score(struct pair *p, const char *dir, bool no_exports)
{
	struct err err;
	bool *unclear;
	uint32_t *truth;

	if (!load(p, dir, no_exports, &err)) {
		printf("  %s\n", err.text);
		return false;
	}
	unclear = xzalloc(p->im[0]->n_funcs);
	truth = true_funcs(p, unclear);
	score_funcs(p, truth, unclear);
	p->shown = 0;
	score_data(p, truth);
	p->shown = 0;
	for (uint32_t i = 0; i < p->im[0]->n_funcs; i++)
		if (truth[i] != SEA_NONE)
			score_calls(p, i, truth[i]);
	free(truth);
	free(unclear);
	for (int s = 0; s < 2; s++) {
		sea_image_free(p->im[s]);
		places_close(p->places[s]);
	}
	return true;
}

/* Revisions that differ in what is not built. */
static bool is_same(const char *dir)
{
	cleanup_free char *old_path = xasprintf("%s/old.stripped", dir);
	cleanup_free char *new_path = xasprintf("%s/new.stripped", dir);
	cleanup_free uint8_t *a = NULL, *b = NULL;
	size_t na, nb;

	return sea_file_read(old_path, &a, &na, NULL) == 0 &&
	       sea_file_read(new_path, &b, &nb, NULL) == 0 && na == nb && !memcmp(a, b, na);
}

static void print_sum(const char *what, const struct pair *sum)
{
	printf("%s\n", what);
	print_score("functions", &sum->funcs);
	print_score("data", &sum->data);
	print_score("returns", &sum->sites);
}

int main(int argc, char **argv)
{
	struct pair sums[3] = { { 0 } }, hidden = { 0 };
	static const char *const classes[3] = { "neighbour", "upstream", "stress" };
	struct rusage use;
	unsigned n = 0;

	for (int i = 1; i + 2 < argc; i += 3, n++) {
		struct pair p = { .name = argv[i] }, q = { .name = argv[i], .quiet = true };
		int k = 0;

		while (k < 2 && strcmp(classes[k], argv[i + 1]))
			k++;
		printf("%s (%s)\n", argv[i], argv[i + 1]);
		p.quiet = k == 2;
		if (is_same(argv[i + 2])) {
			puts("  the two builds are the same bytes: nothing to measure");
			n--;
			continue;
		}
		if (!score(&p, argv[i + 2], false) || !score(&q, argv[i + 2], true))
			return 1;
		printf("  %u and %u functions, %s, %.2f s\n", p.o->table[SEA_T_FUNCS_OLD].count,
			p.o->table[SEA_T_FUNCS_NEW].count, sea_state_text(p.o->state), p.seconds);
		print_score("functions", &p.funcs);
		print_score("data", &p.data);
		print_score("returns", &p.sites);
		add(&sums[k].funcs, &p.funcs);
		add(&sums[k].data, &p.data);
		add(&sums[k].sites, &p.sites);
		if (k == 0) {
			add(&hidden.funcs, &q.funcs);
			add(&hidden.data, &q.data);
			add(&hidden.sites, &q.sites);
		}
		sea_map_close(p.map);
		sea_map_close(q.map);
	}
	getrusage(RUSAGE_SELF, &use);
	printf("\n%u pairs, peak memory %ld MB\n", n, use.ru_maxrss / 1024);
	print_sum("all neighbours", &sums[0]);
	print_sum("all neighbours, exported names hidden too", &hidden);
	print_sum("changes as upstream makes them", &sums[1]);
	print_sum("stress: another optimisation level (shown, no threshold)", &sums[2]);
	if (!meets(&sums[0])) {
		puts("below the thresholds: functions 99.9 / 99, data 100 / 98, returns 98");
		return 1;
	}
	puts("the thresholds are met: functions 99.9 / 99, data 100 / 98, returns 98");
	return 0;
}
