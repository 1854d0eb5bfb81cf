/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a process that SEA's map knows: which pair each mapped file belongs to, which side
 * of it, and where it lies. Told by the SHA-256 of the file, never by its name.
 */
#ifndef MX_REM_OBJECTS_H
#define MX_REM_OBJECTS_H

#include "rem/maps.h"
#include "sea/map.h"
#include "tracee/tracee.h"

struct object {
	const struct sea_map_object *pair;
	int side;	     /* 0: the old version's file, 1: the new one's */
	uint64_t bias;	     /* address in the process less the object's own */
	uint64_t start, end; /* in the process */
};

struct objects {
	struct object *v;
	size_t n;
	struct maps maps;
};

/* What files were found to be; kept between calls, since hashing takes its time. */
struct objects_cache;
struct objects_cache *objects_cache_new(void);
void objects_cache_free(struct objects_cache *cache);

/* Stopped. -ESRCH: it vanished. A file that cannot be read any more is an error. */
MUST_CHECK int objects_find(struct objects_cache *cache, const struct sea_map *map,
	struct tracee *t, struct objects *ret, struct err *err);
/* @objects may be zeroed. */
void objects_free(struct objects *objects);

/* The object that holds @addr, or NULL. */
const struct object *objects_at(const struct objects *objects, uint64_t addr);

#define cleanup_objects __attribute__((cleanup(objects_free)))

#endif
