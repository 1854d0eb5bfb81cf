/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a crash for whoever has to mend it. */
#ifndef MX_CRASH_REPORT_H
#define MX_CRASH_REPORT_H

#include "ctl/eventlog.h"
#include "mxm/mxm.h"
#include "rem/recovery.h"

/* Is anything left to look at? */
bool crash_has_report(const struct mxm_crash *crash);

/*
 * Adds registers and the backtrace to the event, and writes the core file of version @name to
 * @core_dir (NULL: none). Nothing where nothing is left to look at. @recovery: what knows the
 * functions that were put into the process, or NULL.
 */
void crash_report(struct event_out *ev, const struct mxm_crash *crash, const char *name,
	const char *core_dir, struct recovery *recovery);

#endif
