/* SPDX-License-Identifier: Apache-2.0 */
/* The state of runs in the text format of Prometheus. */
#ifndef MX_METRICS_H
#define MX_METRICS_H

#include "base/str.h"
#include "oci/json.h"
#include "target.h"

/* One run: what its engine answered to "status", or NULL where it did not. */
struct metrics_run {
	const struct target *target;
	struct json *answer;
};

/* Appends every metric of all runs, each with its help and type. */
void metrics_put(const struct metrics_run *runs, size_t count, struct str *out);

#endif
