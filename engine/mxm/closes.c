/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/closes.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "mxm/by_fd.h"
#include "mxm/fds.h"
#include "mxm/files.h"
#include "mxm/late.h"
#include "mxm/own.h"
#include "mxm/rules.h"

struct range {
	unsigned first, last;
	bool one;
};

static bool range_of(const struct call *call, struct range *ret)
{
	const uint64_t *a = call->args;

	if (call->nr == SYS_close) {
		*ret = (struct range){ (unsigned)a[0], (unsigned)a[0], true };
		return true;
	}
	*ret = (struct range){ (unsigned)a[0], (unsigned)a[1], false };
	return call->nr == SYS_close_range && !(uint32_t)a[2] && ret->first <= ret->last;
}

/* How many of them are open in the version's process; UINT_MAX: that cannot be told. */
static unsigned open_in(const struct task *task, const struct range *range)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", task->tracee.tid);
	dir = opendir(path);
	if (!dir)
		return UINT_MAX;
	while ((entry = readdir(dir))) {
		unsigned long fd = strtoul(entry->d_name, NULL, 10);

		n += entry->d_name[0] != '.' && fd >= range->first && fd <= range->last;
	}
	return n;
}

static bool is_closed(const struct task *task, const struct range *range)
{
	return open_in(task, range) == 0;
}

static bool covers(const struct range *all, const struct range *one)
{
	return !all->one && one->one && one->first >= all->first && one->last <= all->last;
}

/*
 * The leader has closed nothing. Its close of a number that the follower has not may be of one that
 * the follower is to be given: then the kernel has said whether it was open.
 */
static bool did_nothing(
	const struct task *task, const struct event *event, const struct range *theirs)
{
	if (theirs->one && event->pending)
		return event->result == -EBADF;
	return is_closed(task, theirs);
}

void closes_note(const struct task *task, struct event *event)
{
	event->unlocks = event->call.nr == SYS_close && !list_is_empty(&task->tuple->proc->locks);
}

/* Does nobody notice it? Nor when the leader closed it, if it has. */
static bool is_unseen(const struct task *task, int fd)
{
	const struct group *group = task->tuple->group;

	list_for_each (at, &group->stream) {
		const struct event *event = container_of(at, struct event, link);

		if (event->unlocks && (event->pending & (1u << task->version)) &&
			event->tuple->proc == task->tuple->proc && (int)event->call.args[0] == fd)
			return false;
	}
	return files_close_is_unseen(task, fd);
}

/* An argument that names the descriptor, or stands for many of them. */
static bool names(const struct call *call, int i, int fd)
{
	switch (call->row->args[i].kind) {
	case ARG_FD:
	case ARG_DIRFD:
		return (int)call->args[i] == fd;
	case ARG_POLLFDS:
	case ARG_FDSET:
	case ARG_MSG_IN:
	case ARG_MSG_OUT:
	case ARG_MMSG_IN:
	case ARG_MMSG_OUT:
	case ARG_FDS_OUT:
		return true;
	}
	return false;
}

/* Is it all the same to the call, and what it makes, whether the descriptor is open? */
static bool is_apart_from(const struct call *call, int fd)
{
	const struct sys_row *row = call->row;

	if ((row->flags & SYS_NEWFD) || (row->class != SYS_SHARED && row->class != SYS_MIRRORED))
		return false;
	switch (row->special) {
	case SPECIAL_NONE:
	case SPECIAL_SIGACTION:
	case SPECIAL_CLOEXEC:
	case SPECIAL_TIMER:
	case SPECIAL_LIMIT:
		break;
	default:
		return false;
	}
	for (int i = 0; i < row->nargs; i++) {
		if (names(call, i, fd))
			return false;
	}
	return true;
}

/* Is nothing apart between the versions that the task's call would have to be asked about? */
static bool is_simple(const struct task *task)
{
	const struct proc *proc = task->tuple->proc;
	const struct call *call = &task->call;

	for (int i = 0; i < call->row->nargs; i++) {
		if (call->row->args[i].kind == ARG_FD &&
			(by_fd_find(&proc->apart, task->version, (int)call->args[i]) ||
				by_fd_find(&proc->parted, task->version, (int)call->args[i])))
			return false;
	}
	return list_is_empty(&proc->settings);
}

bool closes_commute(const struct task *task, const struct call *theirs)
{
	const struct call *ours = &task->call;
	const int fd = (int)theirs->args[0];

	if (theirs->nr != SYS_close)
		return false;
	if (ours->nr != SYS_close)
		return is_apart_from(ours, fd) && is_simple(task) && is_unseen(task, fd);
	return (int)ours->args[0] != fd &&
	       (is_unseen(task, (int)ours->args[0]) || is_unseen(task, fd));
}

/* The follower closes a file before the leader does, which goes on with something else. */
static bool is_early(const struct task *task, const struct event *event, int fd)
{
	return event->kind == EVENT_CALL && event->call.row && event->call.nr != SYS_close &&
	       event->call.row->special != SPECIAL_CLONE &&
	       event->call.row->special != SPECIAL_EXEC &&
	       event->call.row->special != SPECIAL_EXIT && fd >= 0 && fd < FDS_OWN_MAX &&
	       !late_is(task, fd) && is_unseen(task, fd);
}

/* One by one, by what the follower has passed over. It may have opened others since. */
static bool has_closed(const struct task *leader, const struct task *task, const struct range *ours)
{
	return is_closed(leader, ours) || (task->covered && open_in(task, ours) == task->covered);
}

enum relation closes_relate(const struct task *task, const struct event *event)
{
	const struct task *leader = &task->tuple->tasks[task->tuple->group->leader];
	struct range ours, theirs;
	bool we_close = range_of(&task->call, &ours);
	bool they_close = event->kind == EVENT_CALL && range_of(&event->call, &theirs);

	if (they_close &&
		(did_nothing(task, event, &theirs) || (we_close && covers(&ours, &theirs))))
		return REL_PASS_OVER;
	if (we_close && ((they_close && covers(&theirs, &ours)) || is_closed(task, &ours) ||
				(!ours.one && has_closed(leader, task, &ours))))
		return REL_ALONE;
	return we_close && ours.one && is_early(task, event, (int)ours.first) ? REL_ALONE
									      : REL_DIFFERENT;
}

const char *closes_rule(const struct task *task)
{
	struct range range;

	return range_of(&task->call, &range) && range.one && !is_closed(task, &range) ? RULE_REORDER
										      : RULE_CLOSED;
}

void closes_pass_over(struct task *task, const struct event *event)
{
	struct range ours, theirs;

	if (event->kind == EVENT_CALL && range_of(&event->call, &theirs) &&
		range_of(&task->call, &ours) && covers(&ours, &theirs) && !is_closed(task, &theirs))
		task->covered++;
}

void closes_go_alone(struct task *task)
{
	struct range range;

	task->covered = 0;
	if (!range_of(&task->call, &range))
		return;
	if (range.one && !is_closed(task, &range))
		own_left(task, (int)range.first);
	for (unsigned fd = range.first; fd <= range.last && fd < FDS_OWN_MAX; fd++)
		follow_forget(task, (int)fd);
}
