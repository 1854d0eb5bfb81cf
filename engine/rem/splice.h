/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The splice: the functions of one version that differ, put into a process of the other. Nothing
 * else of the version comes along but the constants that they use and the data that it alone has:
 * variables, unchanged functions, imports and stored addresses are the process's own, as SEA's map
 * says. The entry of each function that differs jumps to the one that was put in.
 */
#ifndef MX_REM_SPLICE_H
#define MX_REM_SPLICE_H

#include <stdbool.h>

#include "rem/objects.h"
#include "rem/unwind.h"

struct splice;

/* Where the other version's files are. */
struct splice_files {
	/* The path, from malloc, of @pair's file of @side. */
	char *(*path)(void *arg, const struct sea_map_object *pair, int side);
	void *arg;
};

/* What was made once, for copies of the same process: kept between calls. */
struct grafts;
struct grafts *grafts_new(void);
void grafts_free(struct grafts *grafts);

/* Links what splice_put() will need into @grafts; the process may run. */
MUST_CHECK int splice_prepare(struct grafts *grafts, const struct sea_map *map,
	const struct objects *objects, const struct splice_files *files, struct err *err);

/*
 * Puts them in, for each of @objects that differs, at the same places in each of @n processes, all
 * of which have these. All threads of them are stopped at safe points, @ts has one of each, in no
 * call; these are lent for system calls. On failure the processes are of no use. -ENOTSUP: the map
 * forbids it; the reason names the function.
 */
MUST_CHECK int splice_put(struct grafts *grafts, const struct sea_map *map,
	const struct objects *objects, struct tracee *const *ts, int n,
	const struct splice_files *files, struct splice **ret, struct err *err);

/*
 * Stopped as above: the processes run on their own functions again, or once more on those that were
 * put in. They stay mapped: the program may have stored where their constants are.
 */
MUST_CHECK int splice_switch(
	const struct splice *splice, struct tracee *const *ts, int n, bool in, struct err *err);

/*
 * Was every object that differs already there when they were put in? One that was loaded since has
 * functions that nothing leads to.
 */
bool splice_covers(const struct splice *splice, const struct objects *objects);

/* For a process that was forked from one that has it. */
struct splice *splice_dup(const struct splice *splice);
void splice_free(struct splice *splice);

/* Is @addr in code that was put in? */
bool splice_holds(const struct splice *splice, uint64_t addr);
/* Whose code @pc lies in, of what was put into a process: an unwind_find_fn; @splice may be NULL.
 */
bool splice_find(const void *splice, uint64_t pc, struct unwind_place *ret);
/* How many functions were put in. */
int splice_count(const struct splice *splice);

#endif
