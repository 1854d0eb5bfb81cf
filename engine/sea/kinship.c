/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two objects are versions of one program. Code says little by itself: in `ls` and `cp` of
 * one package half of the functions are the same to the letter, all from a library that both are
 * linked with, while two releases of `cat` four years apart have an eighth in common, as another
 * compiler made them. What a program says to its user lives longer than its code: versions share
 * most strings. So two things are asked, and the second only of code that is not the library's:
 * how many functions correspond, and how many of the strings that the other functions use are known
 * on both sides. Those that say little are asked what they import. What one source made in two
 * ways is told apart by its name alone, which such programs say: each calls itself what its file is
 * called, and not what the other one is.
 */
#include "sea/kinship.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/outlook.h"

#define FEW_FUNCS     20 /* percent of the smaller version's functions that correspond */
#define OTHER_SIZE    8	 /* percent of the larger version's, for the same */
#define SAME_STRINGS  60 /* percent of strings that only versions of one program share */
#define OTHER_STRINGS 33 /* percent that versions do not go below, years apart */
#define OTHER_MAIN    40 /* the same for the strings of main alone */
#define LETTER	      80 /* percent of the pairs that are the same to the letter: a library's */
#define OTHER_OWN     50 /* the same, of a side's own strings where of both sides' less than */
#define OTHER_BOTH    25 /* this are shared */
#define ENOUGH	      24 /* strings of a side, for them to say something */
#define ENOUGH_OWN    10 /* the same where main's speak as well */
#define ENOUGH_MAIN   8
#define ENOUGH_LETTER 6	 /* of main's, and of the program's own, beside a library's code */
#define OWN_PART      20 /* percent of all strings that are the program's own, for the same */
#define NEAR_OWN      60 /* percent of the strings of both sides that neighbours do not go below */
#define NEAR_MAIN     50 /* the same for the strings of main alone */
#define FAR	      45 /* percent of both sides' that versions do not go below, years apart */
#define FEW_STRINGS   3	 /* that are all the same on both sides say something, or all others */
#define OTHER_WORDS   20 /* percent of both sides', and of main's, where one side says little */
#define FAR_IMPORTS   30 /* percent of the imports of both sides that versions do not go below */
#define OTHER_IMPORTS 50 /* the same of the side that has fewer */
#define SOME_IMPORTS  8	 /* of both sides together, for them to say something */
#define LARGER	      8	 /* times as many functions as a version of one program has */
#define SHORT_NAME    2	 /* characters of a program's name, at least */

/* Strings by hash, sorted, each once. */
struct strings {
	uint64_t *v;
	uint32_t n, room;
};

/* Part of a path. */
struct name {
	const char *text;
	size_t len;
};

struct kinship {
	uint32_t funcs[2], alike, pairs, letter, named;
	uint32_t equal; /* pairs with the same instructions, whatever they refer to */
	struct strings all[2], own[2], main[2];
	struct strings imports[2];
};

/* Functions that say something about the program: not the few that every program starts with. */
static bool is_own(const struct sea_image *im, uint32_t i)
{
	const struct sea_func *f = &im->funcs[i];

	return f->flags & SEA_F_FDE && f->addr != im->entry && !(f->flags & SEA_F_FRAGMENT);
}

static int by_value(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static void add_text(struct strings *s, const void *text, size_t len)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 256;
		s->v = xreallocarray(s->v, s->room, sizeof(*s->v));
	}
	s->v[s->n++] = sea_hash(0, text, len);
}

static void add_string(struct strings *s, const struct sea_image *im, uint64_t addr)
{
	size_t len = sea_string_at(im, addr);

	if (len >= 4)
		add_text(s, sea_bytes(im, addr, len), len);
}

/* What the program asks others for; reserved names are the compiler's and the C library's choice.
 */
static void add_imports(struct strings *s, const struct sea_image *im)
{
	for (uint32_t i = 0; i < im->n_relocs; i++) {
		const char *name = sea_reloc_import(im, &im->relocs[i]);

		if (name && (*name != '_' || name[1] == 'Z'))
			add_text(s, name, strlen(name));
	}
}

static void add_strings(struct strings *s, const struct sea_image *im, uint32_t func)
{
	const struct sea_func *f = &im->funcs[func];

	for (uint32_t i = 0; i < f->n_ref; i++)
		if (im->refs[f->ref + i].kind != SEA_R_TLS)
			add_string(s, im, im->refs[f->ref + i].target);
}

static void sort_strings(struct strings *s)
{
	uint32_t k = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_value);
	for (uint32_t i = 0; i < s->n; i++)
		if (!k || s->v[k - 1] != s->v[i])
			s->v[k++] = s->v[i];
	s->n = k;
}

