/* SPDX-License-Identifier: Apache-2.0 */
/* What a container is called, kept for people who look for it by name (oci/state.h, about.json). */
#ifndef MX_SHIM_ABOUT_H
#define MX_SHIM_ABOUT_H

#include "oci/json.h"

/*
 * Writes about.json into the state folder. The name is what the engine above has told: podman's in
 * the command line of conmon, the shim's parent; a pod's and nerdctl's in annotations. An id alone
 * is enough to find a container, so a name that is not known is no error.
 */
MUST_CHECK int about_write(const char *state, const struct json *spec, struct err *err);

#endif
