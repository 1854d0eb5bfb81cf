/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are mapped shared and changed by calls as well. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "mxm/shadows.h"
#include "mxm/vectors.h"

#define CHUNK (1u << 20)

/* The descriptor that the call changes the file of; -1: it changes none. */
static int changed_fd(const struct call *call)
{
	switch (call->nr) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_pwritev:
	case SYS_pwritev2:
	case SYS_sendfile:
	case SYS_ftruncate:
	case SYS_fallocate:
		return (int)call->args[0];
	case SYS_copy_file_range:
	case SYS_splice:
		return (int)call->args[2];
	}
	return -1;
}

/* Where the descriptor stands now, after the call. */
static int64_t position(const struct task *task, int fd)
{
	cleanup_str struct str info = STR_INIT;
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", task->tracee.tid, fd);
	if (io_read_file(path, 65536, &info, NULL) < 0)
		return -1;
	at = strstr(str_text(&info), "pos:");
	return at ? strtoll(at + 4, NULL, 10) : -1;
}

/* Where the change begins: -1 where only the size changes. */
static int64_t begins_at(const struct task *task, int fd, int64_t result)
{
	const uint64_t *a = task->call.args;
	int64_t at;

	switch (task->call.nr) {
	case SYS_ftruncate:
	case SYS_fallocate:
		return -1;
	case SYS_pwrite64:
	case SYS_pwritev:
		return (int64_t)a[3];
	case SYS_pwritev2:
		if ((int64_t)a[3] != -1)
			return (int64_t)a[3];
		break;
	case SYS_copy_file_range:
	case SYS_splice:
		/* The kernel has advanced it. */
		if (a[3])
			return tracee_read((struct tracee *)&task->tracee, raddr(a[3]), &at,
				       sizeof(at)) == 0
				       ? at - result
				       : -1;
		break;
	}
	at = position(task, fd);
	return at < result ? -1 : at - result;
}

void shadows_note_change(struct task *task, struct event *event, int64_t result)
{
	int fd = changed_fd(&task->call);
	struct stat st;
	char path[64];

	if (fd < 0 || result < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tracee.tid, fd);
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	event->wrote_shadow =
		shadows_hold(task->tuple->group->mxm, st.st_dev, st.st_ino, st.st_size);
	event->wrote_at = begins_at(task, fd, result);
	event->wrote_size = st.st_size;
}

/* The bytes of the version's own call; -ENODATA: it has none, they come from another file. */
static int own_bytes(struct task *task, size_t len, struct str *out)
{
	const uint64_t *a = task->call.args;
	cleanup_free struct iovec *iov = NULL;
	int n;

	switch (task->call.nr) {
	case SYS_write:
	case SYS_pwrite64:
		n = tracee_read(&task->tracee, raddr(a[1]), str_reserve(out, len), len);
		if (n == 0)
			out->len += len;
		return n;
	case SYS_writev:
	case SYS_pwritev:
	case SYS_pwritev2:
		n = vectors_read(task, a[1], a[2], &iov);
		return n < 0 ? n : vectors_gather(task, iov, n, len, out);
	}
	return -ENODATA;
}

int shadows_repeat_change(struct task *task, const struct event *event, int64_t result)
{
	struct mxm *mxm = task->tuple->group->mxm;
	cleanup_str struct str bytes = STR_INIT;
	int file, rc = 0, copy = shadows_copy(mxm, event->wrote_shadow, task->version, &file);
	int64_t at = event->wrote_at;
	ssize_t n;

	if (copy < 0)
		return 0;
	/* Cut first: what lies beyond the end is zero when the file grows again. */
	if (ftruncate(copy, event->wrote_size) < 0)
		rc = -errno;
	if (rc == 0 && at >= 0 && result > 0) {
		rc = own_bytes(task, (size_t)result, &bytes);
		if (rc == -ENODATA) {
			rc = 0;
			while (result > 0 && rc == 0) {
				n = pread(file, str_reserve(&bytes, CHUNK),
					result < CHUNK ? (size_t)result : CHUNK, at);
				if (n <= 0 || pwrite(copy, bytes.data, (size_t)n, at) != n)
					rc = -EIO;
				at += n;
				result -= n;
			}
		} else if (rc == 0 &&
			   pwrite(copy, bytes.data, bytes.len, at) != (ssize_t)bytes.len) {
			rc = -errno;
		}
	}
	if (rc < 0 && rc != -ESRCH)
		mxm->ops->note(mxm->ops_arg, "shared-mapping-stale", task->version,
			task->tuple->ids->known,
			"what a call wrote to a file could not be put in its shared mapping");
	return rc == -ESRCH ? rc : 0;
}
