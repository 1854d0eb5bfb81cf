/* SPDX-License-Identifier: Apache-2.0 */
/* A row of versions, each compared with the one before it: a table and a figure. */
#ifndef MX_COMPARE_SERIES_H
#define MX_COMPARE_SERIES_H

#include "base/jsonw.h"
#include "compare/study.h"

/* What is kept of a comparison. */
struct series_pair {
	char *old, *new;   /* the operator's names */
	uint64_t calls;	   /* that are compared */
	uint64_t distance; /* with arguments, without what is unsteady */
	uint64_t distance_of_calls;
	bool exact;
	bool has_functions, has_lines;
	uint64_t functions, changed, spliceable, lines;
	size_t known, covered;
	enum verdict verdict;
	char *forecast;
};

struct series {
	struct series_pair *pairs;
	size_t n;
};

void series_add(struct series *s, const struct subject *old, const struct subject *new,
	const struct pair *p);
void series_free(struct series *s);

/* The last part of a version's name. */
const char *series_name(const char *given);

void series_text(struct str *out, const struct series *s);
/* One value. */
void series_json(struct jsonw *w, const struct series *s);
/* A whole SVG file: the differences in calls above, those in the code below, pair by pair. */
void series_svg(struct str *out, const struct series *s);

#endif
