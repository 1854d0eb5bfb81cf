/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/xalloc.h"

/* A rename elsewhere in the tree makes the kernel give up with EAGAIN; openat2(2) says to retry. */
#define RETRIES 64

static int open_in_root(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0; i < RETRIES; i++) {
		long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

int resolve_open(int root, const char *path, int flags, int *ret_fd, struct err *err)
{
	int fd = open_in_root(root, path, flags);

	if (fd < 0)
		return err_errno(err, -fd, "%s", path);
	*ret_fd = fd;
	return 0;
}

/* Makes the last part of @path, whose folder is open as @dir. */
static int make_last(int dir, const char *path, mode_t mode, struct err *err)
{
	const char *name = strrchr(path, '/') + 1;
	int fd;

	if (!S_ISREG(mode)) {
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return err_errno(err, errno, "make %s", path);
		return 0;
	}
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return err_errno(err, errno, "make %s", path);
	if (fd >= 0)
		close(fd);
	return 0;
}

int resolve_make(int root, const char *path, mode_t mode, int *ret_fd, struct err *err)
{
	cleanup_free char *copy = xasprintf("/%s", path + strspn(path, "/"));
	cleanup_close int dir = -1;
	int rc = resolve_open(root, "/", O_PATH | O_DIRECTORY, &dir, err);

	for (char *at = copy; rc == 0;) {
		char *end = at + strspn(at, "/"), saved;
		mode_t kind = S_IFDIR;
		int fd;

		if (*end == '\0')
			break;
		end += strcspn(end, "/");
		saved = *end;
		*end = '\0';
		if (saved == '\0' || end[1 + strspn(end + 1, "/")] == '\0')
			kind = mode;
		fd = open_in_root(root, copy, O_PATH);
		if (fd == -ENOENT) {
			rc = make_last(dir, copy, kind, err);
			fd = rc < 0 ? rc : open_in_root(root, copy, O_PATH);
		}
		if (rc == 0 && fd == -ENOENT)
			rc = err_set(err, EINVAL, "%s: is a link that leads nowhere", copy);
		else if (rc == 0 && fd < 0)
			rc = err_errno(err, -fd, "%s", copy);
		*end = saved;
		at = end;
		if (rc < 0)
			break;
		close(dir);
		dir = fd;
	}
	if (rc == 0)
		*ret_fd = take_fd(&dir);
	return rc;
}
