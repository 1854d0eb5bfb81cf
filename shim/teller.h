/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who tells the operator of a container's events (mx.conf: events-exec, events-webhook): `mx
 * events`, on the host, beside the container and with nothing of it.
 */
#ifndef MX_SHIM_TELLER_H
#define MX_SHIM_TELLER_H

#include "base/err.h"
#include "oci/config.h"

/* Is what mx.conf says of it right? */
MUST_CHECK int teller_check(const struct config *config, struct err *err);

/*
 * Starts it for the container whose state is in @state, if mx.conf asks for it. It is nobody's
 * child, holds nothing of the caller's, and ends with the container, or when the state is removed.
 */
MUST_CHECK int teller_start(const struct config *config, const char *state, struct err *err);

#endif
