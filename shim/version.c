/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/version.h"
#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"

int version_print(const struct cmdline *line, const struct config *config)
{
	struct err err = { 0 };

	printf("mx-shim version %s\n", MX_VERSION);
	fflush(stdout);
	if (delegate_exec(config, line, &err) < 0)
		report_error(line, -1, err.text);
	return 1;
}
