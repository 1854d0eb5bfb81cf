/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing whole files and whole buffers. */
#ifndef MX_BASE_IO_H
#define MX_BASE_IO_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* Appends the file's bytes to @ret; more than @max bytes is -EFBIG. */
MUST_CHECK int io_read_file(const char *path, size_t max, struct str *ret, struct err *err);
/* As io_read_file(), from an open descriptor's current position to its end. */
MUST_CHECK int io_read_fd(int fd, size_t max, struct str *ret, struct err *err);
/* Writes all of it, going on after short writes and EINTR. Returns 0 or -errno. */
MUST_CHECK int io_write_all(int fd, const void *data, size_t len);
/*
 * Replaces the file at @path atomically (temporary file beside it, fsync, rename). What is no file,
 * as /dev/stdout or /dev/null, stays what it is, and is written to.
 */
MUST_CHECK int io_replace_file(
	const char *path, const void *data, size_t len, unsigned mode, struct err *err);
/*
 * As io_replace_file(), for a regular file that need not outlive a crash of the machine: it does
 * not wait for the disk, which would be most of a container's start.
 */
MUST_CHECK int io_replace_passing_file(
	const char *path, const void *data, size_t len, unsigned mode, struct err *err);
/* Moves @tmp to @path, where a file may be, without waiting for the disk. Returns 0, or -1 and
 * errno. */
MUST_CHECK int io_put_in_place(const char *tmp, const char *path);

#endif
