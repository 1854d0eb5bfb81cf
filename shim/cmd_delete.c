/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "oci/state.h"
#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"

/* The state goes when the delegate has let the container go, and stays when it has refused to. */
static int delete (const struct cmdline *line, const struct config *config)
{
	cleanup_free char *state = NULL;
	struct err err = { 0 };
	int status;

	if (!line->id || state_path(line->root, line->id, &state, &err) < 0 ||
		!state_exists(state)) {
		if (delegate_exec(config, line, &err) < 0)
			report_error(line, -1, err.text);
		return 1;
	}
	if (delegate_run(config, line->argv, &status, &err) < 0) {
		report_error(line, -1, err.text);
		return 1;
	}
	if (status == 0 && state_remove(state, config, &err) < 0)
		report_warning(err.text);
	return status;
}

const struct command cmd_delete = { "delete", delete };
