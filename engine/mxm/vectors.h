/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors in a task's memory: iovecs and fd_sets. */
#ifndef MX_MXM_VECTORS_H
#define MX_MXM_VECTORS_H

#include <sys/uio.h>

#include "mxm/state.h"

/* Reads an iovec array; returns its length, -EFAULT or -EINVAL as the kernel would, or -ESRCH. */
MUST_CHECK int vectors_read(struct task *task, uint64_t at, uint64_t count, struct iovec **ret_iov);

/* Writes @len bytes over the pieces in their order. */
MUST_CHECK int vectors_scatter(
	struct task *task, const struct iovec *iov, int n, const void *data, size_t len);

/* Appends up to @len bytes from the pieces. */
MUST_CHECK int vectors_gather(
	struct task *task, const struct iovec *iov, int n, size_t len, struct str *out);

/* Bytes of an fd_set that holds @nfds descriptors, as the kernel copies it. */
size_t vectors_fdset_bytes(uint64_t nfds);

#endif
