/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verb of the shim's own: it gets the parsed command line and the configuration and returns the
 * exit status. Verbs that are not in the list are the delegate's alone.
 */
#ifndef MX_SHIM_SHIM_H
#define MX_SHIM_SHIM_H

#include "oci/config.h"
#include "shim/cmdline.h"

struct command {
	const char *name;
	int (*run)(const struct cmdline *line, const struct config *config);
};

extern const struct command cmd_create, cmd_run, cmd_delete, cmd_exec, cmd_checkpoint, cmd_features,
	cmd_log;

/* `mx-shim --version`: our version, then the delegate's own text. */
int version_print(const struct cmdline *line, const struct config *config);
/* `mx-shim --help`: what is our own, then the delegate's text. */
int help_print(const struct cmdline *line, const struct config *config);

#endif
