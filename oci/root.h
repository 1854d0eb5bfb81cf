/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composing the old version's root inside a container, once the runtime has made the container's
 * mounts and before it enters the root: an overlay over the old image, and over that the
 * places that both versions share (see docs/containers.md).
 */
#ifndef MX_OCI_ROOT_H
#define MX_OCI_ROOT_H

#include "oci/plan.h"

/*
 * To be called in the container's mount and user namespaces, with CAP_SYS_ADMIN there. All lookups
 * stay inside the container's root, whatever links the images hold. The two roots are returned as
 * O_PATH descriptors, which the caller owns.
 */
MUST_CHECK int root_compose(
	const struct plan *plan, int *ret_new_root, int *ret_old_root, struct err *err);

#endif
