/* SPDX-License-Identifier: Apache-2.0 */
/* The analyser's parts that need no files: alignment, names, hashes, the map's own checks. */
#include <errno.h>

#include "base/xalloc.h"
#include "sea/map_build.h"
#include "sea/match.h"
#include "tap.h"

static char trace[4096];

static void note(void *ctx, uint32_t i, uint32_t k)
{
	snprintf(trace + strlen(trace), sizeof(trace) - strlen(trace), "%u-%u ", i, k);
}

static const char *aligned(const char *a, const char *b)
{
	uint64_t x[64], y[64];
	size_t n = strlen(a), m = strlen(b);

	for (size_t i = 0; i < n; i++)
		x[i] = a[i];
	for (size_t i = 0; i < m; i++)
		y[i] = b[i];
	trace[0] = '\0';
	sea_diff(x, n, y, m, note, NULL);
	return trace;
}

struct count {
	uint32_t n, last_i, last_k;
	bool rising;
};

static void tally(void *ctx, uint32_t i, uint32_t k)
{
	struct count *c = ctx;

	if (c->n && (i <= c->last_i || k <= c->last_k))
		c->rising = false;
	c->last_i = i;
	c->last_k = k;
	c->n++;
}

static void test_diff(void)
{
	uint32_t n = 20000;
	uint64_t *a = xreallocarray(NULL, n, sizeof(*a)), *b = xreallocarray(NULL, n, sizeof(*b));
	struct count c = { .rising = true };

	is_str(aligned("", "abc"), "", "nothing aligns with nothing");
	is_str(aligned("abc", "abc"), "0-0 1-1 2-2 ", "equal sequences align");
	is_str(aligned("abcd", "abXcd"), "0-0 1-1 2-3 3-4 ", "an insertion");
	is_str(aligned("abXcd", "abcd"), "0-0 1-1 3-2 4-3 ", "a deletion");
	is_str(aligned("abc", "xyz"), "", "strangers do not align");
	for (uint32_t i = 0; i < n; i++) {
		a[i] = i;
		b[i] = i % 7 ? i : i + 1000000;
	}
	sea_diff(a, n, b, n, tally, &c);
	ok(c.n == n - (n + 6) / 7 && c.rising, "a long one aligns where it is equal, in order (%u)",
		c.n);
	for (uint32_t i = 0; i < n; i++) {
		a[i] = i & 1;
		b[i] = (i >> 1) & 1;
	}
	c = (struct count){ .rising = true };
	sea_diff(a, n, b, n, tally, &c);
	ok(c.rising, "two tokens only: no quadratic work, and what aligns is in order");
	free(a);
	free(b);
}

static void test_names(void)
{
	ok(sea_names_agree("f", "f"), "equal names");
	ok(sea_names_agree("f.constprop.0", "f"), "a constant was propagated");
	ok(sea_names_agree("f.isra.0", "f.constprop.1"), "other suffixes");
	ok(sea_names_agree("f.part.0", "f.part.12"), "the number of a part is the compiler's");
	ok(!sea_names_agree("f.part.0", "f"), "a part is not the whole");
	ok(!sea_names_agree("f.cold", "f"), "nor is the cold part");
	ok(sea_names_agree("f.constprop.0.cold", "f.cold"), "cold parts of one function");
	ok(sea_names_agree("buf.0", "buf.3"), "function-local statics");
	ok(!sea_names_agree("f", "g"), "different names");
	ok(!sea_names_agree(".5", "f"), "no name before the dot");
}

static void test_sha(void)
{
	static const uint8_t want[4] = { 0xba, 0x78, 0x16, 0xbf }; /* FIPS 180-4's "abc" */
	static const uint8_t empty[4] = { 0xe3, 0xb0, 0xc4, 0x42 };
	static const uint8_t million[4] = { 0xcd, 0xc7, 0x6e, 0x5c };
	uint8_t got[SHA256_LEN];
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, "abc", 3);
	sha256_final(&h, got);
	ok(!memcmp(got, want, 4), "SHA-256 of abc");
	sha256_init(&h);
	sha256_final(&h, got);
	ok(!memcmp(got, empty, 4), "SHA-256 of nothing");
	sha256_init(&h);
	for (int i = 0; i < 100000; i++)
		sha256_update(&h, "aaaaaaaaaa", 10);
	sha256_final(&h, got);
	ok(!memcmp(got, million, 4), "SHA-256 of a million a, in pieces of ten");
}

/* By the processor's instructions, where it has them, and without; whole, and in two pieces. */
static void test_sha_ways(void)
{
	uint8_t data[1000], got[2][SHA256_LEN];
	unsigned seed = 1, wrong = 0;
	struct sha256 h;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (seed = seed * 1103515245 + 12345) >> 16;
	for (size_t len = 0; len < sizeof(data); len++) {
		sha256_init(&h);
		h.plain = true;
		sha256_update(&h, data, len);
		sha256_final(&h, got[0]);
		sha256_init(&h);
		sha256_update(&h, data, len / 3);
		sha256_update(&h, data + len / 3, len - len / 3);
		sha256_final(&h, got[1]);
		wrong += memcmp(got[0], got[1], SHA256_LEN) != 0;
	}
	is_int(wrong, 0, "SHA-256 is the same in every way");
}

