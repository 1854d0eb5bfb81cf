/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/str.h"
#include "mxm/install.h"

#define INFO_MAX 65536

static bool is_plain(const struct stat *st, const struct statfs *fs)
{
	return (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) && fs->f_type != PROC_SUPER_MAGIC &&
	       fs->f_type != SYSFS_MAGIC;
}

void files_place(
	const struct task *task, int dirfd, const char *name, char path[static FILES_PLACE_SIZE])
{
	const size_t size = FILES_PLACE_SIZE;

	if (str_starts(name, "/"))
		snprintf(path, size, "/proc/%d/root%s", task->tracee.tid, name);
	else if (dirfd == AT_FDCWD)
		snprintf(path, size, "/proc/%d/cwd/%s", task->tracee.tid, name);
	else
		snprintf(path, size, "/proc/%d/fd/%d/%s", task->tracee.tid, dirfd, name);
}

bool files_is_plain(const struct task *task, const struct call *call)
{
	cleanup_str struct str name = STR_INIT;
	char path[FILES_PLACE_SIZE];
	struct statfs fs;
	struct stat st;

	if (tracee_read_str((struct tracee *)&task->tracee, raddr(call->args[1]), PATH_MAX, &name) <
		0)
		return false;
	files_place(task, (int)call->args[0], str_text(&name), path);
	if (stat(path, &st) < 0)
		return errno == ENOENT;
	return statfs(path, &fs) == 0 && is_plain(&st, &fs);
}

bool files_find(const struct task *task, int dirfd, int arg, bool follow, struct stat *ret)
{
	cleanup_str struct str name = STR_INIT;
	char path[FILES_PLACE_SIZE];

	if (tracee_read_str((struct tracee *)&task->tracee, raddr(task->call.args[arg]), PATH_MAX,
		    &name) < 0 ||
		!name.len)
		return false;
	files_place(task, dirfd, str_text(&name), path);
	return (follow ? stat(path, ret) : lstat(path, ret)) == 0;
}

bool files_opened_to_read(const struct call *call)
{
	const uint64_t flags = call->nr == SYS_openat ? call->args[2] : call->args[1];

	return (call->nr == SYS_open || call->nr == SYS_openat) &&
	       (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) == O_RDONLY;
}

bool files_fd_is_plain(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0 && is_plain(&st, &fs);
}

/* proc(5): fdinfo lists the locks of the file that the descriptor's process holds. */
static bool has_lock(const struct task *task, int fd)
{
	cleanup_str struct str text = STR_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", task->tracee.tid, fd);
	return io_read_file(path, INFO_MAX, &text, NULL) < 0 ||
	       strstr(str_text(&text), "\nlock:") != NULL;
}

bool files_close_is_unseen(const struct task *task, int fd)
{
	cleanup_close int copy = install_copy(task, fd);
	struct stat st;

	if (copy < 0 || fstat(copy, &st) < 0)
		return false;
	if (S_ISREG(st.st_mode) && (fcntl(copy, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return true;
	return (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || !(st.st_mode & S_IFMT)) &&
	       list_is_empty(&task->tuple->proc->locks) && !has_lock(task, fd);
}
