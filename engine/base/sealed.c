/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sealed.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"

/* More than this takes as long to copy as the second start does. */
#define LARGEST (2 << 20)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif

/* A script's interpreter could not open it: it is closed by then. */
static bool is_elf(int fd)
{
	char magic[SELFMAG];

	return pread(fd, magic, sizeof(magic), 0) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static int new_memory(const char *name)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | MFD_EXEC);

	/* Before 6.3 every one is executable. */
	return fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd;
}

static bool copy(int from, int to, off_t size)
{
	off_t at = 0;

	while (at < size) {
		if (sendfile(to, from, &at, (size_t)(size - at)) <= 0)
			return false;
	}
	return true;
}

/* Whether executing the file changes privileges: a copy would not. */
static bool gives_privileges(int fd, const struct stat *st)
{
	return (st->st_mode & (S_ISUID | S_ISGID)) ||
	       fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

int sealed_copy(const char *path)
{
	cleanup_close int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > LARGEST ||
		access(path, X_OK) < 0 || gives_privileges(from, &st) || !is_elf(from))
		return -1;
	to = new_memory(strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	/* Just these: crun and runc look for them. */
	if (to < 0 || !copy(from, to, st.st_size) ||
		fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) <
			0)
		return -1;
	return take_fd(&to);
}
