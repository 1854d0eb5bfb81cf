/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/map_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "sea/image.h"

struct sea_map_builder {
	struct str body; /* tables; offsets in it start behind the header */
	struct str strings;
	struct sea_map_object *objects;
	uint32_t n_objects, room_objects;
	uint32_t *buckets; /* offsets of strings by hash, 0 for none */
	uint32_t n_buckets, n_strings;
};

struct sea_map_builder *sea_map_builder_new(void)
{
	struct sea_map_builder *b = xzalloc(sizeof(*b));

	str_putc(&b->strings, '\0');
	b->n_buckets = 1024;
	b->buckets = xzalloc(b->n_buckets * sizeof(*b->buckets));
	return b;
}

void sea_map_builder_free(struct sea_map_builder *b)
{
	if (!b)
		return;
	str_free(&b->body);
	str_free(&b->strings);
	free(b->objects);
	free(b->buckets);
	free(b);
}

static uint32_t *bucket_of(struct sea_map_builder *b, const char *text)
{
	uint32_t i = sea_hash(0, text, strlen(text)) & (b->n_buckets - 1);

	while (b->buckets[i] && strcmp(b->strings.data + b->buckets[i], text))
		i = (i + 1) & (b->n_buckets - 1);
	return &b->buckets[i];
}

static void grow_buckets(struct sea_map_builder *b)
{
	uint32_t *old = b->buckets, n = b->n_buckets;

	b->n_buckets *= 2;
	b->buckets = xzalloc(b->n_buckets * sizeof(*b->buckets));
	for (uint32_t i = 0; i < n; i++)
		if (old[i])
			*bucket_of(b, b->strings.data + old[i]) = old[i];
	free(old);
}

uint32_t sea_map_add_string(struct sea_map_builder *b, const char *text)
{
	uint32_t *slot;

	if (!text || !*text || b->strings.len > SEA_MAP_MAX)
		return 0;
	if (b->n_strings * 2 >= b->n_buckets)
		grow_buckets(b);
	slot = bucket_of(b, text);
	if (!*slot) {
		*slot = b->strings.len;
		str_append(&b->strings, text, strlen(text) + 1);
		b->n_strings++;
	}
	return *slot;
}

struct sea_map_object *sea_map_add_object(struct sea_map_builder *b)
{
	if (b->n_objects == b->room_objects) {
		b->room_objects = b->room_objects ? b->room_objects * 2 : 4;
		b->objects = xreallocarray(b->objects, b->room_objects, sizeof(*b->objects));
	}
	memset(&b->objects[b->n_objects], 0, sizeof(*b->objects));
	return &b->objects[b->n_objects++];
}

uint32_t sea_map_builder_count(const struct sea_map_builder *b)
{
	return b->n_objects;
}

struct sea_map_object *sea_map_builder_object(struct sea_map_builder *b, uint32_t i)
{
	return &b->objects[i];
}

static void pad(struct str *s)
{
	while (s->len % 8)
		str_putc(s, '\0');
}

void sea_map_add_table(struct sea_map_builder *b, enum sea_map_tables table, const void *records,
	uint32_t count, uint32_t size)
{
	struct sea_map_table *t = &b->objects[b->n_objects - 1].table[table];

	pad(&b->body);
	t->off = sizeof(struct sea_map_header) + b->body.len;
	t->count = count;
	t->size = size;
	str_append(&b->body, records, (size_t)count * size);
}

static uint32_t move_string(struct sea_map_builder *b, const struct sea_map *from, uint32_t off)
{
	return sea_map_add_string(b, sea_map_string(from, off));
}

/* The records of one table with their strings moved to this map's table. */
static void move_table(struct sea_map_builder *b, const struct sea_map *from,
	const struct sea_map_object *o, enum sea_map_tables table)
{
	uint32_t n, size = o->table[table].size;
	const void *records = sea_map_records(from, o, table, &n);
	cleanup_free void *copy = xmemdup(records, (size_t)n * size);

	for (uint32_t i = 0; i < n; i++) {
		void *at = (char *)copy + (size_t)i * size;

		if (table == SEA_T_FUNCS_OLD || table == SEA_T_FUNCS_NEW) {
			struct sea_map_func *f = at;

			f->name = move_string(b, from, f->name);
			f->refusal = move_string(b, from, f->refusal);
		} else if (table == SEA_T_DATA || table == SEA_T_DATA_BY_NEW) {
			struct sea_map_data *d = at;

			d->name = move_string(b, from, d->name);
		} else if (table == SEA_T_SITES || table == SEA_T_SITES_BY_NEW) {
			struct sea_map_site *s = at;

			s->callee = move_string(b, from, s->callee);
		} else if (table == SEA_T_CONFLICTS) {
			struct sea_map_conflict *c = at;

			c->reason = move_string(b, from, c->reason);
		} else if (table == SEA_T_TYPES) {
			struct sea_map_type *t = at;

			t->name = move_string(b, from, t->name);
			t->what = move_string(b, from, t->what);
		}
	}
	sea_map_add_table(b, table, copy, n, size);
}

void sea_map_add_map(struct sea_map_builder *b, const struct sea_map *from)
{
	for (uint32_t i = 0; i < sea_map_count(from); i++) {
		const struct sea_map_object *o = sea_map_object(from, i);
		struct sea_map_object *copy = sea_map_add_object(b);

		*copy = *o;
		memset(copy->table, 0, sizeof(copy->table));
		for (int k = 0; k < 2; k++)
			copy->path[k] = move_string(b, from, o->path[k]);
		copy->reason = move_string(b, from, o->reason);
		copy->notes = move_string(b, from, o->notes);
		for (int t = 0; t < SEA_T_COUNT; t++)
			if (o->table[t].count)
				move_table(b, from, o, t);
	}
}

int sea_map_finish(struct sea_map_builder *b, uint8_t **ret, size_t *ret_size, struct err *err)
{
	struct sea_map_header h = { .version = SEA_MAP_VERSION, .header_size = sizeof(h) };
	struct sha256 sha;

	memcpy(h.magic, SEA_MAP_MAGIC, sizeof(h.magic));
	pad(&b->body);
	h.objects = (struct sea_map_table){ sizeof(h) + b->body.len, b->n_objects,
		sizeof(struct sea_map_object) };
	str_append(&b->body, b->objects, (size_t)b->n_objects * sizeof(*b->objects));
	pad(&b->body);
	h.strings = (struct sea_map_table){ sizeof(h) + b->body.len, b->strings.len, 1 };
	str_append(&b->body, b->strings.data, b->strings.len);
	h.file_size = sizeof(h) + b->body.len;
	if (h.file_size > SEA_MAP_MAX) {
		sea_map_builder_free(b);
		return err_set(
			err, EFBIG, "the map would be larger than %u MiB", SEA_MAP_MAX >> 20);
	}
	sha256_init(&sha);
	sha256_update(&sha, &h, sizeof(h));
	sha256_update(&sha, b->body.data, b->body.len);
	sha256_final(&sha, h.checksum);
	*ret = xmalloc(h.file_size);
	memcpy(*ret, &h, sizeof(h));
	memcpy(*ret + sizeof(h), b->body.data, b->body.len);
	*ret_size = h.file_size;
	sea_map_builder_free(b);
	return 0;
}
