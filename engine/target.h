/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which run a verb is about: a container's, found by its name or id in the state that mx-shim keeps
 * (oci/state.h), or the one behind a control socket that the caller names (a name with a slash is a
 * path).
 */
#ifndef MX_TARGET_H
#define MX_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct target {
	char *id;     /* the container's, or the socket's file name */
	char *name;   /* the container's; NULL: not known */
	char *socket; /* NULL: it has ended, only the log is left */
	char *log;    /* NULL: ask the engine */
};

struct targets {
	struct target *items;
	size_t count;
};

/* What the verbs have in common on their command lines. */
struct target_options {
	const char *control; /* --control PATH */
	const char *mx_conf; /* --mx-conf FILE: where kept logs are */
	const char *log;     /* --log FILE, for verbs that can read one */
	int timeout_ms;
};

/* All containers of two versions that run now, by name; none is no error. */
MUST_CHECK int targets_running(struct targets *ret_targets, struct err *err);

/*
 * The one that @name (a name, an id, or the unique beginning of an id) or @options name. @ended:
 * also containers that are gone, by their kept logs. -ENOENT: there is none; -EINVAL: several.
 */
MUST_CHECK int target_find(const struct target_options *options, const char *name, bool ended,
	struct target *ret_target, struct err *err);

void target_free(struct target *t);
void targets_free(struct targets *t);

#define cleanup_target	__attribute__((cleanup(target_free)))
#define cleanup_targets __attribute__((cleanup(targets_free)))

#endif
