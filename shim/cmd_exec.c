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

/*
 * A shell or a health check in the container is run as it is, from the new image. Where the
 * container asks for it (io.mx.exec=supervised), both versions of the program are run as one.
 */
static int exec(const struct cmdline *line, const struct config *config)
{
	cleanup_free char *state = NULL;
	struct err err = { 0 };
	int rc;

	if (!line->id || !line->process || state_path(line->root, line->id, &state, &err) < 0 ||
		!edit_wants_exec(state)) {
		if (delegate_exec(config, line, &err) < 0)
			report_error(line, -1, err.text);
		return 1;
	}
	rc = run_supervised(line, config, state, &err);
	if (rc < 0)
		report_error(line, -1, err.text);
	return rc < 0 ? 1 : rc;
}

const struct command cmd_exec = { "exec", exec };
