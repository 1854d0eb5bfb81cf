/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a map: everything that a reader relies on is checked here, once. */
#include "sea/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "sea/sha256.h"

static const uint32_t record_size[SEA_T_COUNT] = {
	[SEA_T_FUNCS_OLD] = sizeof(struct sea_map_func),
	[SEA_T_FUNCS_NEW] = sizeof(struct sea_map_func),
	[SEA_T_DATA] = sizeof(struct sea_map_data),
	[SEA_T_DATA_BY_NEW] = sizeof(struct sea_map_data),
	[SEA_T_SITES] = sizeof(struct sea_map_site),
	[SEA_T_SITES_BY_NEW] = sizeof(struct sea_map_site),
	[SEA_T_OPERANDS_OLD] = sizeof(struct sea_map_operand),
	[SEA_T_OPERANDS_NEW] = sizeof(struct sea_map_operand),
	[SEA_T_COPIES_OLD] = sizeof(struct sea_map_copy),
	[SEA_T_COPIES_NEW] = sizeof(struct sea_map_copy),
	[SEA_T_SLOTS_OLD] = sizeof(struct sea_map_slot),
	[SEA_T_SLOTS_NEW] = sizeof(struct sea_map_slot),
	[SEA_T_CONFLICTS] = sizeof(struct sea_map_conflict),
	[SEA_T_TYPES] = sizeof(struct sea_map_type),
};

/* docs/map-format.md gives these to readers in other languages. */
_Static_assert(sizeof(struct sea_map_header) == 88, "header");
_Static_assert(sizeof(struct sea_map_object) == 384, "object");
_Static_assert(sizeof(struct sea_map_func) == 48, "function");
_Static_assert(sizeof(struct sea_map_data) == 32, "data");
_Static_assert(sizeof(struct sea_map_site) == 32, "return address");
_Static_assert(sizeof(struct sea_map_operand) == 40, "operand");
_Static_assert(sizeof(struct sea_map_copy) == 24, "copy");
_Static_assert(sizeof(struct sea_map_slot) == 40, "slot");
_Static_assert(sizeof(struct sea_map_conflict) == 40, "conflict");
_Static_assert(sizeof(struct sea_map_type) == 24, "type");

static const struct sea_map_header *header(const struct sea_map *map)
{
	return (const struct sea_map_header *)map->base;
}

static bool table_fits(const struct sea_map *map, const struct sea_map_table *t, uint32_t size)
{
	uint64_t len = (uint64_t)t->count * size;

	if (!t->count)
		return true;
	return t->size == size && t->off % 8 == 0 && t->off >= sizeof(struct sea_map_header) &&
	       t->off <= map->size && len <= map->size - t->off;
}

static bool string_ok(const struct sea_map *map, uint32_t off)
{
	return off < header(map)->strings.count;
}

static void digest(const struct sea_map *map, uint8_t ret[SHA256_LEN])
{
	struct sea_map_header h = *header(map);
	struct sha256 sha;

	memset(h.checksum, 0, sizeof(h.checksum));
	sha256_init(&sha);
	sha256_update(&sha, &h, sizeof(h));
	sha256_update(&sha, map->base + sizeof(h), map->size - sizeof(h));
	sha256_final(&sha, ret);
}

static int check_header(const struct sea_map *map, struct err *err)
{
	const struct sea_map_header *h = header(map);
	uint8_t sum[SHA256_LEN];

	if (map->size < sizeof(*h) || memcmp(h->magic, SEA_MAP_MAGIC, sizeof(h->magic)))
		return err_set(err, EINVAL, "not a map file");
	if (h->version != SEA_MAP_VERSION)
		return err_set(err, ENOTSUP, "map format %u, this program reads %u", h->version,
			SEA_MAP_VERSION);
	if (h->header_size != sizeof(*h) || h->file_size != map->size)
		return err_set(err, EINVAL,
			"the map file is cut off or has a tail (%lu of %lu bytes)",
			(unsigned long)map->size, (unsigned long)h->file_size);
	digest(map, sum);
	if (memcmp(sum, h->checksum, sizeof(sum)))
		return err_set(err, EINVAL, "the map file's checksum is wrong");
	if (!table_fits(map, &h->objects, sizeof(struct sea_map_object)) ||
		!table_fits(map, &h->strings, 1) || !h->strings.count)
		return err_set(err, EINVAL, "a table lies outside the map file");
	if (map->base[h->strings.off] || map->base[h->strings.off + h->strings.count - 1])
		return err_set(err, EINVAL, "the map file's strings are not terminated");
	return 0;
}

