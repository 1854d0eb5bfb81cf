/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verb of the `mx` program. Each verb is one file, engine/cmd_<verb>.c, that exports its entry;
 * main.c has the list. `run` is called with argv[0] = "mx VERB", and its return value is the
 * program's exit status. It may print: verbs are part of the program, not of a layer.
 */
#ifndef MX_CMD_H
#define MX_CMD_H

#include "base/version.h"

/* Exit statuses of mx itself; `mx run` otherwise passes on the program's own. */
enum {
	MX_EXIT_USAGE = 2,     /* a wrong command line */
	MX_EXIT_ENGINE = 125,  /* the engine itself failed or was refused something */
	MX_EXIT_NO_EXEC = 126, /* the program cannot be executed */
	MX_EXIT_NO_FILE = 127, /* there is no such program */
};

struct cmd {
	const char *name;
	const char *args;    /* the synopsis after the name: "[OPTION...] OLD NEW -- ARGS" */
	const char *summary; /* one line, lower case, no full stop */
	int (*run)(int argc, char **argv);
	const char *help; /* the options and more, ends with a newline; may be NULL */
};

extern const struct cmd cmd_abort, cmd_analyze, cmd_compare, cmd_doctor, cmd_events, cmd_history,
	cmd_lint, cmd_metrics, cmd_pause, cmd_promote, cmd_report, cmd_restart, cmd_resume,
	cmd_rules, cmd_run, cmd_status, cmd_switch, cmd_syscalls;

/* Prints the verb's synopsis, summary and options. */
void cmd_print_help(const struct cmd *cmd);

/* Prints "mx VERB: text" and where help is, on stderr. Returns MX_EXIT_USAGE. */
int cmd_usage_error(const struct cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
