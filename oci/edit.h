/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the config.json of an ordinary container into one that runs the engine with two versions:
 * the engine, its configuration and its state are mounted below /.mx, the hook that composes the
 * old version's root is added, and the process becomes `mx run OLD NEW -- ARGS`.
 */
#ifndef MX_OCI_EDIT_H
#define MX_OCI_EDIT_H

#include "oci/config.h"
#include "oci/options.h"
#include "oci/plan.h"

struct edit {
	const struct config *config;
	const char *config_path; /* for the hook, NULL: the default */
	const struct options *options;
	const char *bundle; /* absolute */
	const char *state;  /* the container's state folder on the host, made by state_create() */
	const char *mark;   /* its name, see state_mark() */
};

/*
 * What can be refused without making anything: no old root asked for (-ENOENT), a profile that
 * forbids ptrace, a mount of the container's own at /.mx. To be called before state_create().
 */
MUST_CHECK int edit_check(const struct json *spec, const struct options *options, struct err *err);

/* Edits @spec, writes the files below config/ and the plan for the hook. */
MUST_CHECK int edit_spec(struct json *spec, const struct edit *edit, struct err *err);

/* Whether programs that are executed in the running container are to be supervised, too. */
bool edit_wants_exec(const char *state);
/*
 * The capabilities that the container's own process has, where the engine was given one more: NULL
 * if not.
 */
struct json *edit_exec_caps(const char *state);
/* Edits the process of such an exec, so that both versions of the program are run. */
MUST_CHECK int edit_exec(struct json *process, const char *state, struct err *err);

#endif
