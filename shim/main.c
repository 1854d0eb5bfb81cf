/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mx-shim: an OCI runtime that lets crun or runc do the work, and has two versions of a program
 * run as one in the containers that ask for it by annotation.
 */
#include <stdio.h>
#include <string.h>

#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"

static const struct command *const commands[] = {
	&cmd_create,
	&cmd_run,
	&cmd_delete,
	&cmd_exec,
	&cmd_checkpoint,
	&cmd_features,
	&cmd_log,
};

static int run(const struct cmdline *line, const struct config *config)
{
	struct err err = { 0 };

	if (!line->verb && line->version)
		return version_print(line, config);
	if (line->help)
		return help_print(line, config);
	for (size_t i = 0; line->verb && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i]->name, line->verb) == 0)
			return commands[i]->run(line, config);
	}
	if (delegate_exec(config, line, &err) < 0)
		report_error(line, -1, err.text);
	return 1;
}

int main(int argc, char **argv)
{
	struct cmdline line;
	struct config config;
	struct err err = { 0 };
	int status;

	cmdline_parse(argc, argv, &line);
	if (line.mx_conf && !line.mx_conf[0]) {
		report_error(&line, -1, "--mx-conf: the name of a file is missing");
		return 1;
	}
	if (config_load(line.mx_conf, &config, &err) < 0) {
		report_error(&line, -1, err.text);
		return 1;
	}
	status = run(&line, &config);
	config_free(&config);
	cmdline_free(&line);
	return status;
}
