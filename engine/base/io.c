/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/xalloc.h"

int io_read_fd(int fd, size_t max, struct str *ret, struct err *err)
{
	size_t start = ret->len;

	for (;;) {
		char *at = str_reserve(ret, 65536);
		ssize_t n = read(fd, at, 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read");
		if (n == 0)
			break;
		ret->len += n;
		if (ret->len - start > max)
			return err_set(err, EFBIG, "larger than %zu bytes", max);
	}
	ret->data[ret->len] = '\0';
	return 0;
}

int io_read_file(const char *path, size_t max, struct str *ret, struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	if (io_read_fd(fd, max, ret, err) < 0)
		return err_context(err, "%s", path);
	return 0;
}

int io_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= n;
	}
	return 0;
}

/*
 * A plain rename() makes ext4 write out the new file's blocks (auto_da_alloc), which takes
 * milliseconds on a busy disk; an exchange does not.
 */
int io_put_in_place(const char *tmp, const char *path)
{
	if (renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
		return rename(tmp, path);
	return unlink(tmp);
}

/* A device, a pipe: nothing that another file could take the place of. */
static int write_through(const char *path, const void *data, size_t len, struct err *err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	rc = io_write_all(fd, data, len);
	return rc < 0 ? err_errno(err, -rc, "write %s", path) : 0;
}

static bool is_replaceable(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

static int replace_with(const char *path, const void *data, size_t len, unsigned mode, bool durable,
	struct err *err)
{
	cleanup_free char *tmp = xasprintf("%s.XXXXXX", path);
	cleanup_close int fd = mkostemp(tmp, O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "create %s", tmp);
	rc = io_write_all(fd, data, len);
	if (rc < 0)
		rc = err_errno(err, -rc, "write %s", tmp);
	else if (fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0))
		rc = err_errno(err, errno, "finish %s", tmp);
	else if ((durable ? rename(tmp, path) : io_put_in_place(tmp, path)) < 0)
		rc = err_errno(err, errno, "rename %s to %s", tmp, path);
	if (rc < 0)
		unlink(tmp);
	return rc;
}

int io_replace_file(const char *path, const void *data, size_t len, unsigned mode, struct err *err)
{
	return is_replaceable(path) ? replace_with(path, data, len, mode, true, err)
				    : write_through(path, data, len, err);
}

int io_replace_passing_file(
	const char *path, const void *data, size_t len, unsigned mode, struct err *err)
{
	return replace_with(path, data, len, mode, false, err);
}
