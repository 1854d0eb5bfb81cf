/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The director: policy above MXM and REM. It decides which version goes on after a divergence,
 * tells the event log, and keeps the outcome of a run.
 */
#ifndef MX_DIRECTOR_H
#define MX_DIRECTOR_H

#include "base/jsonw.h"
#include "ctl/eventlog.h"
#include "mxm/mxm.h"

enum prefer { PREFER_NEW, PREFER_OLD, PREFER_LEADER, PREFER_STOP };

struct director_config {
	struct mxm_config mxm;
	enum prefer prefer;
	const char *core_dir; /* where a crashed version's core file goes; NULL: none */
	const char *new_only; /* why the new version runs alone; NULL: both run */
	bool stats;	      /* say at the end what was counted */
	/* Decisions without an operator; 0: none. */
	unsigned promote_after;	      /* seconds without a divergence or crash, */
	unsigned long promote_events; /* and at least so many events */
	unsigned abort_after;	      /* divergences, and crashes of the new version, in all */
	unsigned max_recoveries;      /* in a minute, of one version; 0: none comes back */
	unsigned max_resyncs;	      /* the same after a divergence */
	const char *map;	      /* of the two versions; NULL: made when it is needed */
	const char *map_cache;	      /* folder of maps that were made before; NULL: none */
	int map_fd;		      /* one that may be of no use, or -1 */
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

enum decision { DECIDE_PROMOTE, DECIDE_ABORT };

/*
 * The new version alone from now on, or the old one. @by: who decided, for the log. -EPERM: the
 * version to keep does not run any more. Any thread but a monitor's.
 */
MUST_CHECK int director_decide(
	struct director *d, enum decision decision, const char *by, struct err *err);

/*
 * The version @name, which was let go, is to come back; the leader and the follower are to change
 * places. Both come about later: the phase is recovering until then, and the log says how it went.
 * -EPERM: why not. Any thread but a monitor's.
 */
MUST_CHECK int director_restart(
	struct director *d, const char *name, const char *by, struct err *err);
MUST_CHECK int director_switch(struct director *d, const char *by, struct err *err);

/*
 * The comparison is paused: the leader goes on alone, and the follower is let go once it is known
 * that it could come back; the log says how it went. Resumed: it comes back as by
 * director_restart(). -EPERM: why not. Any thread but a monitor's.
 */
MUST_CHECK int director_pause(struct director *d, const char *by, struct err *err);
MUST_CHECK int director_resume(struct director *d, const char *by, struct err *err);

/* To be called about every second, by one thread: takes samples, and what decisions time makes. */
void director_tick(struct director *d);

/* Appends the fields of the status, and of the figures over time. Any thread. */
void director_put_status(struct director *d, struct jsonw *w);
void director_put_figures(struct director *d, struct jsonw *w);

/* Waits until no process of the program is left; returns the first process's wait status. */
int director_wait(struct director *d);
void director_free(struct director *d);

#endif
