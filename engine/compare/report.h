/* SPDX-License-Identifier: Apache-2.0 */
/* The comparison of two versions, for people and for programs. */
#ifndef MX_COMPARE_REPORT_H
#define MX_COMPARE_REPORT_H

#include "base/jsonw.h"
#include "compare/compare.h"

struct report {
	const char *names[2]; /* what the operator calls the versions */
	const struct comparison *comparison;
	const struct comparison *names_only; /* the same without arguments; may be the same one */
	const struct forecast *forecast;
	const struct outlook *outlook;
	unsigned width; /* of the text, in columns */
	bool all;	/* every difference, whole */
};

void comparison_report_text(struct str *out, const struct report *r);
/* One value. */
void comparison_report_json(struct jsonw *w, const struct report *r);

#endif
