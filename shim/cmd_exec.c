/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "oci/edit.h"
#include "oci/state.h"
#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"

#define PROCESS_MAX (4u << 20)

/* The process as the engine would run it, in a file of its own. */
static int supervise(
	const struct cmdline *line, const char *state, char **ret_path, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/exec.%d.json", state, (int)getpid());
	cleanup_json struct json *process = NULL;
	cleanup_str struct str text = STR_INIT;
	int rc = json_read_file(line->process, PROCESS_MAX, &process, err);

	if (rc == 0)
		rc = edit_exec(process, state, err);
	if (rc < 0)
		return rc;
	json_print(process, &text);
	rc = io_replace_file(path, text.data, text.len, 0600, err);
	if (rc == 0)
		*ret_path = take_ptr(path);
	return rc;
}

static int run_supervised(
	const struct cmdline *line, const struct config *config, const char *state, struct err *err)
{
	cleanup_free char *path = NULL;
	cleanup_free char *joined = NULL;
	int status = 1, rc = supervise(line, state, &path, err);

	if (rc < 0)
		return rc;
	joined = xasprintf("--process=%s", path);
	for (int i = 1; i < line->argc; i++) {
		if (line->process_at && i == line->process_at)
			line->argv[i] = path;
		else if (!line->process_at && str_starts(line->argv[i], "--process="))
			line->argv[i] = joined;
	}
	rc = delegate_run(config, line->argv, &status, err);
	unlink(path);
	return rc < 0 ? rc : status;
}

/* Where it has a copy, made at create, of what the bundle's config.json said then: as crun does. */
static bool reads_a_copy(const struct config *config)
{
	cleanup_str struct str text = STR_INIT;

	return delegate_tells(config, "--version", &text) && str_starts(str_text(&text), "crun ");
}

/*
 * Without a process of the caller's own the delegate makes one out of the container's, which has a
 * capability more than was asked for: the engine's. Here with those that it would have had;
 * what becomes the delegate need not free them.
 */
static char **with_caps(const struct cmdline *line, const struct json *caps)
{
	char **words = xreallocarray(NULL, line->argc + json_count(caps) + 2, sizeof(*words));
	int n = 0;

	for (int i = 0; i < line->argc; i++) {
		words[n++] = line->argv[i];
		if (line->argv[i] != line->verb)
			continue;
		if (json_count(caps) == 0)
			words[n++] = xstrdup("--cap=");
		for (size_t k = 0; k < json_count(caps); k++)
			words[n++] = xasprintf("--cap=%s", json_string(json_at(caps, k)));
	}
	words[n] = NULL;
	return words;
}

/* Returns only on failure. */
static int run_alone(
	const struct cmdline *line, const struct config *config, const char *state, struct err *err)
{
	struct cmdline limited = *line;
	cleanup_json struct json *caps = NULL;

	if (state && !line->process && !line->caps)
		caps = edit_exec_caps(state);
	if (caps && reads_a_copy(config))
		limited.argv = with_caps(line, caps);
	return delegate_exec(config, &limited, err);
}

/*
 * A shell or a health check in the container is run as it is, from the new image. Where the
 * container asks for it (io.mx.exec=supervised), both versions of the program are run as one.
 */
static int exec(const struct cmdline *line, const struct config *config)
{
	cleanup_free char *state = NULL;
	struct err err = { 0 };
	int rc;

	if (line->id && state_path(line->root, line->id, &state, &err) < 0)
		state = NULL; /* no name of a container of ours */
	if (state && line->process && edit_wants_exec(state))
		rc = run_supervised(line, config, state, &err);
	else
		rc = run_alone(line, config, state, &err);
	if (rc < 0)
		report_error(line, -1, err.text);
	return rc < 0 ? 1 : rc;
}

const struct command cmd_exec = { "exec", exec };
