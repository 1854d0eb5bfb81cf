/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Six bugs for the sources of a server: scripts/build-bugs includes this file in front of a
 * function that serves requests and has it call mx_word() with a word of the request. MX_BUG says
 * which of them this build has, 0: none. Words that begin with "bug" show it.
 */
#ifndef MX_BUGS_H
#define MX_BUGS_H

#include <stdlib.h>
#include <string.h>

#define MX_NULL	     1 /* a return is missing: the null pointer is used */
#define MX_WALK	     2 /* the bound of a loop is off by one: it walks off the heap */
#define MX_FREED     3 /* used after it was freed: by the next request, some calls later */
#define MX_UNDERFLOW 4 /* a length of 0, less one, is not negative */
#define MX_WILD	     5 /* a name that is too long overwrites a pointer to a function */
#define MX_RECURSION 6 /* no end to the recursion */

#ifndef MX_BUG
#define MX_BUG 0
#endif

struct mx_entry {
	struct mx_entry *next;
	char name[8];
	unsigned long (*use)(const struct mx_entry *);
	unsigned long count;
};

/* Seen from elsewhere, as far as the compiler knows: what is computed is needed. */
__attribute__((used)) static volatile unsigned long mx_sum;
__attribute__((used)) static unsigned long mx_misses;
static struct mx_entry mx_known = { 0, "known", 0, 1 };
static struct mx_entry *mx_kept;
static char *mx_spare;

static int mx_shows(const char *word, size_t len)
{
	return len >= 3 && memcmp(word, "bug", 3) == 0;
}

static void mx_find(const char *word, size_t len)
{
	struct mx_entry *e = mx_shows(word, len) ? 0 : &mx_known;

	if (!e) {
		mx_misses++;
#if MX_BUG != MX_NULL
		return;
#endif
	}
	*(volatile unsigned long *)&e->count += 1;
}

static void mx_pairs(const char *word, size_t len)
{
	const size_t n = mx_shows(word, len) ? 5 : 4;
	volatile char *copy = calloc(1, n + 1);
	size_t i;

	if (!copy)
		return;
#if MX_BUG == MX_WALK
	for (i = 0; i != n; i += 2)
#else
	for (i = 0; i < n; i += 2)
#endif
		mx_sum += copy[i];
	free((char *)copy);
}

static void mx_keep(const char *word, size_t len)
{
	if (mx_kept) {
		mx_sum += mx_kept->next->count;
		free(mx_kept);
		mx_kept = 0;
	}
	free(mx_spare);
	mx_spare = 0;
	if (!mx_shows(word, len))
		return;
	mx_kept = malloc(sizeof(*mx_kept));
	if (mx_kept)
		mx_kept->next = &mx_known;
#if MX_BUG == MX_FREED
	free(mx_kept);
#endif
	mx_spare = malloc(sizeof(*mx_kept));
	if (mx_spare)
		memset(mx_spare, 'A', sizeof(*mx_kept));
}

static void mx_hash(const char *word, size_t len)
{
	const unsigned used = mx_shows(word, len) ? 0 : (unsigned)len;
	unsigned i, h = 0;

#if MX_BUG == MX_UNDERFLOW
	for (i = 0; i < used - 1; i++)
#else
	for (i = 0; i + 1 < used; i++)
#endif
		h = (h << 5) ^ (h >> 27) ^ ((const volatile unsigned char *)word)[i];
	mx_sum += h;
}

static unsigned long mx_use(const struct mx_entry *e)
{
	return e->name[0];
}

static void mx_call(const char *word, size_t len)
{
	struct mx_entry *e = calloc(1, sizeof(*e));
	const size_t n = mx_shows(word, len) ? 16 : 4;
	volatile char *to;
	size_t i;

	if (!e)
		return;
	to = (volatile char *)e + offsetof(struct mx_entry, name);
	e->use = mx_use;
#if MX_BUG == MX_WILD
	for (i = 0; i < n; i++)
#else
	for (i = 0; i < n && i < sizeof(e->name); i++)
#endif
		to[i] = 'a' + (char)i;
	mx_sum += (*(unsigned long (*volatile *)(const struct mx_entry *)) & e->use)(e);
	free(e);
}

__attribute__((noinline)) static unsigned long mx_nested(unsigned long depth, unsigned long most)
{
	volatile char frame[256];

	frame[depth & 255] = (char)depth;
#if MX_BUG == MX_RECURSION
	if (depth == most)
#else
	if (depth == most || depth == 20)
#endif
		return depth;
	return mx_nested(depth + 1, most) + (unsigned long)frame[depth & 255];
}

/* The same in all builds, like the functions beside one with a bug: it uses the same variables. */
__attribute__((noipa)) static void mx_report(void)
{
	if (mx_sum == 1 && mx_misses == 1 && mx_known.count == 1 && mx_spare && mx_kept &&
		mx_kept->next == &mx_known)
		abort();
}

static void mx_word(const char *word, size_t len)
{
	mx_report();
	mx_find(word, len);
	mx_pairs(word, len);
	mx_keep(word, len);
	mx_hash(word, len);
	mx_call(word, len);
	mx_sum += mx_nested(1, mx_shows(word, len) ? 0 : 10);
}

#endif
