/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cmdline.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/xalloc.h"

/* Options that take a value as the next word. Others stand alone, or have it behind "=". */
static const char *const global_valued[] = {
	"--log",
	"--log-format",
	"--root",
	"--rootless",
	"--cgroup-manager",
	"--criu",
	"--mx-conf",
};
static const char *const verb_valued[] = {
	"--bundle",
	"-b",
	"--console-socket",
	"--pid-file",
	"--preserve-fds",
	"--config",
	"--process",
	"-p",
	"--cwd",
	"--env",
	"-e",
	"--user",
	"-u",
	"--additional-gids",
	"-g",
	"--process-label",
	"--apparmor",
	"--cap",
	"-c",
	"--cgroup",
	"--image-path",
	"--work-path",
	"--parent-path",
	"--status-fd",
	"--page-server",
	"--manage-cgroups-mode",
	"--empty-ns",
	"--lsm-profile",
	"--lsm-mount-context",
	"--format",
	"--resources",
	"-r",
	"--interval",
};

static bool contains(const char *const *names, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], word) == 0)
			return true;
	}
	return false;
}

/*
 * The value of option @name at argv[@i]: behind "=", or the next word. NULL if it is another
 * option.
 */
static const char *value_of(const struct cmdline *line, int i, const char *name)
{
	const char *word = line->argv[i];
	size_t len = strlen(name);

	if (strncmp(word, name, len) != 0)
		return NULL;
	if (word[len] == '=' && name[1] == '-')
		return word + len + 1;
	if (word[len] == '\0')
		return i + 1 < line->argc ? line->argv[i + 1] : NULL;
	/* -b/some/bundle */
	return name[1] == '-' ? NULL : word + len;
}

static void take(const struct cmdline *line, int i, const char *name, const char **field)
{
	const char *value = value_of(line, i, name);

	if (value)
		*field = value;
}

/* Takes --mx-conf out, which may stand anywhere before the verb. */
static void take_own(struct cmdline *line)
{
	int to = 1;

	for (int i = 1; i < line->argc; i++) {
		const char *value = value_of(line, i, "--mx-conf");

		if (value || strcmp(line->argv[i], "--mx-conf") == 0) {
			line->mx_conf = value ? value : "";
			i += value == line->argv[i + 1];
			continue;
		}
		if (line->argv[i][0] != '-') {
			while (i < line->argc)
				line->argv[to++] = line->argv[i++];
			break;
		}
		line->argv[to++] = line->argv[i];
		if (contains(global_valued, ARRAY_SIZE(global_valued), line->argv[i]) &&
			i + 1 < line->argc)
			line->argv[to++] = line->argv[++i];
	}
	line->argc = to;
	line->argv[to] = NULL;
}

static int parse_global(struct cmdline *line)
{
	int i;

	for (i = 1; i < line->argc; i++) {
		const char *word = line->argv[i];

		if (word[0] != '-')
			break;
		take(line, i, "--log", &line->log);
		take(line, i, "--log-format", &line->log_format);
		take(line, i, "--root", &line->root);
		if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0 ||
			strcmp(word, "-V") == 0)
			line->version = true;
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
			line->help = true;
		if (contains(global_valued, ARRAY_SIZE(global_valued), word))
			i++;
	}
	return i;
}

static void parse_option(struct cmdline *line, int i)
{
	const char *word = line->argv[i];
	bool exec = strcmp(line->verb, "exec") == 0;

	take(line, i, "--bundle", &line->bundle);
	take(line, i, "--config", &line->config_name);
	take(line, i, "--process", &line->process);
	take(line, i, "--cap", &line->caps);
	if (exec) {
		take(line, i, "-p", &line->process);
		take(line, i, "-c", &line->caps);
	} else {
		take(line, i, "-b", &line->bundle);
	}
	if (strcmp(word, "--process") == 0 || (exec && strcmp(word, "-p") == 0))
		line->process_at = i + 1;
	if (strcmp(word, "--detach") == 0 || strcmp(word, "-d") == 0)
		line->detach = true;
	if (strcmp(word, "--force") == 0)
		line->force = true;
	/* -f is --config for crun's create and run, --force for delete. */
	if (strcmp(line->verb, "create") == 0 || strcmp(line->verb, "run") == 0)
		take(line, i, "-f", &line->config_name);
	else if (strcmp(word, "-f") == 0)
		line->force = true;
}

static bool takes_next(const struct cmdline *line, const char *word)
{
	bool starts = strcmp(line->verb, "create") == 0 || strcmp(line->verb, "run") == 0;

	if (strcmp(word, "-f") == 0)
		return starts;
	/* crun: delete --regex, -r; runc: update -r. */
	if (strcmp(word, "-r") == 0)
		return strcmp(line->verb, "update") == 0;
	return contains(verb_valued, ARRAY_SIZE(verb_valued), word);
}

void cmdline_parse(int argc, char **argv, struct cmdline *ret_line)
{
	struct cmdline line = { .argc = argc };
	bool only_operands = false;
	int i;

	line.argv = xreallocarray(NULL, argc + 1, sizeof(*argv));
	memcpy(line.argv, argv, argc * sizeof(*argv));
	line.argv[argc] = NULL;
	take_own(&line);
	i = parse_global(&line);
	/* An option that lacks its value is the last word; the delegate says so. */
	line.verb = i < line.argc ? line.argv[i] : NULL;
	for (i++; line.verb && i < line.argc; i++) {
		const char *word = line.argv[i];

		if (!only_operands && strcmp(word, "--") == 0) {
			only_operands = true;
			continue;
		}
		if (only_operands || word[0] != '-') {
			if (!line.id)
				line.id = word;
			/* What follows the container in an exec is the program's. */
			if (strcmp(line.verb, "exec") == 0)
				break;
			continue;
		}
		parse_option(&line, i);
		if (takes_next(&line, word))
			i++;
	}
	*ret_line = line;
}

void cmdline_free(struct cmdline *line)
{
	free(line->argv);
	*line = (struct cmdline){ 0 };
}
