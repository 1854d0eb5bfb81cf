/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/vain.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "mxm/already.h"
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

/* A socket's name, which bind(2) makes: it was not there. */
static bool binds(const struct event *event, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNSPEC };
	char text[sizeof(un.sun_path) + 1] = "";
	size_t len;

	if (event->call.nr != SYS_bind)
		return false;
	len = canon_address(&event->in, &un, sizeof(un));
	if (len <= offsetof(struct sockaddr_un, sun_path) || un.sun_family != AF_UNIX)
		return false;
	memcpy(text, un.sun_path, len - offsetof(struct sockaddr_un, sun_path));
	return strcmp(text, name) == 0;
}

/* What does the event make of the name, if it can: 1: it is new; 0: it is gone; -1: something else.
 */
static int makes(const struct event *event, int dirfd, const char *name)
{
	const struct call *call = &event->call;
	const bool opens = call->nr == SYS_openat;
	char theirs[PATH_MAX];

	if (event->kind != EVENT_CALL)
		return -1;
	if (dirfd == AT_FDCWD && binds(event, name))
		return 1;
	if (!(is_one(call) || (opens && (call->args[2] & O_CREAT))) ||
		(int)call->args[0] != dirfd || !name_of(event, 1, theirs) ||
		strcmp(name, theirs) != 0)
		return -1;
	return call->nr != SYS_unlinkat;
}

static int became(const struct event *event, int dirfd, const char *name)
{
	return event->result < 0 ? -1 : makes(event, dirfd, name);
}

/* vain_note() has looked whether it was there. */
static bool opened_what_was_there(const struct event *event)
{
	return event->call.nr == SYS_openat && !(event->call.args[2] & O_EXCL) && event->vain;
}

/* Then the name was there, perhaps, and what it leads to was not. */
static bool is_link(const struct task *task, int dirfd, const char *name)
{
	char path[FILES_PLACE_SIZE];
	struct stat st;

	files_place(task, dirfd, name, path);
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
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

		if (now == 0 || (now > 0 && opened_what_was_there(next)))
			return 0;
		if (now > 0)
			return is_link(task, dirfd, name) ? -EAGAIN : ENOENT;
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

bool vain_is_unsure(const struct task *task)
{
	const struct group *group = task->tuple->group;
	cleanup_str struct str name = STR_INIT;

	if (!is_one(&task->call) || tracee_read_str((struct tracee *)&task->tracee,
					    raddr(task->call.args[1]), PATH_MAX, &name) < 0)
		return false;
	list_for_each (at, &group->tuples) {
		const struct task *leader =
			&container_of(at, struct tuple, link)->tasks[group->leader];
		const struct event *event = leader->event;

		if (event && !event->pending && leader->state != TASK_ASKING &&
			makes(event, (int)task->call.args[0], str_text(&name)) >= 0)
			return true;
	}
	return false;
}

/* creations */

static bool creates(const struct call *call)
{
	return call->nr == SYS_openat && (call->args[2] & O_CREAT);
}

static bool creates_alone(const struct call *a, const struct call *b)
{
	return creates(a) && !(a->args[2] & O_EXCL) && b->nr == SYS_openat && !creates(b);
}

/* Of two normal forms: but for the mode, and what stands before it, the flags. */
static bool opens_the_same(const struct call *maker, const struct str *its_in,
	const struct call *other, const struct str *in)
{
	const uint64_t idle = O_CREAT | O_CLOEXEC;
	const size_t word = sizeof(uint32_t);

	return ((maker->args[2] ^ other->args[2]) & ~idle) == 0 && in->len > word &&
	       its_in->len == in->len + word && memcmp(its_in->data, in->data, in->len - word) == 0;
}

bool vain_creation(const struct task *task, const struct event *event)
{
	const struct task *leader = &task->tuple->tasks[task->tuple->group->leader];
	const bool made = event->pending != 0;
	struct stat st;

	if (creates_alone(&event->call, &task->call))
		return event->vain && (!made || event->result >= 0) &&
		       opens_the_same(&event->call, &event->in, &task->call, &task->in);
	if (!creates_alone(&task->call, &event->call) ||
		!opens_the_same(&task->call, &task->in, &event->call, &event->in))
		return false;
	return made ? event->result >= 0
		    : leader->event == event &&
			       files_find(leader, (int)leader->call.args[0], 1, true, &st);
}

/* what is done */

void vain_note(struct task *task, struct event *event)
{
	struct stat st;

	event->vain = creates(&task->call) ? files_find(task, (int)task->call.args[0], 1, true, &st)
					   : already_covers(&task->call) && already_is(task);
}

bool vain_has(const struct call *call)
{
	return is_one(call) || already_covers(call);
}

bool vain_asks(const struct task *task, const struct event *event)
{
	return already_covers(&task->call) ? already_was(task, event) : asked(task, event) != 0;
}

bool vain_told(const struct call *call, int64_t result)
{
	if (call->nr == SYS_mkdirat)
		return result == -EEXIST;
	return call->nr == SYS_unlinkat && (result == -ENOENT || result == -ENOTDIR);
}

bool vain_was(const struct task *task, const struct event *event)
{
	const struct task *leader = &task->tuple->tasks[task->tuple->group->leader];
	char name[PATH_MAX];

	if (already_covers(&event->call))
		return event->vain && (!event->pending || event->result >= 0);
	if (!is_one(&event->call))
		return false;
	if (event->pending)
		return vain_told(&event->call, event->result);
	return name_of(event, 1, name) && refusal(leader, NULL, &event->call, name);
}

bool vain_tell(struct task *task, const struct event *event, int64_t *ret_result)
{
	if (already_covers(&task->call)) {
		*ret_result = 0;
		return true;
	}
	if (!is_one(&task->call))
		return false;
	*ret_result = asked(task, event);
	if (!*ret_result) /* something else has just made or removed it: it came before that */
		*ret_result = task->call.nr == SYS_unlinkat ? -ENOENT : -EEXIST;
	return true;
}
