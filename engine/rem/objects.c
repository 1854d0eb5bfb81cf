/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/objects.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "sea/sha256.h"

#define CACHE_MAX 4096

struct known {
	char *path;
	dev_t dev;
	ino_t ino;
	uint8_t sha[SHA256_LEN];
};

struct objects_cache {
	struct known *v;
	size_t n;
};

struct objects_cache *objects_cache_new(void)
{
	return xzalloc(sizeof(struct objects_cache));
}

void objects_cache_free(struct objects_cache *cache)
{
	for (size_t i = 0; cache && i < cache->n; i++)
		free(cache->v[i].path);
	if (cache)
		free(cache->v);
	free(cache);
}

/* The SHA-256 of the file whose first byte is mapped at @m. */
static int sha_of(struct objects_cache *cache, struct tracee *t, const struct maps *maps,
	const struct map *m, const uint8_t **ret_sha, struct err *err)
{
	cleanup_close int fd = -1;
	struct known k = { .dev = m->dev, .ino = m->ino };
	int rc;

	for (size_t i = 0; i < cache->n; i++) {
		if (cache->v[i].dev == m->dev && cache->v[i].ino == m->ino &&
			strcmp(cache->v[i].path, m->path) == 0) {
			*ret_sha = cache->v[i].sha;
			return 0;
		}
	}
	fd = maps_open_file(t, maps, m);
	if (fd < 0)
		return err_set(err, ENOENT,
			"%s is not the file any more that the program has mapped", m->path);
	rc = sha256_of_file(fd, k.sha);
	if (rc < 0)
		return err_errno(err, -rc, "%s", m->path);
	if (cache->n == CACHE_MAX)
		return err_set(err, E2BIG, "the program has mapped too many files");
	k.path = xstrdup(m->path);
	cache->v = xreallocarray(cache->v, cache->n + 1, sizeof(*cache->v));
	cache->v[cache->n] = k;
	*ret_sha = cache->v[cache->n++].sha;
	return 0;
}

/* What an object in memory says of itself. */
struct self {
	uint64_t bias; /* what the loader has added to its addresses */
	uint8_t id[32];
	uint32_t id_len;
};

/* Where an object begins, and what is of interest of it usually ends: one read of the many. */
struct beginning {
	struct tracee *t;
	uint64_t start;
	size_t len;
	uint8_t bytes[4096];
};

static bool read_beginning(const struct beginning *b, uint64_t at, void *buf, size_t len)
{
	if (at > b->len || len > b->len - at)
		return tracee_read(b->t, raddr(b->start + at), buf, len) == 0;
	memcpy(buf, b->bytes + at, len);
	return true;
}

/* The build-id, if it is among the notes at @at. */
static void find_build_id(const struct beginning *b, uint64_t at, uint64_t len, struct self *self)
{
	uint8_t notes[1024];
	uint64_t pos = 0;

	len = len < sizeof(notes) ? len : sizeof(notes);
	if (!read_beginning(b, at, notes, len))
		return;
	while (pos + sizeof(Elf64_Nhdr) <= len) {
		const uint8_t *name = notes + pos + sizeof(Elf64_Nhdr);
		Elf64_Nhdr nh;
		uint64_t desc;

		memcpy(&nh, notes + pos, sizeof(nh));
		desc = pos + sizeof(nh) + ((nh.n_namesz + 3ul) & ~3ul);
		if (desc + nh.n_descsz > len)
			return;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 &&
			memcmp(name, "GNU", 4) == 0 && nh.n_descsz <= sizeof(self->id)) {
			self->id_len = nh.n_descsz;
			memcpy(self->id, notes + desc, nh.n_descsz);
			return;
		}
		pos = desc + ((nh.n_descsz + 3ul) & ~3ul);
	}
}