static uint32_t count_shared(const struct strings *a, const struct strings *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0, k = 0; i < a->n && k < b->n;) {
		if (a->v[i] == b->v[k])
			n++, i++, k++;
		else if (a->v[i] < b->v[k])
			i++;
		else
			k++;
	}
	return n;
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

/* Of the side that has fewer: the other one may have got many new ones. */
static unsigned share(const struct strings s[2])
{
	return percent(count_shared(&s[0], &s[1]), s[0].n < s[1].n ? s[0].n : s[1].n);
}

static uint32_t together(const struct strings s[2])
{
	return s[0].n + s[1].n - count_shared(&s[0], &s[1]);
}

/* Of all that either side has. */
static unsigned overlap(const struct strings s[2])
{
	return percent(count_shared(&s[0], &s[1]), together(s));
}

/* A string that identical code uses too is the library's. */
static void drop(struct strings *from, const struct strings *what)
{
	uint32_t n = 0;

	for (uint32_t i = 0, k = 0; i < from->n; i++) {
		while (k < what->n && what->v[k] < from->v[i])
			k++;
		if (k == what->n || what->v[k] != from->v[i])
			from->v[n++] = from->v[i];
	}
	from->n = n;
}

static void gather(const struct sea_analysis *a, int s, struct kinship *k)
{
	const struct sea_image *im = a->im[s];
	struct strings library = { 0 };
	uint32_t start = sea_find_main(im);

	for (uint32_t i = 0; i < im->n_funcs; i++) {
		k->funcs[s] += is_own(im, i);
		add_strings(
			a->func[s][i].verdict == SEA_V_IDENTICAL ? &library : &k->own[s], im, i);
	}
	for (uint32_t i = 0; i < im->n_ref_targets; i++)
		add_string(&k->all[s], im, im->ref_targets[i]);
	if (start != SEA_NONE)
		add_strings(&k->main[s], im, start);
	add_imports(&k->imports[s], im);
	sort_strings(&library);
	sort_strings(&k->imports[s]);
	sort_strings(&k->all[s]);
	sort_strings(&k->own[s]);
	sort_strings(&k->main[s]);
	drop(&k->own[s], &library);
	free(library.v);
}

static void count_pairs(const struct sea_analysis *a, struct kinship *k)
{
	for (uint32_t i = 0; i < a->im[0]->n_funcs; i++) {
		uint32_t n = a->m.peer[0][i];

		if (n == SEA_NONE || !is_own(a->im[0], i))
			continue;
		k->pairs++;
		k->named += a->m.how[i] == SEA_BY_NAME;
		k->letter += a->func[0][i].verdict == SEA_V_IDENTICAL;
		k->equal += a->im[0]->funcs[i].exact == a->im[1]->funcs[n].exact;
		k->alike +=
			a->func[0][i].verdict != SEA_V_CHANGED || sea_similarity(&a->m, i, n) >= 40;
	}
}

/* The name of a library up to its version; its length, 0 for none. */
static size_t base_name(const struct sea_image *im)
{
	const char *end = im->soname ? strstr(im->soname, ".so") : NULL;

	return end ? (size_t)(end - im->soname) : 0;
}

static bool is_one_library(const struct sea_analysis *a)
{
	size_t len = base_name(a->im[0]);

	return len && len == base_name(a->im[1]) &&
	       memcmp(a->im[0]->soname, a->im[1]->soname, len) == 0;
}

/* What main says differs; false also where it says too little to tell. */
static bool has_other_main(const struct kinship *k)
{
	return k->main[0].n >= ENOUGH_MAIN && k->main[1].n >= ENOUGH_MAIN &&
	       share(k->main) < OTHER_MAIN;
}

/* The two together say enough, and of it less than so many percent in common, in main as elsewhere.
 */
static bool says_less_than(const struct kinship *k, unsigned part)
{
	return together(k->own) >= ENOUGH && together(k->main) >= ENOUGH_MAIN &&
	       overlap(k->own) < part && overlap(k->main) < part;
}

/* What one asks other objects for the other does not, nor do they say the same. */
static bool asks_for_other_things(const struct kinship *k)
{
	if (together(k->imports) < SOME_IMPORTS || overlap(k->imports) >= FAR_IMPORTS ||
		share(k->all) >= OTHER_OWN)
		return false;
	return share(k->imports) < OTHER_IMPORTS ||
	       (together(k->all) >= ENOUGH_LETTER && !count_shared(&k->all[0], &k->all[1]));
}

