/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/vain.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mxm/canon.h"
#include "mxm/files.h"

static bool is_one(const struct call *call)
{
	return call->nr == SYS_unlinkat || call->nr == SYS_mkdirat;
}

static bool name_of(const struct event *event, int arg, char name[static PATH_MAX])
{
	size_t len = canon_recall(event, event->call.args[arg], name, PATH_MAX);

	return len && !name[len - 1];
}

/* What has the event made of the name: 1: it is new; 0: it is gone; -1: something else, or nothing.
 */
static int became(const struct event *event, int dirfd, const char *name)
{
	const struct call *call = &event->call;
	const bool opens = call->nr == SYS_openat;
	char theirs[PATH_MAX];

	if (event->kind != EVENT_CALL || event->result < 0 ||
		!(is_one(call) || (opens && (call->args[2] & O_CREAT))) ||
		(int)call->args[0] != dirfd || !name_of(event, 1, theirs) ||
		strcmp(name, theirs) != 0)
		return -1;
	return call->nr != SYS_unlinkat;
}

/*
 * Was the name there, for @task, which has come to @event? What the leader has done since says it,
 * or else the file system does. 0 or an errno; -EAGAIN: it cannot be told.
 */
static int look(const struct task *task, const struct event *event, int dirfd, const char *name)
{
	const struct group *group = task->tuple->group;
	char path[FILES_PLACE_SIZE];
	struct stat st;

	for (const struct list *at = event && event->pending ? &event->link : &group->stream;
		event && event->pending && at != &group->stream; at = at->next) {
		const struct event *next = container_of(at, struct event, link);
		int now = next->pending & (1u << task->version) ? became(next, dirfd, name) : -1;

		if (now == 0)
			return 0;
		if (now > 0)
			return next->call.nr == SYS_openat && !(next->call.args[2] & O_EXCL)
				       ? -EAGAIN
				       : ENOENT;
	}
	files_place(task, dirfd, name, path);
	return lstat(path, &st) < 0 ? errno : 0;
}

/* What the kernel says; 0: it does something, or that is not known. */
static int refusal(const struct task *task, const struct event *event, const struct call *call,
	const char *name)
{
	int rc = *name ? look(task, event, (int)call->args[0], name) : ENOENT;

	if (call->nr == SYS_mkdirat)
		return rc == 0 ? -EEXIST : 0;
	return rc == ENOENT || rc == ENOTDIR ? -rc : 0;
}

static int asked(const struct task *task, const struct event *event)
{
	cleanup_str struct str name = STR_INIT;

	if (!is_one(&task->call) || tracee_read_str((struct tracee *)&task->tracee,
					    raddr(task->call.args[1]), PATH_MAX, &name) < 0)
		return 0;
	return refusal(task, event, &task->call, str_text(&name));
}

bool vain_asks(const struct task *task, const struct event *event)
{
	return asked(task, event) != 0;
}

bool vain_was(const struct task *task, const struct event *event)
{
	const struct task *leader = &task->tuple->tasks[task->tuple->group->leader];
	char name[PATH_MAX];

	if (!is_one(&event->call))
		return false;
	if (event->pending)
		return event->call.nr == SYS_mkdirat
			       ? event->result == -EEXIST
			       : event->result == -ENOENT || event->result == -ENOTDIR;
	return name_of(event, 1, name) && refusal(leader, NULL, &event->call, name);
}

bool vain_tell(struct task *task, const struct event *event, int64_t *ret_result)
{
	if (!is_one(&task->call))
		return false;
	*ret_result = asked(task, event);
	if (!*ret_result) /* something else has just made or removed it: it came before that */
		*ret_result = task->call.nr == SYS_unlinkat ? -ENOENT : -EEXIST;
	return true;
}
