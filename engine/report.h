/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run as a page of HTML that stands alone: no scripts, nothing from elsewhere. Everything in
 * it comes out of an event log, which is not trusted, and is escaped.
 */
#ifndef MX_REPORT_H
#define MX_REPORT_H

#include "base/str.h"
#include "oci/json.h"

#define REPORT_EVENTS_MAX 20000

struct report {
	const char *title;    /* what the run is called */
	struct json *events;  /* an array, oldest first */
	size_t left_out;      /* events that were too many */
	struct json *figures; /* {"names":[...],"samples":[...]} and status fields, or NULL */
};

void report_put(const struct report *r, struct str *out);

/* Seconds since the epoch of an event's time; negative: none. */
double report_time(const struct json *event);

/* The plots (report_plot.c). */

/* When what happened, on a line from @begin to @end. */
void report_timeline(const struct json *events, double begin, double end, struct str *out);
/* System calls a second of each version, and failures in all, over the run. */
void report_plots(const struct json *figures, struct str *out);

#endif
