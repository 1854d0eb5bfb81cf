/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version that is made anew is a copy of the survivor, and stands in the survivor's root. Where
 * the versions have roots of their own it has to go back to its own one, or it would open the
 * other one's files from there on.
 */
#ifndef MX_MXM_REROOT_H
#define MX_MXM_REROOT_H

#include "mxm/state.h"

/*
 * @copy, which is to be @version's process of @tuple, changes to that version's root, and there to
 * the directories that it has in the survivor's. All its threads are stopped, with no call pending.
 * Where it lacks CAP_SYS_CHROOT it stays, and the log is told (`root-kept`). -ENOTSUP: a directory
 * that it is in is not in the other root.
 */
MUST_CHECK int reroot(struct tuple *tuple, int version, struct tracee *copy, struct err *err);

#endif
