/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/surplus.h"

#include <string.h>

struct surplus *surplus_of(struct proc *proc, int version, int fd)
{
	return (struct surplus *)by_fd_find(&proc->surplus, version, fd);
}

static void surplus_free(struct by_fd *one)
{
	str_free(&((struct surplus *)one)->bytes);
	by_fd_free(one);
}

void surplus_keep(struct task *task, int fd, const char *data, size_t len)
{
	struct proc *proc = task->tuple->proc;
	struct surplus *s = surplus_of(proc, task->version, fd);

	if (!s)
		s = by_fd_add(&proc->surplus, sizeof(*s), task->version, fd);
	str_append(&s->bytes, data, len);
}

void surplus_use(struct surplus *s, size_t n)
{
	memmove(s->bytes.data, s->bytes.data + n, s->bytes.len - n);
	s->bytes.len -= n;
	if (!s->bytes.len)
		surplus_free(&s->of);
}

void surplus_forget(struct proc *proc, int version, int fd)
{
	by_fd_forget(&proc->surplus, version, fd, surplus_free);
}

int surplus_next(const struct task *task, int after)
{
	int next = -1;

	list_for_each (at, &task->tuple->proc->surplus) {
		const struct by_fd *s = container_of(at, struct by_fd, link);

		if (s->version == task->version && s->fd > after && (next < 0 || s->fd < next))
			next = s->fd;
	}
	return next;
}
