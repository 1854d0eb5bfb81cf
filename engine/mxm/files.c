/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/str.h"

static bool is_plain(const struct stat *st, const struct statfs *fs)
{
	return (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) && fs->f_type != PROC_SUPER_MAGIC &&
	       fs->f_type != SYSFS_MAGIC;
}

bool files_is_plain(const struct task *task, const struct call *call)
{
	cleanup_str struct str path = STR_INIT;
	char full[PATH_MAX + 64];
	struct statfs fs;
	struct stat st;

	if (tracee_read_str((struct tracee *)&task->tracee, raddr(call->args[1]), PATH_MAX, &path) <
		0)
		return false;
	if (str_starts(str_text(&path), "/"))
		snprintf(full, sizeof(full), "/proc/%d/root%s", task->tracee.tid, str_text(&path));
	else if ((int)call->args[0] == AT_FDCWD)
		snprintf(full, sizeof(full), "/proc/%d/cwd/%s", task->tracee.tid, str_text(&path));
	else
		snprintf(full, sizeof(full), "/proc/%d/fd/%d/%s", task->tracee.tid,
			(int)call->args[0], str_text(&path));
	if (stat(full, &st) < 0)
		return errno == ENOENT;
	return statfs(full, &fs) == 0 && is_plain(&st, &fs);
}

bool files_fd_is_plain(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0 && is_plain(&st, &fs);
}
