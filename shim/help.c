/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"

int help_print(const struct cmdline *line, const struct config *config)
{
	struct err err = { 0 };

	puts("mx-shim is an OCI runtime: it lets crun or runc do the work, and has two versions "
	     "of\n"
	     "a program run as one in the containers that ask for it: mx-shim(8).\n\n"
	     "Usage: mx-shim [--mx-conf FILE] [OPTION...] VERB ...\n\n"
	     "  log             the event log of a container\n\n"
	     "  --mx-conf FILE  read FILE instead of /etc/mx/mx.conf\n"
	     "  --help          this text\n"
	     "  --version       the version of mx-shim, and of the delegate\n\n"
	     "All else is the delegate's, which says:\n");
	fflush(stdout);
	if (delegate_exec(config, line, &err) < 0)
		report_error(line, -1, err.text);
	return 1;
}
