/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the programs name, and those of which nobody can tell that they are opened. */
#ifndef MX_MXM_FILES_H
#define MX_MXM_FILES_H

#include <limits.h>
#include <sys/stat.h>

#include "mxm/state.h"

/* What openat(2) names: a regular file or a folder, on no file system of the kernel's own (/proc,
 * /sys), or nothing at all. @task is stopped at the call's entry. */
bool files_is_plain(const struct task *task, const struct call *call);

/* What @task's call names by its argument @arg, at descriptor @dirfd; false: there is nothing. */
bool files_find(const struct task *task, int dirfd, int arg, bool follow, struct stat *ret);

/* Does the call open for reading only, and make nothing? By whatever name: open(2), openat(2). */
bool files_opened_to_read(const struct call *call);

/* The same as files_is_plain() of the engine's own descriptor. */
bool files_fd_is_plain(int fd);

/*
 * Nobody notices when @task closes it: a regular file or a folder on which it holds no lock, or an
 * object without a name, such as an eventfd or an epoll set.
 */
bool files_close_is_unseen(const struct task *task, int fd);

/* Where the engine finds the file that @task names @name at its descriptor @dirfd. */
#define FILES_PLACE_SIZE (PATH_MAX + 64)
void files_place(
	const struct task *task, int dirfd, const char *name, char path[static FILES_PLACE_SIZE]);

#endif
