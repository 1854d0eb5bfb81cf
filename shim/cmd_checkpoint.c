/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "oci/state.h"
#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"

/* CRIU takes hold of processes by ptrace, which the engine already has. */
static int checkpoint(const struct cmdline *line, const struct config *config)
{
	cleanup_free char *state = NULL;
	struct err err = { 0 };

	if (line->id && state_path(line->root, line->id, &state, &err) == 0 &&
		state_exists(state)) {
		report_error(line, -1, "mx: a container of two versions cannot be checkpointed");
		return 1;
	}
	if (delegate_exec(config, line, &err) < 0)
		report_error(line, -1, err.text);
	return 1;
}

const struct command cmd_checkpoint = { "checkpoint", checkpoint };
