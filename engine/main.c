/* SPDX-License-Identifier: Apache-2.0 */
/* The `mx` program: finds the verb and runs it. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/xalloc.h"
#include "cmd.h"

/* In the order in which help shows them; NULL ends the list. */
static const struct cmd *const cmds[] = {
	&cmd_run,
	&cmd_status,
	&cmd_events,
	&cmd_history,
	&cmd_metrics,
	&cmd_report,
	&cmd_promote,
	&cmd_abort,
	&cmd_pause,
	&cmd_resume,
	&cmd_switch,
	&cmd_restart,
	&cmd_lint,
	&cmd_rules,
	&cmd_doctor,
	&cmd_analyze,
	&cmd_compare,
	&cmd_syscalls,
	NULL,
};

static const struct cmd *find(const char *name)
{
	for (size_t i = 0; cmds[i]; i++)
		if (strcmp(cmds[i]->name, name) == 0)
			return cmds[i];
	return NULL;
}

static void print_help(FILE *out)
{
	fputs("mx runs two versions of a program side by side as one.\n\n"
	      "Usage: mx VERB ...\n\n",
		out);
	for (size_t i = 0; cmds[i]; i++)
		fprintf(out, "  %-10s %s\n", cmds[i]->name, cmds[i]->summary);
	fputs("  help VERB  what a verb does, and its options\n\n"
	      "  --help     this text\n"
	      "  --version  the version of mx\n",
		out);
}

void cmd_print_help(const struct cmd *cmd)
{
	printf("Usage: mx %s %s\n\n%s\n", cmd->name, cmd->args, cmd->summary);
	if (cmd->help)
		printf("\n%s", cmd->help);
}

int cmd_usage_error(const struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "mx %s: ", cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry 'mx help %s'.\n", cmd->name);
	return MX_EXIT_USAGE;
}

/* The verb that shares the longest beginning with @name, where there is one: "mx ru" → run. */
static const struct cmd *nearest(const char *name)
{
	const struct cmd *best = NULL;
	size_t most = 0;

	for (size_t i = 0; cmds[i]; i++) {
		size_t n = 0;

		while (name[n] && name[n] == cmds[i]->name[n])
			n++;
		if (n > most) {
			most = n;
			best = cmds[i];
		}
	}
	return best;
}

static int unknown_verb(const char *name)
{
	const struct cmd *guess = nearest(name);

	fprintf(stderr, "mx: '%s' is not a verb of mx", name);
	if (guess)
		fprintf(stderr, "; did you mean '%s'?", guess->name);
	fputs("\nTry 'mx --help'.\n", stderr);
	return MX_EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct cmd *cmd;

	if (argc < 2) {
		print_help(stdout);
		return 0;
	}
	cmd = find(argv[1]);
	if (!cmd)
		return unknown_verb(argv[1]);
	cmd_print_help(cmd);
	return 0;
}

/* Output that could not be written (a full disk, a closed pipe) must not look like success. */
static int flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "mx: standard output: %s\n", strerror(errno));
	return status ? status : 1;
}

int main(int argc, char **argv)
{
	const struct cmd *cmd;

	if (argc < 2) {
		print_help(stderr);
		return MX_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
		strcmp(argv[1], "help") == 0)
		return flushed(help(argc - 1, argv + 1));
	if (strcmp(argv[1], "--version") == 0) {
		puts("mx " MX_VERSION);
		return flushed(0);
	}
	cmd = find(argv[1]);
	if (!cmd)
		return unknown_verb(argv[1]);
	/* What follows "--" belongs to the program under mx: only the verb's own --help counts. */
	if (argc == 3 && strcmp(argv[2], "--help") == 0) {
		cmd_print_help(cmd);
		return flushed(0);
	}
	/* What getopt(3) puts before its complaints. */
	argv[1] = xasprintf("mx %s", cmd->name);
	return flushed(cmd->run(argc - 1, argv + 1));
}
