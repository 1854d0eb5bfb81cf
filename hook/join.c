/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "hook/job.h"

static int open_namespace(pid_t pid, const char *name, int *ret_fd, bool *ret_same, struct err *err)
{
	cleanup_free char *theirs = xasprintf("/proc/%d/ns/%s", (int)pid, name);
	cleanup_free char *own = xasprintf("/proc/self/ns/%s", name);
	struct stat a, b;
	int fd = open(theirs, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, errno, "open %s", theirs);
	if (fstat(fd, &a) < 0 || stat(own, &b) < 0) {
		close(fd);
		return err_errno(err, errno, "stat %s", own);
	}
	*ret_fd = fd;
	*ret_same = a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	return 0;
}

int join_container(pid_t pid, struct err *err)
{
	cleanup_close int user = -1, mnt = -1;
	bool same_user = true, same_mnt = true;
	int rc = open_namespace(pid, "user", &user, &same_user, err);

	if (rc == 0)
		rc = open_namespace(pid, "mnt", &mnt, &same_mnt, err);
	if (rc < 0)
		return rc;
	if (same_mnt)
		return err_set(
			err, EINVAL, "process %d has no mount namespace of its own", (int)pid);
	if (!same_user && setns(user, CLONE_NEWUSER) < 0)
		return err_errno(err, errno, "enter the container's user namespace");
	if (setns(mnt, CLONE_NEWNS) < 0)
		return err_errno(err, errno, "enter the container's mount namespace");
	/* Files are made as the namespace's root; ours has no name in there. */
	if (!same_user && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return err_errno(err, errno, "become root of the container's user namespace");
	return 0;
}
