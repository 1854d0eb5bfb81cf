/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's configuration, mx.conf(5): a JSON object, every field optional. */
#ifndef MX_OCI_CONFIG_H
#define MX_OCI_CONFIG_H

#include "oci/json.h"

#define CONFIG_PATH "/etc/mx/mx.conf"

struct config {
	char *delegate;		/* the OCI runtime that does the work */
	char *engine;		/* the mx program that is put into containers */
	char *hook;		/* mx-hook; NULL where it is not installed */
	const char *stage;	/* the hook's place in config.json: prestart or createRuntime */
	long long timeout;	/* seconds that the hook may take */
	bool new_only;		/* a hook that fails leaves a container that runs the new version */
	long long state_size;	/* bytes: the log and the map of one container */
	long long private_size; /* bytes: what an old version may write to its own image's paths */
	long long keep_logs;	/* event logs kept of containers that are gone */
	char *log_dir, *cache_dir;
	char *events_exec;	  /* the operator's program that gets each event; NULL: none */
	char *events_webhook;	  /* the URL that gets each event; NULL: none */
	struct json *events_only; /* names of the events that they get; NULL: all */
	long long events_within;  /* seconds that they may take for one */
	struct json *defaults;	  /* options as in annotations, without the prefix; or NULL */
	struct json *allow;	  /* names of options that annotations may set; NULL: all */
};

/*
 * Reads @path. If @path is NULL the default one is read, and may be missing. What it leaves open is
 * filled in: the delegate from well-known places, the engine and the hook from beside this
 * program (a build folder) or from ../libexec/mx (installed). PATH is not used: engines call
 * runtimes without it.
 */
MUST_CHECK int config_load(const char *path, struct config *ret_config, struct err *err);
void config_free(struct config *c);

#define cleanup_config __attribute__((cleanup(config_free)))

#endif
