/* SPDX-License-Identifier: Apache-2.0 */
/* One pair of objects, from files to records. */
#ifndef MX_SEA_PAIR_H
#define MX_SEA_PAIR_H

#include "sea/analysis.h"
#include "sea/map_build.h"
#include "sea/sea.h"

/*
 * Analyses the pair and appends it to the map that is built, under @name where it is not NULL.
 * What is wrong with the files becomes the object's state and reason, not an error.
 */
void sea_analyze_pair(struct sea_map_builder *b, const char *old_path, const char *new_path,
	const char *name, const struct sea_opts *opts);

/* Loads and analyses both; for callers that want more than the map. sea_analysis_free() ends it. */
MUST_CHECK int sea_analysis_run(struct sea_analysis *a, const char *old_path, const char *new_path,
	const struct sea_opts *opts, struct sea_budget *budget, struct err *err);
/* The same for two images that are already in @a. */
MUST_CHECK int sea_analysis_compare(
	struct sea_analysis *a, struct sea_budget *budget, struct err *err);

#endif
