/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of an OCI runtime, as crun and runc both take it: global options, a verb, and
 * the verb's own options and operands in any order. Only what the shim needs is picked out;
 * everything is handed to the delegate as it came, but for --mx-conf, which is the shim's own.
 */
#ifndef MX_SHIM_CMDLINE_H
#define MX_SHIM_CMDLINE_H

#include <stdbool.h>

struct cmdline {
	char **argv; /* for the delegate, without --mx-conf; argv[0] is the shim's */
	int argc;
	const char *mx_conf;
	const char *root, *log, *log_format;
	const char *verb; /* NULL: none was given */
	bool version, help;
	const char *bundle; /* create, run */
	const char *config_name;
	const char *process, *caps; /* exec */
	bool detach, force;
	const char *id; /* the first operand, or NULL */
	int process_at; /* place of the value of --process in argv, 0 if it is joined by "=" */
};

void cmdline_parse(int argc, char **argv, struct cmdline *ret_line);
void cmdline_free(struct cmdline *line);

#endif
