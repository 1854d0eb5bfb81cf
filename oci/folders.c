/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/xalloc.h"

/* Of two that race one finds less to do. */
void folders_prune(const char *dir_path, const char *suffix, long long keep)
{
	cleanup_closedir DIR *dir = opendir(dir_path);

	if (!dir)
		return;
	for (;;) {
		char oldest[NAME_MAX + 1] = "";
		struct timespec oldest_time = { 0 };
		struct dirent *entry;
		long long count = 0;

		rewinddir(dir);
		while ((entry = readdir(dir))) {
			struct stat st;

			if (!str_ends(entry->d_name, suffix) ||
				fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
			count++;
			if (oldest[0] &&
				(st.st_mtim.tv_sec > oldest_time.tv_sec ||
					(st.st_mtim.tv_sec == oldest_time.tv_sec &&
						st.st_mtim.tv_nsec >= oldest_time.tv_nsec)))
				continue;
			oldest_time = st.st_mtim;
			snprintf(oldest, sizeof(oldest), "%s", entry->d_name);
		}
		if (count <= keep || unlinkat(dirfd(dir), oldest, 0) < 0)
			return;
	}
}

int folders_make(const char *path, mode_t mode, struct err *err)
{
	cleanup_free char *copy = xstrdup(path);

	for (char *at = copy + 1;; at++) {
		char c = *at;

		if (c != '/' && c != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_errno(err, errno, "mkdir %s", copy);
		*at = c;
		if (c == '\0')
			return 0;
	}
}
