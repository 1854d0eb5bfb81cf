/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pre-filter: one seccomp program a version. Local calls run without a stop; a call that the
 * engine makes from the gateway is let through; one that returns to GATEWAY_NOTIFY asks the engine
 * by user notification; all others stop in ptrace. Made by libseccomp from sys.def, with the two
 * tests of the gateway's addresses, which libseccomp cannot express, put before it.
 */
#ifndef MX_MXM_FILTER_H
#define MX_MXM_FILTER_H

#include <linux/filter.h>

#include "base/err.h"

struct filter {
	struct sock_filter *code;
	unsigned short len;
};

MUST_CHECK int filter_build(struct filter *ret_filter, struct err *err);
void filter_free(struct filter *filter);

/*
 * In the child, before exec: loads it. *@ret_listener is the notification descriptor, or -1 where
 * the container has a listener already (EBUSY) or the kernel offers none. no_new_privs is set
 * unless the process has CAP_SYS_ADMIN. Returns 0 or -errno; async-signal-safe.
 */
MUST_CHECK int filter_load(const struct filter *filter, int *ret_listener);

#endif
