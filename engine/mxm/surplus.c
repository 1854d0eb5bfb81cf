/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/surplus.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct surplus *surplus_of(struct proc *proc, int version, int fd)
{
	list_for_each (at, &proc->surplus) {
		struct surplus *s = container_of(at, struct surplus, link);

		if (s->version == version && s->fd == fd)
			return s;
	}
	return NULL;
}

static void surplus_free(struct surplus *s)
{
	list_remove(&s->link);
	str_free(&s->bytes);
	free(s);
}

void surplus_keep(struct task *task, int fd, const char *data, size_t len)
{
	struct proc *proc = task->tuple->proc;
	struct surplus *s = surplus_of(proc, task->version, fd);

	if (!s) {
		s = xzalloc(sizeof(*s));
		s->version = task->version;
		s->fd = fd;
		list_append(&proc->surplus, &s->link);
	}
	str_append(&s->bytes, data, len);
}

void surplus_use(struct surplus *s, size_t n)
{
	memmove(s->bytes.data, s->bytes.data + n, s->bytes.len - n);
	s->bytes.len -= n;
	if (!s->bytes.len)
		surplus_free(s);
}

void surplus_forget(struct proc *proc, int version, int fd)
{
	list_for_each_safe (at, &proc->surplus) {
		struct surplus *s = container_of(at, struct surplus, link);

		if ((version < 0 || s->version == version) && (fd < 0 || s->fd == fd))
			surplus_free(s);
	}
}

int surplus_next(const struct task *task, int after)
{
	int next = -1;

	list_for_each (at, &task->tuple->proc->surplus) {
		const struct surplus *s = container_of(at, struct surplus, link);

		if (s->version == task->version && s->fd > after && (next < 0 || s->fd < next))
			next = s->fd;
	}
	return next;
}