/* The object that begins at @m. False: there is none. */
static bool read_self(struct tracee *t, const struct map *m, struct self *ret)
{
	struct beginning b = { .t = t, .start = m->start };
	bool found = false;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	*ret = (struct self){ 0 };
	b.len = tracee_read_some(t, raddr(m->start), b.bytes, sizeof(b.bytes));
	if (!read_beginning(&b, 0, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
		eh.e_phentsize != sizeof(ph))
		return false;
	for (unsigned i = 0; i < eh.e_phnum && i < 64; i++) {
		if (!read_beginning(&b, eh.e_phoff + i * sizeof(ph), &ph, sizeof(ph)))
			return false;
		if (ph.p_type == PT_LOAD && ph.p_offset < 4096 && !found) {
			ret->bias = m->start - (ph.p_vaddr & ~4095ul);
			found = true;
		}
		if (ph.p_type == PT_NOTE && !ret->id_len)
			find_build_id(&b, ph.p_offset, ph.p_filesz, ret);
	}
	return found;
}

/* May the map know it? Hashing every library that a program has mapped would take too long. */
static bool may_be_known(const struct sea_map *map, const struct self *self)
{
	for (uint32_t i = 0; i < sea_map_count(map); i++) {
		const struct sea_map_object *o = sea_map_object(map, i);

		for (int side = 0; side < 2; side++) {
			if (o->id_len[side] == self->id_len &&
				memcmp(o->id[side], self->id, self->id_len) == 0)
				return true;
		}
	}
	return false;
}

/* Is the file code of some object at all? */
static bool is_object(const struct maps *maps, const struct map *first)
{
	for (const struct map *m = first; m < maps->map + maps->count; m++) {
		if (m->ino != first->ino || m->dev != first->dev)
			continue;
		if (m->exec)
			return true;
	}
	return false;
}

static uint64_t end_of(const struct maps *maps, const struct map *first)
{
	uint64_t end = first->end;

	for (const struct map *m = first; m < maps->map + maps->count; m++) {
		if (m->ino == first->ino && m->dev == first->dev && m->offset)
			end = m->end;
		else if (m != first && m->ino == first->ino && m->dev == first->dev)
			break; /* the same object once more */
	}
	return end;
}

static const struct sea_map_object *pair_of(
	const struct sea_map *map, const uint8_t sha[SHA256_LEN], int *ret_side)
{
	const struct sea_map_object *pair = NULL;

	for (*ret_side = 0; *ret_side < 2; ++*ret_side) {
		pair = sea_map_find(map, *ret_side, sha, SHA256_LEN);
		if (pair)
			return pair;
	}
	return NULL;
}

int objects_find(struct objects_cache *cache, const struct sea_map *map, struct tracee *t,
	struct objects *ret, struct err *err)
{
	cleanup_objects struct objects o = { 0 };
	int rc = maps_read(t->tid, &o.maps, err);

	for (size_t i = 0; rc == 0 && i < o.maps.count; i++) {
		const struct map *m = &o.maps.map[i];
		struct object found = { .start = m->start };
		const uint8_t *sha = NULL;
		struct self self;

		if (!m->ino || m->offset || m->path[0] != '/' || !is_object(&o.maps, m) ||
			!read_self(t, m, &self) || !may_be_known(map, &self))
			continue;
		found.bias = self.bias;
		rc = sha_of(cache, t, &o.maps, m, &sha, err);
		if (rc < 0)
			break;
		found.pair = pair_of(map, sha, &found.side);
		if (!found.pair)
			continue;
		found.end = end_of(&o.maps, m);
		o.v = xreallocarray(o.v, o.n + 1, sizeof(*o.v));
		o.v[o.n++] = found;
	}
	if (rc < 0)
		return rc;
	*ret = o;
	o = (struct objects){ 0 };
	return 0;
}

void objects_free(struct objects *objects)
{
	free(objects->v);
	maps_free(&objects->maps);
	*objects = (struct objects){ 0 };
}

const struct object *objects_at(const struct objects *objects, uint64_t addr)
{
	for (size_t i = 0; i < objects->n; i++) {
		if (addr >= objects->v[i].start && addr < objects->v[i].end)
			return &objects->v[i];
	}
	return NULL;
}
