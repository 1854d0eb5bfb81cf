/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/closes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "mxm/fds.h"

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

/* Is nothing of it open in the version's process? */
static bool is_closed(const struct task *task, const struct range *range)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", task->tracee.tid);
	dir = opendir(path);
	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		unsigned long fd = strtoul(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && fd >= range->first && fd <= range->last)
			return false;
	}
	return true;
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
				(!ours.one && is_closed(leader, &ours))))
		return REL_ALONE;
	return REL_DIFFERENT;
}

void closes_go_alone(struct task *task)
{
	struct range range;

	if (!range_of(&task->call, &range))
		return;
	for (unsigned fd = range.first; fd <= range.last && fd < FDS_OWN_MAX; fd++)
		follow_forget(task, (int)fd);
}