static bool check_funcs(const struct sea_map *map, const struct sea_map_object *o, int side)
{
	uint32_t n, n_other, n_op;
	const struct sea_map_func *f = sea_map_records(map, o, SEA_T_FUNCS_OLD + side, &n), *g;

	g = sea_map_records(map, o, SEA_T_FUNCS_OLD + !side, &n_other);
	sea_map_records(map, o, SEA_T_OPERANDS_OLD + side, &n_op);
	for (uint32_t i = 0; i < n; i++) {
		if ((i && f[i].addr < f[i - 1].addr + f[i - 1].size) ||
			f[i].addr > UINT64_MAX - f[i].size)
			return false;
		if (f[i].peer != SEA_MAP_NONE && (f[i].peer >= n_other || g[f[i].peer].peer != i))
			return false;
		if ((f[i].peer == SEA_MAP_NONE) != (f[i].verdict == SEA_V_ALONE))
			return false;
		if (f[i].parent != SEA_MAP_NONE && f[i].parent >= n)
			return false;
		if (f[i].verdict < SEA_V_IDENTICAL || f[i].verdict > SEA_V_ALONE)
			return false;
		if (f[i].operand > n_op || f[i].n_operands > n_op - f[i].operand)
			return false;
		if (!string_ok(map, f[i].name) || !string_ok(map, f[i].refusal))
			return false;
	}
	return true;
}

static bool check_operands(const struct sea_map *map, const struct sea_map_object *o, int side)
{
	uint32_t n, n_op;
	const struct sea_map_func *f = sea_map_records(map, o, SEA_T_FUNCS_OLD + side, &n);
	const struct sea_map_operand *op =
		sea_map_records(map, o, SEA_T_OPERANDS_OLD + side, &n_op);

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < f[i].n_operands; k++) {
			const struct sea_map_operand *x = &op[f[i].operand + k];

			if (x->klass < SEA_C_SELF || x->klass > SEA_C_UNKNOWN || x->width > 8 ||
				x->next > f[i].size || x->off > x->next ||
				x->width > x->next - x->off)
				return false;
		}
	return true;
}

static bool check_data(const struct sea_map *map, const struct sea_map_object *o, int side)
{
	uint32_t n;
	const struct sea_map_data *d = sea_map_records(map, o, SEA_T_DATA + side, &n);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = side ? d[i].new_addr : d[i].old_addr;

		if (!string_ok(map, d[i].name) || !d[i].size ||
			d[i].old_addr > UINT64_MAX - d[i].size ||
			d[i].new_addr > UINT64_MAX - d[i].size)
			return false;
		if (i && at < (side ? d[i - 1].new_addr : d[i - 1].old_addr) + d[i - 1].size)
			return false;
	}
	return true;
}

static bool check_sites(const struct sea_map *map, const struct sea_map_object *o, int side)
{
	uint32_t n, n_old, n_new;
	const struct sea_map_site *s = sea_map_records(map, o, SEA_T_SITES + side, &n);

	sea_map_records(map, o, SEA_T_FUNCS_OLD, &n_old);
	sea_map_records(map, o, SEA_T_FUNCS_NEW, &n_new);
	for (uint32_t i = 0; i < n; i++) {
		if (s[i].old_func >= n_old || s[i].new_func >= n_new ||
			!string_ok(map, s[i].callee))
			return false;
		if (i &&
			(side ? s[i].new_ret < s[i - 1].new_ret : s[i].old_ret <= s[i - 1].old_ret))
			return false;
	}
	return true;
}

