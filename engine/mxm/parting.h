/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fork(2) leaves in common between a copy and the process that it is a copy of, and two
 * versions must not have in common: the offsets of files that are a version's own, and memory.
 */
#ifndef MX_MXM_PARTING_H
#define MX_MXM_PARTING_H

#include "mxm/copy.h"

/* A file that the leader opened for itself gets a file offset of its own in the copy. */
MUST_CHECK int parting_fds(const struct copy *copy, int leader, int version, struct err *err);

/*
 * Shared memory of the leader's processes, all of which are stopped, becomes the twins' own:
 * anonymous memory is copied, and the copies share that; files that are written through memory are
 * mapped as any follower maps them (shadows.h). -ENOTSUP: memory that cannot be copied. Where the
 * leader's are not @held, there must be none: -EAGAIN.
 */
MUST_CHECK int parting_memory(
	struct group *group, int version, const struct copies *copies, bool held, struct err *err);

#endif
