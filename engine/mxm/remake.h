/* SPDX-License-Identifier: Apache-2.0 */
/* Making a version anew, when the moment has been found: rejoin.h. */
#ifndef MX_MXM_REMAKE_H
#define MX_MXM_REMAKE_H

#include "mxm/copy.h"

/*
 * Copies the leader's processes, all of which are held (their threads are TASK_READY, with no call
 * pending), and makes the copies @version's: from here on they follow. -EAGAIN: it is no safe
 * point. On failure nothing is left.
 */
MUST_CHECK int remake(
	struct group *group, int version, const struct copies *copies, struct err *err);

#endif
