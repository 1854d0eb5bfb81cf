/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/xalloc.h"

int address_of(const char *path, struct sockaddr_un *ret_address, int *ret_dir, struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	cleanup_free char *folder = NULL;
	cleanup_close int dir = -1;
	int n;

	if (!*name)
		return err_set(err, EINVAL, "'%s' names no file", path);
	if (strlen(path) < sizeof(a.sun_path)) {
		strcpy(a.sun_path, path);
	} else {
		folder = slash ? xstrndup(path, slash - path + 1) : xstrdup(".");
		dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return err_errno(err, errno, "%s", folder);
		n = snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir, name);
		if (n >= (int)sizeof(a.sun_path))
			return err_set(
				err, ENAMETOOLONG, "%s: the socket's name is too long", path);
	}
	*ret_address = a;
	*ret_dir = take_fd(&dir);
	return 0;
}
