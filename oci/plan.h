/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim, when it edits config.json, leaves for the hook to do once the runtime has made the
 * container's mounts: a JSON file in the container's state folder.
 */
#ifndef MX_OCI_PLAN_H
#define MX_OCI_PLAN_H

#include "oci/json.h"

struct plan {
	char *rootfs;  /* absolute, as the runtime sees it */
	char *old;     /* where the old image is, in the container */
	char *lower;   /* lowerdir of the overlay that is mounted there, or NULL */
	bool readonly; /* the container's root is read-only, so the old one is too */
	bool new_only; /* on failure: leave a note for the engine instead of failing */
	struct json
		*shared;   /* paths of both versions; the first @builtin ones are defaults, which */
	long long builtin; /* need not exist */
	struct json *mounts; /* the bundle's own: {"at": destination, "options": ["ro", ...],
				"recursive": whether the options hold for mounts below it} */
	struct json *old_args, *new_args;
	struct json *exec;	/* the engine's words before OLD for a supervised exec, or NULL */
	struct json *effective; /* the process' own capabilities */
	char *path;		/* the process' PATH */
	char *cwd;
};

MUST_CHECK int plan_write(const char *state, const struct plan *plan, struct err *err);
MUST_CHECK int plan_read(const char *state, struct plan *ret_plan, struct err *err);
void plan_free(struct plan *plan);

#define cleanup_plan __attribute__((cleanup(plan_free)))

#endif
