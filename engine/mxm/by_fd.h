/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a descriptor of one version's process: the first member of such a structure. */
#ifndef MX_MXM_BY_FD_H
#define MX_MXM_BY_FD_H

#include "base/list.h"

struct by_fd {
	struct list link; /* of its process */
	int version, fd;
};

/* NULL: none. */
struct by_fd *by_fd_find(const struct list *list, int version, int fd);
/* The new one, @size bytes of zeros with it at their begin, stands at the list's end. */
void *by_fd_add(struct list *list, size_t size, int version, int fd);
/* Takes out and frees what is about the descriptor; -1: any. */
void by_fd_forget(struct list *list, int version, int fd, void (*free_one)(struct by_fd *));
/* The usual way. */
void by_fd_free(struct by_fd *one);

#endif
