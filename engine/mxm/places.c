/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/places.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/group.h"
#include "mxm/install.h"

bool places_in_turn(const struct call *c)
{
	return c->nr == SYS_read || c->nr == SYS_write;
}

bool places_is_at(const struct call *c)
{
	return c->nr == SYS_pread64 || c->nr == SYS_pwrite64;
}

bool places_is_look(const struct call *c)
{
	return c->nr == SYS_lseek && !c->args[1] && (uint32_t)c->args[2] == SEEK_CUR;
}

bool places_goes(const struct call *c)
{
	return c->nr == SYS_lseek && !places_is_look(c);
}

bool places_depends(const struct call *c)
{
	switch (c->nr) {
	case SYS_read:
	case SYS_write:
	case SYS_readv:
	case SYS_writev:
	case SYS_preadv2:
	case SYS_pwritev2:
	case SYS_getdents64:
	case SYS_sendfile:
	case SYS_splice:
	case SYS_copy_file_range:
		return true;
	case SYS_lseek:
		return (uint32_t)c->args[2] == SEEK_CUR;
	}
	return c->row && (c->row->special == SPECIAL_DUP || c->row->special == SPECIAL_CLONE ||
				 c->row->special == SPECIAL_EXEC);
}

int64_t places_now(const struct task *task, int fd)
{
	cleanup_close int copy = install_copy(task, fd);

	return copy < 0 ? PLACE_UNKNOWN : lseek(copy, 0, SEEK_CUR);
}

bool places_is_moving(const struct group *group, const struct event *event, int fd)
{
	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *t = &tuple->tasks[group->leader];

		if (t->state == TASK_RUNNING && tuple->proc == event->tuple->proc &&
			tuple->proc->agents[group->leader])
			return true;
		if (t->event && t->event != event && t->state != TASK_ASKING &&
			t->event->kind == EVENT_CALL && (int)t->event->call.args[0] == fd &&
			!places_is_at(&t->event->call) && t->event->call.nr != SYS_close)
			return true;
	}
	return false;
}

/* A call with @fd that @task is still to come to. */
static bool is_of(const struct event *e, const struct task *task, int fd)
{
	return e->kind == EVENT_CALL && (e->pending & (1u << task->version)) &&
	       (int)e->call.args[0] == fd && e->tuple->proc == task->tuple->proc;
}

int64_t places_before(const struct task *task, const struct event *event, int fd)
{
	const struct group *group = task->tuple->group;
	int64_t now = places_now(task, fd);

	if (now < 0 || places_is_moving(group, event, fd))
		return PLACE_UNKNOWN;
	list_for_each (at, &group->stream) {
		const struct event *e = container_of(at, struct event, link);

		if (!is_of(e, task, fd))
			continue;
		if (e->call.nr == SYS_close)
			break; /* from there on the number stands for another file */
		if (places_goes(&e->call) ||
			(places_depends(&e->call) && !places_in_turn(&e->call) &&
				!places_is_look(&e->call)))
			return PLACE_UNKNOWN;
		if (places_in_turn(&e->call) && e->result > 0)
			now -= e->result;
	}
	return now;
}

int64_t places_size(const struct task *task, int fd)
{
	cleanup_close int copy = install_copy(task, fd);
	struct stat st;

	return copy >= 0 && fstat(copy, &st) == 0 ? st.st_size : INT64_MIN / 2;
}

/* A regular file, opened with @flags among O_ACCMODE and O_APPEND. */
static bool is_open_as(const struct task *task, int fd, int mask, int flags)
{
	cleanup_close int copy = install_copy(task, fd);
	struct stat st;

	return copy >= 0 && fstat(copy, &st) == 0 && S_ISREG(st.st_mode) &&
	       (fcntl(copy, F_GETFL) & mask) == flags;
}

bool places_may_part(const struct task *task, int fd)
{
	return list_is_empty(&task->tuple->proc->surplus) && is_open_as(task, fd, O_APPEND, 0);
}

bool places_only_appends(const struct task *task, int fd)
{
	return is_open_as(task, fd, O_APPEND | O_ACCMODE, O_APPEND | O_WRONLY);
}

bool places_is_write(const struct call *c)
{
	return c->nr == SYS_write || c->nr == SYS_writev;
}

int64_t places_end_before(const struct task *task, const struct event *event, int fd)
{
	int64_t end = places_size(task, fd);

	list_for_each (at, &task->tuple->group->stream) {
		const struct event *e = container_of(at, struct event, link);

		if (!is_of(e, task, fd))
			continue;
		if (e->call.nr == SYS_close)
			break;
		if (places_is_write(&e->call) && e->result > 0)
			end -= e->result;
	}
	return end;
}
