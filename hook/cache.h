/* SPDX-License-Identifier: Apache-2.0 */
/* The maps that were made before, in a folder of the host's. */
#ifndef MX_HOOK_CACHE_H
#define MX_HOOK_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/objects.h"
#include "oci/config.h"

/* A map has two names: by what its files contain, and by which files they are. */
#define MAP_BY_CONTENTS "map"
#define MAP_BY_ID	"id"

struct map_cache {
	char *dir; /* NULL: there is none */
	int fd;
};

struct map_names {
	char key[OBJECTS_KEY_LEN + 1]; /* by contents; empty: they were not looked at */
	char id[OBJECTS_KEY_LEN + 1];  /* by identity; empty: there is none */
	bool made;		       /* the map is not in the cache yet */
};

/* A cache that is not to be had costs time, and nothing else. */
void map_cache_open(const struct config *config, struct map_cache *ret_cache);
void map_cache_close(struct map_cache *cache);

/*
 * Copies the map of that name to @out, and tells whether there is one. Whoever reads a map checks
 * all of it, and that it is about the files that run; here only a file that was cut short is told
 * from a whole one.
 */
bool map_cache_copy(
	const struct map_cache *cache, const char *name, const char *kind, int out, uint64_t max);

/* Has the map at @map found under these names the next time. */
void map_cache_keep(const struct map_cache *cache, const struct map_names *names, int map);

#endif
