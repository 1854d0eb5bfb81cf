/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version runs alone under the engine's tracer, and its calls are recorded. A process of its
 * own does it, since a process can have one run of the monitor only; with it everything that it
 * traces ends.
 */
#ifndef MX_COMPARE_RECORD_H
#define MX_COMPARE_RECORD_H

#include <signal.h>

#include "compare/trace.h"

struct record_config {
	const char *name;    /* "old", "new": what the workload finds in MX_VERSION */
	const char *program; /* inside `root` */
	char *const *argv;
	const char *root;		 /* chroot for it, NULL: none */
	const char *const *shared_paths; /* with a root; NULL-terminated, or NULL */
	const char *cwd;		 /* where it starts; NULL: where the caller is */
	const char *input;		 /* file for its standard input, NULL: /dev/null */
	const char *workload;		 /* program that drives it, NULL: it runs to its end */
	unsigned limit;			 /* seconds, for the run and for the workload each */
	unsigned grace;			 /* seconds that it has to end after SIGTERM */
	sigset_t sigmask;		 /* that it starts with */
};

/*
 * Runs and records. Errors are of the engine, of the program that cannot be started (-ENOENT,
 * -EACCES, -ENOEXEC) or the workload that cannot; what became of the program is in the trace. The
 * caller must have no other threads.
 */
MUST_CHECK int record_run(const struct record_config *config, struct trace **ret, struct err *err);

#endif
