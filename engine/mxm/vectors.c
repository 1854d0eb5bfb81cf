/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/vectors.h"

#include <errno.h>
#include <limits.h>

#include "base/xalloc.h"

int vectors_read(struct task *task, uint64_t at, uint64_t count, struct iovec **ret_iov)
{
	cleanup_free struct iovec *iov = NULL;
	int rc;

	if (count > IOV_MAX)
		return -EINVAL;
	iov = xreallocarray(NULL, count + 1, sizeof(*iov));
	rc = tracee_read(&task->tracee, raddr(at), iov, count * sizeof(*iov));
	if (rc < 0)
		return rc;
	*ret_iov = take_ptr(iov);
	return (int)count;
}

int vectors_scatter(struct task *task, const struct iovec *iov, int n, const void *data, size_t len)
{
	const char *at = data;

	for (int i = 0; i < n && len; i++) {
		size_t piece = iov[i].iov_len < len ? iov[i].iov_len : len;
		int rc = tracee_write(&task->tracee, raddr((uint64_t)iov[i].iov_base), at, piece);

		if (rc < 0)
			return rc;
		at += piece;
		len -= piece;
	}
	return len ? -EBADMSG : 0;
}

int vectors_gather(struct task *task, const struct iovec *iov, int n, size_t len, struct str *out)
{
	for (int i = 0; i < n && len; i++) {
		size_t piece = iov[i].iov_len < len ? iov[i].iov_len : len;
		int rc = tracee_read(&task->tracee, raddr((uint64_t)iov[i].iov_base),
			str_reserve(out, piece), piece);

		if (rc < 0)
			return rc;
		out->len += piece;
		len -= piece;
	}
	return 0;
}

size_t vectors_fdset_bytes(uint64_t nfds)
{
	uint32_t n = (uint32_t)nfds;

	if (n > 65536)
		n = 65536;
	return (n + 63) / 64 * 8;
}
