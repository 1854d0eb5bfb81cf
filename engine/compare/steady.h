/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes from one run of a program to the next is taken out of what it says: ids, times,
 * addresses. Both runs then say the same where the program does.
 */
#ifndef MX_COMPARE_STEADY_H
#define MX_COMPARE_STEADY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* What is known of the run that the text comes from. */
struct steady_run {
	const int64_t *ids; /* of its processes and threads, and of its parents */
	size_t nids;
	int64_t begun, now; /* seconds since the epoch */
};

/*
 * Appends @text to @out with each number that is an id, a time of day, a date, a number of seconds
 * since the epoch within the run, a duration with its unit, or a hexadecimal address replaced by a
 * word in angle brackets. Anything else, and any byte that is no text, stays. True: something was
 * replaced.
 */
bool steady_text(struct str *out, const char *text, size_t len, const struct steady_run *run);

/* The same for bytes of which only runs of printable characters are looked at. */
bool steady_bytes(struct str *out, const void *data, size_t len, const struct steady_run *run);

#endif
