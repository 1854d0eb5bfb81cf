/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/json.h"
#include "oci/state.h"
#include "shim/report.h"
#include "shim/shim.h"

#define OBJECT_MAX 60

static bool is_plain(const char *s)
{
	for (; *s; s++) {
		if (!isgraph((unsigned char)*s) || *s == '"')
			return false;
	}
	return true;
}

/* Objects (the registers at a crash) are cut; --json has all of it. */
static void put_value(const struct json *value, struct str *out)
{
	cleanup_str struct str object = STR_INIT;
	const char *text = json_string(value);

	if (text && text[0] && is_plain(text)) {
		str_puts(out, text);
		return;
	}
	if (json_type(value) != JSON_OBJECT) {
		json_print(value, out);
		return;
	}
	json_print(value, &object);
	if (object.len > OBJECT_MAX)
		str_printf(out, "%.*s...}", OBJECT_MAX, object.data);
	else
		str_puts(out, object.data);
}

/* "12:00:00.123456 crash version=new signal=SIGSEGV"; lists are put on lines of their own. */
static void put_event(const struct json *event, struct str *out)
{
	const char *time = json_string(json_get(event, "time"));
	const char *name = json_string(json_get(event, "event"));
	const char *clock = time ? strchr(time, 'T') : NULL;

	if (clock)
		str_printf(out, "%.15s ", clock + 1);
	str_puts(out, name && is_plain(name) ? name : "?");
	for (size_t i = 0; i < json_count(event); i++) {
		const char *key = json_key_at(event, i);
		const struct json *value = json_at(event, i);

		if (strcmp(key, "time") == 0 || strcmp(key, "event") == 0)
			continue;
		if (json_type(value) != JSON_ARRAY) {
			str_printf(out, " %s=", is_plain(key) ? key : "?");
			put_value(value, out);
			continue;
		}
		for (size_t k = 0; k < json_count(value); k++) {
			str_printf(out, "\n    %s: ", is_plain(key) ? key : "?");
			put_value(json_at(value, k), out);
		}
	}
	str_putc(out, '\n');
}

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
			put_event(event, &out);
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

static int print_log(const struct cmdline *line, const struct config *config)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_close int fd = -1;
	struct err err = { 0 };
	bool json = false;
	struct stat st;
	int rc;

	for (int i = 1; i < line->argc; i++)
		json = json || strcmp(line->argv[i], "--json") == 0;
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
