/* SPDX-License-Identifier: Apache-2.0 */
/* The memory map of a process, as /proc/PID/maps gives it. */
#ifndef MX_REM_MAPS_H
#define MX_REM_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "tracee/tracee.h"

struct map {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	bool read, write, exec, shared;
	dev_t dev;
	ino_t ino;  /* 0: no file */
	char *path; /* as the engine sees it; "[stack]", "[vdso]", ...; "" for none */
};

/* Sorted by address, not overlapping. */
struct maps {
	struct map *map;
	size_t count;
};

/* @pid's map; the process should be stopped. -ESRCH: it vanished. */
MUST_CHECK int maps_read(pid_t pid, struct maps *ret_maps, struct err *err);

/* Parses the text of a maps file. -EINVAL: not one. */
MUST_CHECK int maps_parse(const char *text, struct maps *ret_maps, struct err *err);

/* @maps may be zeroed. */
void maps_free(struct maps *maps);

/* What @other has at addresses where @maps has nothing is from now on in @maps as well. */
void maps_merge(struct maps *maps, const struct maps *other);

/* The map that holds @addr, or NULL. */
const struct map *maps_find(const struct maps *maps, uint64_t addr);

/*
 * Opens the file that @m, one of @maps, shows; @t, stopped, is a thread of the process. Never
 * another one that has come to its path since. -ENOENT: it cannot be found any more.
 */
MUST_CHECK int maps_open_file(struct tracee *t, const struct maps *maps, const struct map *m);

#define cleanup_maps __attribute__((cleanup(maps_free)))

#endif