static bool check_rest(const struct sea_map *map, const struct sea_map_object *o)
{
	uint32_t n;
	const struct sea_map_conflict *c = sea_map_records(map, o, SEA_T_CONFLICTS, &n);
	const struct sea_map_type *t;

	for (uint32_t i = 0; i < n; i++)
		if (!string_ok(map, c[i].reason))
			return false;
	t = sea_map_records(map, o, SEA_T_TYPES, &n);
	for (uint32_t i = 0; i < n; i++)
		if (!string_ok(map, t[i].name) || !string_ok(map, t[i].what))
			return false;
	for (int side = 0; side < 2; side++) {
		const struct sea_map_copy *k = sea_map_records(map, o, SEA_T_COPIES_OLD + side, &n);
		const struct sea_map_slot *s;

		for (uint32_t i = 0; i < n; i++)
			if (k[i].addr > UINT64_MAX - k[i].size || (i && k[i].addr < k[i - 1].addr))
				return false;
		s = sea_map_records(map, o, SEA_T_SLOTS_OLD + side, &n);
		for (uint32_t i = 0; i < n; i++)
			if ((s[i].width != 4 && s[i].width != 8) || s[i].klass < SEA_C_SELF ||
				s[i].klass > SEA_C_UNKNOWN || (i && s[i].addr <= s[i - 1].addr))
				return false;
	}
	return true;
}

static int check_object(
	const struct sea_map *map, const struct sea_map_object *o, uint32_t i, struct err *err)
{
	const char *what = NULL;

	if (o->state < SEA_O_IDENTICAL || o->state > SEA_O_ONLY_NEW ||
		o->id_len[0] > sizeof(o->id[0]) || o->id_len[1] > sizeof(o->id[1]) ||
		!string_ok(map, o->path[0]) || !string_ok(map, o->path[1]) ||
		!string_ok(map, o->reason) || !string_ok(map, o->notes))
		what = "description";
	for (int t = 0; t < SEA_T_COUNT && !what; t++)
		if (!table_fits(map, &o->table[t], record_size[t]))
			what = "tables";
	if (!what && (o->table[SEA_T_DATA].count != o->table[SEA_T_DATA_BY_NEW].count ||
			     o->table[SEA_T_SITES].count != o->table[SEA_T_SITES_BY_NEW].count))
		what = "tables";
	for (int side = 0; side < 2 && !what; side++) {
		if (!check_funcs(map, o, side))
			what = "functions";
		else if (!check_operands(map, o, side))
			what = "operands";
		else if (!check_data(map, o, side))
			what = "data";
		else if (!check_sites(map, o, side))
			what = "return addresses";
	}
	if (!what && !check_rest(map, o))
		what = "copies, conflicts or types";
	return what ? err_set(err, EINVAL, "object %u of the map is damaged: its %s", i, what) : 0;
}

static int check(const struct sea_map *map, struct err *err)
{
	int rc = check_header(map, err);

	for (uint32_t i = 0; rc == 0 && i < sea_map_count(map); i++)
		rc = check_object(map, sea_map_object(map, i), i, err);
	return rc;
}

int sea_map_parse(uint8_t *data, size_t size, struct sea_map **ret, struct err *err)
{
	struct sea_map *map = xzalloc(sizeof(*map));
	int rc;

	map->base = data;
	map->size = size;
	rc = check(map, err);
	if (rc < 0) {
		sea_map_close(map);
		return rc;
	}
	*ret = map;
	return 0;
}

int sea_map_open(const char *path, struct sea_map **ret, struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct sea_map *map;
	struct stat st;
	void *at;
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct sea_map_header))
		return err_set(err, EINVAL, "%s: not a map file", path);
	if (st.st_size > SEA_MAP_MAX)
		return err_set(err, EFBIG, "%s: larger than %u MiB", path, SEA_MAP_MAX >> 20);
	at = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return err_errno(err, errno, "map %s", path);
	map = xzalloc(sizeof(*map));
	map->base = at;
	map->size = st.st_size;
	map->mapped = true;
	rc = check(map, err);
	if (rc < 0) {
		sea_map_close(map);
		return err_context(err, "%s", path);
	}
	*ret = map;
	return 0;
}

