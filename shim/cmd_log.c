/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/eventtext.h"
#include "oci/state.h"
#include "shim/report.h"
#include "shim/shim.h"

static void print_readable(char *text)
{
	char *rest, *line;

	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		cleanup_json struct json *event = NULL;
		cleanup_str struct str out = STR_INIT;
		struct err err = { 0 };

		if (json_parse(line, strlen(line), &event, &err) < 0 ||
			json_type(event) != JSON_OBJECT)
			str_puts(&out, "(a line that is no event)\n");
		else
			eventtext_put(event, &out);
		fputs(out.data, stdout);
	}
}

/* Opens the log of the container that runs, else the one that was kept when it was deleted. */
static int open_log(
	const struct cmdline *line, const struct config *config, int *ret_fd, struct err *err)
{
	cleanup_free char *state = NULL;
	cleanup_free char *dir = NULL;
	cleanup_free char *live = NULL;
	cleanup_free char *kept = NULL;
	int rc = state_path(line->root, line->id, &state, err), fd;

	if (rc == 0)
		rc = state_log_dir(config, &dir, err);
	if (rc < 0)
		return rc;
	live = xasprintf("%s/" STATE_LOG, state);
	kept = xasprintf("%s/%s.jsonl", dir, line->id);
	fd = open(live, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fd = open(kept, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ENOENT, "container %s has no event log here", line->id);
	*ret_fd = fd;
	return 0;
}

static void print_usage(void)
{
	puts("Usage: mx-shim [--root DIR] log [OPTION...] CONTAINER-ID\n\n"
	     "the event log of a container, or, once it is deleted, the one that was kept\n\n"
	     "  --json  JSON lines, as the engine wrote them\n"
	     "  --help  this text");
}

static int print_log(const struct cmdline *line, const struct config *config)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_close int fd = -1;
	struct err err = { 0 };
	bool json = false, help = false;
	struct stat st;
	int rc;

	for (int i = 1; i < line->argc; i++) {
		json = json || strcmp(line->argv[i], "--json") == 0;
		help = help || strcmp(line->argv[i], "--help") == 0;
	}
	if (help) {
		print_usage();
		return 0;
	}
	if (!line->id)
		rc = err_set(&err, EINVAL, "usage: mx-shim log [--json] CONTAINER-ID");
	else
		rc = open_log(line, config, &fd, &err);
	if (rc == 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		rc = err_set(&err, EINVAL, "the event log is no regular file");
	if (rc == 0)
		rc = io_read_fd(fd, config->state_size, &text, &err);
	if (rc < 0) {
		report_error(line, -1, err.text);
		return 1;
	}
	if (json)
		fputs(str_text(&text), stdout);
	else if (text.len)
		print_readable(text.data);
	return 0;
}

const struct command cmd_log = { "log", print_log };
