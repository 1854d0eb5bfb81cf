/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recovery knows of the two versions of a run: SEA's map of them, and which functions each
 * version's process runs on. MXM makes the copy of the survivor (mxm/rejoin.h); here it is said
 * whether the moment is a safe one, and the copy is given the lost version's functions.
 */
#ifndef MX_REM_RECOVERY_H
#define MX_REM_RECOVERY_H

#include "base/err.h"
#include "rem/unwind.h"
#include "tracee/tracee.h"

struct recovery;

struct recovery_config {
	const char *roots[2]; /* of old and new; NULL: none */
	const char *map;      /* file that `mx analyze` has written; NULL: made when needed */
	const char *cache;    /* folder of maps that were made before; NULL: none */
	/*
	 * A map that need not know what runs: it is used where it is whole and has each pair of
	 * files that differ, by their digests. Else, and for -1, one is made. Stays the caller's.
	 */
	int map_fd;
};

/* Nothing is read yet; the strings must outlive it. Everything below may be called by any monitor.
 */
struct recovery *recovery_new(const struct recovery_config *config);
void recovery_free(struct recovery *r);

/* From now on @version runs the program that process @pid does. */
void recovery_runs(struct recovery *r, int version, pid_t pid);

/*
 * Makes ready what can be while version @from's processes, of which @ts are the main threads, run
 * on: the map, the files' digests, the functions for their place. -EAGAIN: later; other failures
 * are final.
 */
MUST_CHECK int recovery_prepare(
	struct recovery *r, int from, struct tracee *const *ts, int n, struct err *err);

/*
 * Are @threads of a process of version @from's, all stopped, at a safe point: does no frame belong
 * to a function that differs between the versions? -EAGAIN: not now, or the map is still being
 * made. Other failures are final. Versions are 0 (old) and 1 (new).
 */
MUST_CHECK int recovery_safe(
	struct recovery *r, int from, struct tracee *const *threads, int n, struct err *err);

/* As unwind_backtrace(), through functions that were put into @version's process as well. */
MUST_CHECK int recovery_backtrace(struct recovery *r, int version, struct tracee *t,
	struct unwind_frame *frames, int max, struct err *err);

/*
 * @ts has one thread of each process of a copy of @from's, all of whose threads are stopped at safe
 * points: from now on the copy runs on @version's functions. Returns how many functions were put in
 * or taken out. On failure the copy is of no use.
 */
MUST_CHECK int recovery_convert(struct recovery *r, int version, int from, struct tracee *const *ts,
	int n, struct err *err);

/*
 * Where the map comes from that recoveries go by: "given" or "made"; and, where map_fd was given
 * and was of no use, the reason. *@ret_why is NULL otherwise; else the caller frees it.
 */
const char *recovery_map_source(struct recovery *r, char **ret_why);

#endif
