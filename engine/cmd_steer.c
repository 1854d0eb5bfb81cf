/* SPDX-License-Identifier: Apache-2.0 */
/* mx promote, abort, pause, resume, switch, restart: one request to a running engine each. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/xalloc.h"
#include "cmd.h"

static const struct option options[] = {
	ASK_CONTROL_OPTION,
	ASK_TIMEOUT_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

#define HELP                                                                                       \
	"  --control PATH     the socket of `mx run --control PATH`, instead of CONTAINER\n"       \
	"  --timeout SECONDS  how long to wait for the answer (default: 10)\n"                     \
	"\n"                                                                                       \
	"The exit status is 0 where it was done, 1 where it was refused, 4 after a time-out, 5\n"  \
	"where there is no such container.\n"

static int steer(const struct cmd *cmd, int argc, char **argv, bool takes_version)
{
	struct target_options o = { .timeout_ms = ASK_TIMEOUT_DEFAULT };
	cleanup_target struct target target = { 0 };
	cleanup_json struct json *answer = NULL;
	cleanup_free char *request = NULL;
	const char *version = NULL;
	struct err err;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'h') {
			cmd_print_help(cmd);
			return 0;
		}
		rc = ask_option(&o, opt, optarg);
		if (rc == -EINVAL)
			return cmd_usage_error(cmd, "bad value '%s'", optarg);
		if (rc < 0)
			return MX_EXIT_USAGE;
	}
	if (takes_version) {
		version = argv[optind];
		if (!version || (strcmp(version, "old") != 0 && strcmp(version, "new") != 0))
			return cmd_usage_error(cmd, "which version: old or new?");
		optind++;
	}
	if (argc - optind != (o.control ? 0 : 1))
		return cmd_usage_error(cmd, "one container, or --control, is needed");
	rc = target_find(&o, argv[optind], false, &target, &err);
	if (rc == 0 && version)
		request = xasprintf(
			"{\"mx\":1,\"do\":\"%s\",\"version\":\"%s\"}", cmd->name, version);
	else
		request = xasprintf("{\"mx\":1,\"do\":\"%s\"}", cmd->name);
	if (rc == 0)
		rc = ask(&target, o.timeout_ms, request, &answer, &err);
	if (rc == 0)
		return ASK_HEALTHY;
	fprintf(stderr, "mx %s: %s\n", cmd->name, err.text);
	return ask_exit_status(rc);
}

static int promote(int argc, char **argv)
{
	return steer(&cmd_promote, argc, argv, false);
}

static int abort_run(int argc, char **argv)
{
	return steer(&cmd_abort, argc, argv, false);
}

static int pause_run(int argc, char **argv)
{
	return steer(&cmd_pause, argc, argv, false);
}

static int resume(int argc, char **argv)
{
	return steer(&cmd_resume, argc, argv, false);
}

static int switch_leader(int argc, char **argv)
{
	return steer(&cmd_switch, argc, argv, false);
}

static int restart(int argc, char **argv)
{
	return steer(&cmd_restart, argc, argv, true);
}

const struct cmd cmd_promote = {
	.name = "promote",
	.args = "[OPTION...] CONTAINER",
	.summary = "let the old version go: the new one alone from now on",
	.run = promote,
	.help = HELP,
};

const struct cmd cmd_abort = {
	.name = "abort",
	.args = "[OPTION...] CONTAINER",
	.summary = "let the new version go: the old one alone from now on",
	.run = abort_run,
	.help = HELP,
};

const struct cmd cmd_pause = {
	.name = "pause",
	.args = "[OPTION...] CONTAINER",
	.summary = "pause the comparison: the leader alone until mx resume",
	.run = pause_run,
	.help = HELP,
};

const struct cmd cmd_resume = {
	.name = "resume",
	.args = "[OPTION...] CONTAINER",
	.summary = "resume the comparison: the other version comes back",
	.run = resume,
	.help = HELP,
};

const struct cmd cmd_switch = {
	.name = "switch",
	.args = "[OPTION...] CONTAINER",
	.summary = "leader and follower change places",
	.run = switch_leader,
	.help = HELP,
};

const struct cmd cmd_restart = {
	.name = "restart",
	.args = "[OPTION...] old|new CONTAINER",
	.summary = "bring a version back that was let go",
	.run = restart,
	.help = HELP,
};
