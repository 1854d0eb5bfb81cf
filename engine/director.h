/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The director: policy above MXM and REM. It decides which version goes on after a divergence,
 * tells the event log, and keeps the outcome of a run.
 */
#ifndef MX_DIRECTOR_H
#define MX_DIRECTOR_H

#include "ctl/eventlog.h"
#include "mxm/mxm.h"

enum prefer { PREFER_NEW, PREFER_OLD, PREFER_LEADER, PREFER_STOP };

struct director_config {
	struct mxm_config mxm;
	enum prefer prefer;
	const char *core_dir; /* where a crashed version's core file goes; NULL: none */
	const char *new_only; /* why the new version runs alone; NULL: both run */
	bool stats;	      /* say at the end what was counted */
	struct eventlog *log;
};

struct director;

/* Starts the run. Errors are those of mxm_start(). */
MUST_CHECK int director_start(
	const struct director_config *config, struct director **ret_director, struct err *err);

/* Called once, from any thread, when the program's first process has ended. */
void director_on_end(struct director *d, void (*fn)(void *arg, int status), void *arg);

/* Passes a signal from outside on to the program. Any thread. */
void director_signal(struct director *d, int sig);

/* Waits until no process of the program is left; returns the first process's wait status. */
int director_wait(struct director *d);
void director_free(struct director *d);

#endif
