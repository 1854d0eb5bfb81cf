/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one container asks of MX: its io.mx.* annotations over the operator's defaults. Annotations
 * come from whoever may start containers and are not trusted: every value is checked, and the
 * operator's allow-list says which of them count.
 */
#ifndef MX_OCI_OPTIONS_H
#define MX_OCI_OPTIONS_H

#include "oci/config.h"
#include "oci/json.h"

enum option {
	OPTION_OLD,	     /* where the old version's root is mounted */
	OPTION_OLD_ARGS,     /* the old version's program, or its whole argument list */
	OPTION_SHARED_PATHS, /* paths that are the same for both versions */
	OPTION_LEADER,
	OPTION_PREFER,
	OPTION_SURVIVE,
	OPTION_SYNC,
	OPTION_AGENT,
	OPTION_RULES,
	OPTION_LOG,
	OPTION_EXEC,
	OPTION_PROMOTE_AFTER, /* SECONDS[,EVENTS] of calm after which the new version runs alone */
	OPTION_ABORT_AFTER,   /* failures after which the old version does */
	OPTION_MAX_RESYNCS,   /* how often in a minute a version comes back that diverged */
	OPTION_COUNT,
};

struct options {
	char *text[OPTION_COUNT]; /* checked; NULL where nothing was said */
	struct json *shared;	  /* the paths, as strings */
	size_t builtin;		  /* how many of them, at the front, nobody asked for */
};

/*
 * Reads the annotations of @spec, io.mx.NAME or, for one container of a pod,
 * io.mx.NAME/CONTAINER, which wins. A name that does not exist, a value that cannot be, and one
 * that the operator does not allow (-EPERM) are errors that name the annotation.
 */
MUST_CHECK int options_load(const struct json *spec, const struct config *config,
	struct options *ret_options, struct err *err);
void options_free(struct options *o);

#define cleanup_options __attribute__((cleanup(options_free)))

#endif