/*
 * Both mains speak, and what one says the other does not. Where one compiler made the common code
 * the two are near in time, and what one says the other does too, but for what was added or dropped
 * in between; otherwise years may lie between them, and then the side that says less has most of
 * its words in common.
 */
static bool says_other_things(const struct kinship *k, bool letter)
{
	unsigned own = overlap(k->own);

	if (says_less_than(k, OTHER_WORDS) && share(k->own) < SAME_STRINGS)
		return true;
	for (int s = 0; s < 2; s++)
		if (k->own[s].n < ENOUGH_LETTER || k->main[s].n < ENOUGH_LETTER)
			return false;
	if (letter && overlap(k->main) < NEAR_MAIN && own < NEAR_OWN)
		return true;
	for (int s = 0; s < 2; s++)
		if (k->own[s].n < ENOUGH_OWN || k->main[s].n < ENOUGH_MAIN)
			return false;
	return own < FAR && overlap(k->main) < FAR &&
	       (share(k->own) < SAME_STRINGS || share(k->main) < SAME_STRINGS);
}

/* Code in common that is a library's only. */
static bool shares_library_only(const struct kinship *k)
{
	bool letter = percent(k->letter, k->pairs) >= LETTER;

	if (says_other_things(k, letter))
		return true;
	for (int s = 0; s < 2; s++)
		if (k->own[s].n < ENOUGH || percent(k->own[s].n, k->all[s].n) < OWN_PART)
			return false;
	return letter && (share(k->own) < OTHER_STRINGS ||
				 (share(k->own) < OTHER_OWN && overlap(k->own) < OTHER_BOTH));
}

/* No word in common means something: no code is the same, and there is more than main and a word.
 */
static bool speaks(const struct kinship *k, uint32_t least)
{
	uint32_t n = k->all[0].n < k->all[1].n ? k->all[0].n : k->all[1].n;

	return !k->equal && (n >= FEW_STRINGS || (least > 1 && k->all[0].n + k->all[1].n));
}

/*
 * Of all that they say next to nothing is the same. The start-up code leads from one main to the
 * other in any two programs: where little else corresponds, a few strings are enough to tell.
 */
static bool shares_no_strings(const struct kinship *k, uint32_t least)
{
	bool thin = k->alike <= 1 || (uint64_t)k->alike * 2 <= least;

	if (thin && speaks(k, least) && !count_shared(&k->all[0], &k->all[1]))
		return true;
	if (asks_for_other_things(k))
		return true;
	for (int s = 0; s < 2; s++)
		if (k->all[s].n < ENOUGH && (!thin || k->own[s].n < ENOUGH_LETTER))
			return false;
	return share(k->all) < OTHER_STRINGS;
}

/* Code that is another throughout, and a program's worth of names for it that are the same. */
static bool shares_names(const struct kinship *k, uint32_t least)
{
	return k->named >= ENOUGH && percent(k->named, least) >= SAME_STRINGS;
}

/* The same for what they say. What is many times as large is no version, but for every word. */
static bool shares_strings(const struct kinship *k, uint32_t least, uint32_t most)
{
	if (overlap(k->all) == 100 && k->all[0].n >= FEW_STRINGS)
		return true;
	return k->all[0].n >= ENOUGH && k->all[1].n >= ENOUGH && share(k->all) >= SAME_STRINGS &&
	       (most <= LARGER * (uint64_t)least || overlap(k->all) >= FAR);
}

