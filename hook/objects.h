/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF objects that two versions load, in pairs, and the map of their differences. */
#ifndef MX_HOOK_OBJECTS_H
#define MX_HOOK_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OBJECTS_MAX 256

struct object_pair {
	char *name; /* path in the new version's root */
	int fd[2];  /* open for reading: old, new */
};

struct object_pairs {
	struct object_pair v[OBJECTS_MAX];
	size_t n;
};

/*
 * Adds the pair of programs and, by name, the libraries that they load and that both roots have
 * (DT_NEEDED, in the usual folders). Takes the descriptors over. A library that one version alone
 * has, or that is the same file in both, makes no pair.
 */
MUST_CHECK int objects_collect(struct object_pairs *pairs, const char *name, int old_fd, int new_fd,
	int old_root, int new_root, struct err *err);
/* Copies what only its owner may read, so that it can be read after privileges are given up. */
MUST_CHECK int objects_open_to_all(struct object_pairs *pairs, struct err *err);
void objects_free(struct object_pairs *pairs);

#define OBJECTS_KEY_LEN 64

/* A name for the contents of all the pairs: hexadecimal digits, NUL-terminated. */
MUST_CHECK int objects_key(
	const struct object_pairs *pairs, char ret_key[OBJECTS_KEY_LEN + 1], struct err *err);

/*
 * A name for the files that the pairs are, without reading them, by what changes when they do:
 * inode, size and times, the one among them that nobody can set. False, and an empty name: one was
 * changed so lately that its times might not tell. Another file system's files may have the same
 * name.
 */
bool objects_id(const struct object_pairs *pairs, char ret_id[OBJECTS_KEY_LEN + 1]);

/*
 * Analyses the pairs and writes the map to @out. Each pair is given an equal part of what is left
 * of @seconds; one that cannot be analysed is in the map, with the reason. A map of more than @max
 * bytes is -EFBIG, and nothing is written.
 */
MUST_CHECK int objects_map(
	const struct object_pairs *pairs, int out, uint64_t max, unsigned seconds, struct err *err);

#endif
