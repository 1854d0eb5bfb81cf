/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEA, the analyser of two versions: one call that takes two programs, or two directories, and
 * gives the map that map.h describes. It never runs what it reads, follows no symbolic link out
 * of the directories, and ends in bounded time and memory whatever the files hold.
 */
#ifndef MX_SEA_SEA_H
#define MX_SEA_SEA_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "sea/map.h"

#define SEA_DEFAULT_LIMIT_MS 60000

struct sea_opts {
	unsigned limit_ms;	   /* for one pair of objects; 0: SEA_DEFAULT_LIMIT_MS */
	const char *cache_dir;	   /* maps of pairs are kept here by content; NULL: no cache */
	const char *debug_root[2]; /* where .build-id/ with debug files lies, or NULL */
	bool no_symbols;	   /* act as if the files were stripped of local symbols */
	bool no_exports;	   /* and of the names of exported functions (tests) */
	bool no_types;		   /* do not read debug information */
};

/*
 * Analyses two files or two directories. A pair that cannot be analysed is in the map with its
 * reason; an error is returned only where there is no map to give. @opts may be NULL.
 */
MUST_CHECK int sea_analyze(const char *old_path, const char *new_path, const struct sea_opts *opts,
	struct sea_map **ret, struct err *err);

/*
 * The same for objects already paired, one map for all: as the hook does, which knows the roots.
 * @old_paths and @new_paths have @n elements; the names that go into the map are @names.
 */
MUST_CHECK int sea_analyze_pairs(const char *const *old_paths, const char *const *new_paths,
	const char *const *names, size_t n, const struct sea_opts *opts, struct sea_map **ret,
	struct err *err);

struct sea_report_opts {
	bool all; /* every function, not only the first ones */
};

/* The report for people, and for programs (JSON); appended to @out. */
void sea_report_text(
	const struct sea_map *map, const struct sea_report_opts *opts, struct str *out);
void sea_report_json(const struct sea_map *map, struct str *out);

/* One function side by side, by name, by address (0x...), of the pair @old_path, @new_path. */
MUST_CHECK int sea_report_function(const char *old_path, const char *new_path, const char *function,
	const struct sea_opts *opts, struct str *out, struct err *err);

#endif
