/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/own.h"
#include "mxm/parting.h"

/* It is the engine that opens it anew: the program's root need not have a /proc. */
static int part_fd(struct tuple *tuple, int version, struct tracee *copy, int fd, struct err *err)
{
	struct task task = { .tuple = tuple, .version = version, .tracee = *copy };
	cleanup_close int own = -1;
	char path[64];
	long flags, at, cloexec, r = 0;
	int there, rc;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", copy->tgid, fd);
	rc = tracee_remote(&task.tracee, false, &flags, SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
	if (rc == 0)
		rc = tracee_remote(
			&task.tracee, false, &cloexec, SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0);
	if (rc == 0)
		rc = tracee_remote(&task.tracee, false, &at, SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
	if (rc == 0 && (flags < 0 || cloexec < 0))
		rc = (int)(flags < 0 ? flags : cloexec);
	if (rc == 0) {
		/* Not for ever, where it is a pipe that nobody has at its other end. */
		own = open(path, ((int)flags & ~(O_CREAT | O_EXCL | O_TRUNC)) | O_CLOEXEC |
					 O_NOCTTY | O_NONBLOCK);
		if (own < 0 || fcntl(own, F_SETFL, (int)flags) < 0 ||
			(at > 0 && lseek(own, at, SEEK_SET) < 0))
			rc = -errno;
	}
	if (rc == 0)
		rc = install_send(&task, own, &there);
	if (rc == 0)
		rc = tracee_remote(&task.tracee, false, &r, SYS_dup3, there, fd,
			cloexec & FD_CLOEXEC ? O_CLOEXEC : 0, 0, 0, 0);
	if (rc == 0 && r >= 0)
		rc = tracee_remote(&task.tracee, false, &r, SYS_close, there, 0, 0, 0, 0, 0);
	*copy = task.tracee;
	if (rc == 0 && r < 0)
		rc = (int)r;
	return rc < 0 ? err_errno(err, -rc, "opening descriptor %d again in the copy", fd) : 0;
}

/* What the leader alone had is what both have from now on: there is nothing to part. */
static void share_fd(struct task *leader, int fd)
{
	unsigned flags = 0;
	char path[64];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", leader->tracee.tid, fd);
	info = fopen(path, "re");
	if (info && fscanf(info, "pos: %*d flags: %o", &flags) != 1)
		flags = 0;
	if (info)
		fclose(info);
	fds_open(leader->tuple->group->mxm, leader->tuple->proc->fds, fd, flags & O_CLOEXEC);
	local_own_fd(leader, fd, false);
}

int parting_fds(const struct copy *copy, int leader, int version, struct err *err)
{
	struct tuple *tuple = copy_main(copy)->tuple;

	for (int fd = 0; fd < FDS_OWN_MAX; fd++) {
		int rc = 0;

		if (!fds_is_private(copy->proc, leader, fd))
			continue;
		switch (copy->proc->own_fds[leader][fd]) {
		case OWN_NULL:
		case OWN_OBJECT:
		case OWN_SOCKET:
		case OWN_ROUTES:
		case OWN_COPY:
			share_fd(&tuple->tasks[leader], fd);
			break;
		default:
			rc = part_fd(tuple, version, copy_twin(copy), fd, err);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}