static char *decide(struct sea_analysis *a, const struct kinship *k)
{
	uint32_t least = k->funcs[0] < k->funcs[1] ? k->funcs[0] : k->funcs[1];
	uint32_t shared = count_shared(&k->all[0], &k->all[1]);
	uint32_t most = k->funcs[0] > k->funcs[1] ? k->funcs[0] : k->funcs[1];
	bool few = (uint64_t)k->alike * 100 < (uint64_t)least * FEW_FUNCS ||
		   (uint64_t)k->alike * 100 < (uint64_t)most * OTHER_SIZE || (!k->alike && least);
	bool library;

	if (few && shares_names(k, least) && !has_other_main(k)) {
		str_printf(&a->notes,
			"only %u of %u and %u functions correspond; taken for one program because "
			"%u have the same names\n",
			k->alike, k->funcs[0], k->funcs[1], k->named);
		return NULL;
	}
	if (!most && a->im[0]->is_program && a->im[1]->is_program && share(k->all) < OTHER_STRINGS)
		return xasprintf("not the same program as far as is known: neither has functions "
				 "of its own that call-frame information tells of, %u of %u and "
				 "%u strings are shared",
			shared, k->all[0].n, k->all[1].n);
	if (few && shares_strings(k, least, most) && !has_other_main(k)) {
		str_printf(&a->notes,
			"only %u of %u and %u functions correspond; taken for one program because "
			"%u "
			"of %u and %u strings are shared\n",
			k->alike, k->funcs[0], k->funcs[1], shared, k->all[0].n, k->all[1].n);
		return NULL;
	}
	library = !few && !is_one_library(a) && shares_library_only(k);
	if (few || (!library && !is_one_library(a) && !shares_names(k, least) &&
			   shares_no_strings(k, least)))
		return xasprintf(
			"not the same program: %u of %u and %u functions correspond, %u of "
			"%u and %u strings and %u of %u and %u imports are shared",
			k->alike, k->funcs[0], k->funcs[1], shared, k->all[0].n, k->all[1].n,
			count_shared(&k->imports[0], &k->imports[1]), k->imports[0].n,
			k->imports[1].n);
	if (!library)
		return NULL;
	return xasprintf(
		"not the same program: %u of %u and %u functions correspond, %u of them to "
		"the letter%s; of the strings that other code uses "
		"%u of %u and %u are shared, of main's %u of %u and %u",
		k->alike, k->funcs[0], k->funcs[1], k->letter,
		percent(k->letter, k->pairs) >= LETTER ? ", as a common library's do" : "",
		count_shared(&k->own[0], &k->own[1]), k->own[0].n, k->own[1].n,
		count_shared(&k->main[0], &k->main[1]), k->main[0].n, k->main[1].n);
}

/* What a program is called by its file: without folders, and without a version at its end. */
static struct name name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct name n = { slash ? slash + 1 : path, 0 };

	n.len = strlen(n.text);
	while (n.len && strchr("0123456789.-_+~", n.text[n.len - 1]))
		n.len--;
	return n;
}

/* Is @text the name, or a message that begins with it, as "NAME: ..." or "Usage: NAME ..."? */
static bool is_named(const char *text, size_t len, const struct name *n)
{
	if (len > 7 && memcmp(text + 1, "sage: ", 6) == 0) {
		text += 7;
		len -= 7;
	}
	return len >= n->len && memcmp(text, n->text, n->len) == 0 &&
	       (len == n->len || text[n->len] == ' ' || text[n->len] == ':');
}

static bool says_name(const struct sea_image *im, const struct name *n)
{
	for (uint32_t i = 0; i < im->n_ref_targets; i++) {
		size_t len = sea_string_at(im, im->ref_targets[i]);

		if (len && is_named((const char *)sea_bytes(im, im->ref_targets[i], len), len, n))
			return true;
	}
	return false;
}

static bool begins_with(const struct name *a, const struct name *b)
{
	return a->len >= b->len && memcmp(a->text, b->text, b->len) == 0;
}

/*
 * Files of other names: each of the two knows itself by its own and not the other's, or they say
 * too little in common for a program that was given another name besides.
 */
static char *other_names(
	const struct sea_analysis *a, const struct kinship *k, const char *const paths[2])
{
	struct name n[2] = { name_of(paths[0]), name_of(paths[1]) };
	bool told = true;

	for (int s = 0; s < 2; s++) {
		if (n[s].len < SHORT_NAME || !a->im[s]->is_program)
			return NULL;
		told = told && k->all[s].n >= ENOUGH && says_name(a->im[s], &n[s]);
	}
	if (begins_with(&n[0], &n[1]) || begins_with(&n[1], &n[0]) ||
		(says_name(a->im[0], &n[1]) && says_name(a->im[1], &n[0])))
		return NULL;
	if (!told && !says_less_than(k, FAR))
		return NULL;
	return xasprintf("not the same program: the old one %s %.*s and the new one %.*s%s; %u of "
			 "%u and %u functions correspond, %u of %u and %u strings are shared",
		told ? "calls itself" : "is called", (int)n[0].len, n[0].text, (int)n[1].len,
		n[1].text, told ? ", as their files are called" : "", k->alike, k->funcs[0],
		k->funcs[1], count_shared(&k->all[0], &k->all[1]), k->all[0].n, k->all[1].n);
}

char *sea_unrelated(struct sea_analysis *a, const char *const paths[2])
{
	struct kinship k = { 0 };
	char *why;

	count_pairs(a, &k);
	for (int s = 0; s < 2; s++)
		gather(a, s, &k);
	why = decide(a, &k);
	if (!why)
		why = other_names(a, &k, paths);
	for (int s = 0; s < 2; s++) {
		free(k.all[s].v);
		free(k.own[s].v);
		free(k.main[s].v);
		free(k.imports[s].v);
	}
	return why;
}
