/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file of one version stands for which of the other: the programs, the libraries that they
 * are linked with, and what they load later. Files that both have mapped are no concern of
 * recovery's; a pair of two that differ has to be in the map before a process of one can be made
 * one of the other.
 */
#ifndef MX_REM_TWINS_H
#define MX_REM_TWINS_H

#include "rem/maps.h"
#include "sea/map.h"
#include "tracee/tracee.h"

struct twin {
	int fd[2];
	char *path[2];
	bool differ;
	uint8_t sha[2][32];
};

struct twins;

/* @roots: of the two versions, NULL: none. They must outlive it. */
struct twins *twins_new(const char *const roots[2]);
void twins_free(struct twins *twins);

/* @version's process @pid has come to the entry of a program: what was known is void. */
void twins_begin(struct twins *twins, int version, pid_t pid);

/* Both programs are known. */
bool twins_complete(const struct twins *twins);

/*
 * Adds what @t's process, stopped, has loaded since. -EAGAIN: the files are being read, by a thread
 * of its own. -ENOTSUP: nothing is known to stand for a file of it.
 */
MUST_CHECK int twins_see(struct twins *twins, struct tracee *t, struct err *err);

/* All pairs, the programs first. They stay in their places while nothing begins anew. */
const struct twin *twins_pairs(const struct twins *twins, size_t *ret_n);

/* -ENOTSUP: @map does not know a pair that differs. */
MUST_CHECK int twins_check(const struct twins *twins, const struct sea_map *map, struct err *err);

#endif