/* A map with one function on each side, one range and one return address. */
static uint8_t *make_map(size_t *ret_size,
	void (*spoil)(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s))
{
	struct sea_map_builder *b = sea_map_builder_new();
	struct sea_map_object *o = sea_map_add_object(b);
	struct sea_map_func f[2] = {
		{ .addr = 0x1000, .size = 32, .parent = SEA_MAP_NONE, .verdict = SEA_V_IDENTICAL },
		{ .addr = 0x1040,
			.size = 16,
			.parent = SEA_MAP_NONE,
			.peer = 1,
			.verdict = SEA_V_CHANGED },
	};
	struct sea_map_data d = { 0x4000, 0x4010, 8, 0, 0 };
	struct sea_map_site s = { 0x1010, 0x1010, 0, 0, SEA_S_SAFE, 0 };
	struct err err;
	uint8_t *bytes = NULL;

	o->state = SEA_O_ANALYSED;
	o->path[0] = o->path[1] = sea_map_add_string(b, "prog");
	o->id_len[0] = 2;
	o->id[0][0] = 0xab;
	f[0].name = sea_map_add_string(b, "first");
	if (spoil)
		spoil(f, &d, &s);
	sea_map_add_table(b, SEA_T_FUNCS_OLD, f, 2, sizeof(*f));
	sea_map_add_table(b, SEA_T_FUNCS_NEW, f, 2, sizeof(*f));
	for (int i = 0; i < 2; i++) {
		sea_map_add_table(b, SEA_T_DATA + i, &d, 1, sizeof(d));
		sea_map_add_table(b, SEA_T_SITES + i, &s, 1, sizeof(s));
	}
	if (sea_map_finish(b, &bytes, ret_size, &err) < 0)
		return NULL;
	return bytes;
}

static void test_map_reads(void)
{
	static const uint8_t id[2] = { 0xab, 0 };
	const struct sea_map_object *o;
	struct sea_map *map = NULL;
	struct err err = { 0 };
	size_t size;
	uint64_t peer = 0;
	uint8_t *bytes = make_map(&size, NULL);

	if (!ok(sea_map_parse(bytes, size, &map, &err) == 0, "a sound map opens %s", err.text))
		return;
	o = sea_map_object(map, 0);
	ok(sea_map_find(map, 0, id, 2) == o, "found by build-id");
	ok(!sea_map_find(map, 1, id, 2), "not by the other side's");
	ok(sea_map_find(map, 1, o->sha[1], 32) == o, "found by content");
	is_str(sea_map_string(map, sea_map_func_of(map, o, 0, 0x101f)->name), "first",
		"the function that holds an address");
	ok(!sea_map_func_of(map, o, 0, 0x1020), "none behind its end");
	ok(!sea_map_func_of(map, o, 0, 0xfff), "none before the first");
	ok(sea_map_data_peer(map, o, 0, 0x4007, &peer) && peer == 0x4017, "data by old address");
	ok(sea_map_data_peer(map, o, 1, 0x4010, &peer) && peer == 0x4000, "data by new address");
	ok(!sea_map_data_peer(map, o, 0, 0x4008, &peer), "none behind the range");
	ok(sea_map_site_of(map, o, 1, 0x1010) && !sea_map_site_of(map, o, 0, 0x1011),
		"a return address exactly");
	sea_map_close(map);
}

static void overlap(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	f[1].addr = 0x101f;
}

static void one_way(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	f[0].peer = 1;
}

static void far_peer(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	f[1].peer = 2;
}

static void far_string(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	f[1].refusal = 1000;
}

static void far_operands(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	f[1].n_operands = 1;
}

static void no_verdict(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	f[1].verdict = 0;
}

static void wraps(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	d->size = UINT64_MAX - 100;
}

static void no_func(struct sea_map_func *f, struct sea_map_data *d, struct sea_map_site *s)
{
	s->new_func = 2;
}

static void test_map_refuses(void)
{
	static const struct {
		const char *what;
		void (*spoil)(struct sea_map_func *, struct sea_map_data *, struct sea_map_site *);
	} cases[] = {
		{ "overlapping functions", overlap },
		{ "a peer that has another peer", one_way },
		{ "a peer outside the table", far_peer },
		{ "a string outside the table", far_string },
		{ "operands outside the table", far_operands },
		{ "a function without a verdict", no_verdict },
		{ "a range that wraps", wraps },
		{ "a return address of no function", no_func },
	};
	struct sea_map *map;
	struct err err;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t *bytes = make_map(&size, cases[i].spoil);

		ok(sea_map_parse(bytes, size, &map, &err) == -EINVAL, "refused: %s", cases[i].what);
	}
}

/* Every single byte counts: the checksum notices each, and a cut at any place is noticed. */
static void test_map_damage(void)
{
	struct sea_map *map;
	struct err err;
	size_t size, passed = 0;
	uint8_t *bytes = make_map(&size, NULL);

	for (size_t i = 0; i < size; i++) {
		uint8_t *copy = xmemdup(bytes, size);

		copy[i] ^= 0x10;
		if (sea_map_parse(copy, size, &map, &err) == 0) {
			passed++;
			sea_map_close(map);
		}
	}
	ok(passed == 0, "a changed byte is noticed at each of %zu places", size);
	for (size_t i = 0; i < size; i++)
		if (sea_map_parse(xmemdup(bytes, i), i, &map, &err) == 0) {
			passed++;
			sea_map_close(map);
		}
	ok(passed == 0, "a cut is noticed at each length");
	memcpy(bytes + 8, "\2\0\0\0", 4);
	ok(sea_map_parse(bytes, size, &map, &err) == -ENOTSUP,
		"another version is told from damage");
}

int main(void)
{
	test_diff();
	test_names();
	test_sha();
	test_sha_ways();
	test_map_reads();
	test_map_refuses();
	test_map_damage();
	return tap_done();
}