void sea_map_close(struct sea_map *map)
{
	if (!map)
		return;
	if (map->mapped)
		munmap((void *)map->base, map->size);
	else
		free((void *)map->base);
	free(map);
}

uint32_t sea_map_count(const struct sea_map *map)
{
	return header(map)->objects.count;
}

const struct sea_map_object *sea_map_object(const struct sea_map *map, uint32_t i)
{
	return (const struct sea_map_object *)(map->base + header(map)->objects.off) + i;
}

const char *sea_map_string(const struct sea_map *map, uint32_t off)
{
	return (const char *)map->base + header(map)->strings.off + off;
}

const void *sea_map_records(const struct sea_map *map, const struct sea_map_object *o,
	enum sea_map_tables table, uint32_t *ret_n)
{
	*ret_n = o->table[table].count;
	/* The offset of an empty table is not checked. */
	return map->base + (*ret_n ? o->table[table].off : 0);
}

const struct sea_map_object *sea_map_find(
	const struct sea_map *map, int side, const uint8_t *id, size_t len)
{
	for (uint32_t i = 0; i < sea_map_count(map); i++) {
		const struct sea_map_object *o = sea_map_object(map, i);

		if (o->state == (side ? SEA_O_ONLY_OLD : SEA_O_ONLY_NEW))
			continue;
		if (len && len == o->id_len[side] && !memcmp(id, o->id[side], len))
			return o;
		if (len == SHA256_LEN && !memcmp(id, o->sha[side], len))
			return o;
	}
	return NULL;
}

const struct sea_map_func *sea_map_func_of(
	const struct sea_map *map, const struct sea_map_object *o, int side, uint64_t addr)
{
	uint32_t lo = 0, hi;
	const struct sea_map_func *f = sea_map_records(map, o, SEA_T_FUNCS_OLD + side, &hi);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (f[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr - f[lo - 1].addr < f[lo - 1].size ? &f[lo - 1] : NULL;
}

bool sea_map_data_peer(const struct sea_map *map, const struct sea_map_object *o, int side,
	uint64_t addr, uint64_t *ret)
{
	uint32_t lo = 0, hi;
	const struct sea_map_data *d = sea_map_records(map, o, SEA_T_DATA + side, &hi);
	uint64_t start;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if ((side ? d[mid].new_addr : d[mid].old_addr) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	start = side ? d[lo - 1].new_addr : d[lo - 1].old_addr;
	if (addr - start >= d[lo - 1].size)
		return false;
	*ret = (side ? d[lo - 1].old_addr : d[lo - 1].new_addr) + (addr - start);
	return true;
}

const struct sea_map_site *sea_map_site_of(
	const struct sea_map *map, const struct sea_map_object *o, int side, uint64_t addr)
{
	uint32_t lo = 0, hi;
	const struct sea_map_site *s = sea_map_records(map, o, SEA_T_SITES + side, &hi);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if ((side ? s[mid].new_ret : s[mid].old_ret) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && (side ? s[lo - 1].new_ret : s[lo - 1].old_ret) == addr ? &s[lo - 1] : NULL;
}

static const char *text_of(const char *const *names, size_t n, unsigned i)
{
	return i < n && names[i] ? names[i] : "unknown";
}

const char *sea_evidence_text(unsigned evidence)
{
	static const char *const names[] = { "none", "name", "content", "code", "literals", "calls",
		"pointers", "order" };

	return text_of(names, ARRAY_SIZE(names), evidence);
}

const char *sea_verdict_text(unsigned verdict)
{
	static const char *const names[] = { NULL, "identical", "constants", "changed", "alone" };

	return text_of(names, ARRAY_SIZE(names), verdict);
}

const char *sea_state_text(unsigned state)
{
	static const char *const names[] = { NULL, "identical", "analysed", "refused", "unrelated",
		"only in the old version", "only in the new version" };

	return text_of(names, ARRAY_SIZE(names), state);
}

const char *sea_class_text(unsigned klass)
{
	static const char *const names[] = { NULL, "self", "function", "injected", "address",
		"import", "slot", "data", "literal", "copy", "tls", "unknown" };

	return text_of(names, ARRAY_SIZE(names), klass);
}
