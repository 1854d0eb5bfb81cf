/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/by_fd.h"

#include <stdlib.h>

#include "base/xalloc.h"

struct by_fd *by_fd_find(const struct list *list, int version, int fd)
{
	list_for_each (at, list) {
		struct by_fd *one = container_of(at, struct by_fd, link);

		if (one->version == version && one->fd == fd)
			return one;
	}
	return NULL;
}

void *by_fd_add(struct list *list, size_t size, int version, int fd)
{
	struct by_fd *one = xzalloc(size);

	one->version = version;
	one->fd = fd;
	list_append(list, &one->link);
	return one;
}

void by_fd_free(struct by_fd *one)
{
	list_remove(&one->link);
	free(one);
}

void by_fd_forget(struct list *list, int version, int fd, void (*free_one)(struct by_fd *))
{
	list_for_each_safe (at, list) {
		struct by_fd *one = container_of(at, struct by_fd, link);

		if ((version < 0 || one->version == version) && (fd < 0 || one->fd == fd))
			free_one(one);
	}
}
