/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of mx-hook's work. */
#ifndef MX_HOOK_JOB_H
#define MX_HOOK_JOB_H

#include <sys/types.h>

#include "base/err.h"
#include "oci/plan.h"

/* Enters the user and mount namespaces of process @pid, as their root. */
MUST_CHECK int join_container(pid_t pid, struct err *err);

/*
 * Runs @work in a child that has @seconds, little memory and no core dumps, and brings back its
 * error. A child that crashes or takes too long is an error, too.
 */
MUST_CHECK int worker_run(
	int (*work)(void *arg, struct err *err), void *arg, unsigned seconds, struct err *err);

#endif
