/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/children.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "mxm/ids.h"
#include "mxm/rules.h"

struct wait {
	pid_t child; /* -1: any; 0: some, by a group or a descriptor */
	bool now, keeps;
	uint32_t options; /* of wait4(2), but for WNOHANG */
};

static bool wait_of(const struct call *call, struct wait *ret)
{
	const uint64_t *a = call->args;
	uint32_t options = (uint32_t)a[call->nr == SYS_waitid ? 3 : 2];

	if (!call->row || call->row->special != SPECIAL_WAIT)
		return false;
	*ret = (struct wait){ .now = options & WNOHANG, .keeps = options & WNOWAIT };
	if (call->nr == SYS_waitid) {
		ret->child = (uint32_t)a[0] == P_ALL   ? -1
			     : (uint32_t)a[0] == P_PID ? (pid_t)a[1]
						       : 0;
		ret->options = options & ~(uint32_t)(WNOHANG | WNOWAIT | WEXITED);
		return options & WEXITED;
	}
	ret->child = (pid_t)a[0] > 0 ? (pid_t)a[0] : (pid_t)a[0] == -1 ? -1 : 0;
	ret->options = options & ~(uint32_t)WNOHANG;
	return true;
}

const char *children_rule(const struct call *call)
{
	struct wait w;

	return wait_of(call, &w) ? RULE_CHILD : NULL;
}

/* Neither of the two can be told of what the other one cannot. */
static bool may_be_same(const struct wait *a, const struct wait *b)
{
	return a->options == b->options && !a->keeps && !b->keeps && a->child && b->child &&
	       (a->child == b->child || a->child < 0 || b->child < 0);
}

static enum brood brood_of(const struct task *task, pid_t only)
{
	cleanup_str struct str text = STR_INIT;
	enum brood brood = BROOD_NONE;
	char path[64], *rest, *word;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", task->tracee.tgid,
		task->tracee.tid);
	/* Where it cannot be told, no version is told that there is none. */
	if (io_read_file(path, 1u << 20, &text, NULL) < 0)
		return BROOD_ENDED;
	rest = text.data;
	while (rest && (word = strsep(&rest, " \n"))) {
		const pid_t child = (pid_t)strtol(word, NULL, 10);

		if (child <= 0 || (only && child != only))
			continue;
		if (thread_state(child) == 'Z')
			return BROOD_ENDED;
		brood = BROOD_LIVES;
	}
	return brood;
}

enum brood children_look(
	const struct group *group, const struct proc *proc, int version, pid_t only)
{
	enum brood brood = BROOD_NONE;

	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *task = &tuple->tasks[version];

		if (tuple->proc == proc && task->state != TASK_ABSENT && brood != BROOD_ENDED) {
			const enum brood more = brood_of(task, only);

			brood = more > brood ? more : brood;
		}
	}
	return brood;
}

/* Of those that the follower's wait is for. */
static enum brood awaited(const struct task *task, const struct wait *w)
{
	struct group *group = task->tuple->group;

	return children_look(group, task->tuple->proc, task->version,
		w->child > 0 ? ids_to_waited(group->mxm, task->version, w->child) : 0);
}

bool children_tell_none(struct task *task, int64_t *ret_result)
{
	/* What waitid(2) says of nobody: up to si_status. */
	static const char nobody[offsetof(siginfo_t, si_status) + sizeof(int)];
	const uint64_t info = task->call.nr == SYS_waitid ? task->call.args[2] : 0;
	struct wait w;

	if (!wait_of(&task->call, &w))
		return false;
	*ret_result = awaited(task, &w) == BROOD_NONE ? -ECHILD : 0;
	if (info && !*ret_result &&
		tracee_write(&task->tracee, raddr(info), nobody, sizeof(nobody)) < 0)
		*ret_result = -EFAULT;
	return true;
}

/* Does the leader take a child away after @event? Then that had not ended for sure. */
static bool takes_later(const struct task *task, const struct event *event)
{
	const struct group *group = task->tuple->group;
	struct wait w;

	for (const struct list *at = event->pending ? event->link.next : &group->stream;
		at != &group->stream; at = at->next) {
		const struct event *next = container_of(at, struct event, link);

		if (next->kind == EVENT_CALL && (next->pending & (1u << task->version)) &&
			next->tuple->proc == task->tuple->proc && wait_of(&next->call, &w) &&
			next->value)
			return true;
	}
	return false;
}

/* A wait of the follower's own, that does not wait. */
static enum relation relate_alone(
	const struct task *task, const struct event *event, const struct wait *w)
{
	const struct group *group = task->tuple->group;
	const struct task *leader = &task->tuple->tasks[group->leader];

	if (awaited(task, w) != BROOD_ENDED || takes_later(task, event))
		return REL_ALONE;
	/* What the leader does next may be to take it away. */
	return group->bereft || leader->event == event || leader->state == TASK_ASKING
		       ? REL_DIFFERENT
		       : REL_UNKNOWN;
}

enum relation children_relate(const struct task *task, const struct event *event)
{
	const bool made = event->pending != 0;
	struct wait ours = { 0 }, theirs;
	pid_t child;
	bool both, we_wait = wait_of(&task->call, &ours);

	if (event->kind != EVENT_CALL)
		return REL_DIFFERENT;
	if (!wait_of(&event->call, &theirs))
		return we_wait && ours.now && ours.child ? relate_alone(task, event, &ours)
							 : REL_DIFFERENT;
	if (!we_wait && theirs.now && (!made || event->result == -ECHILD))
		return made ? REL_PASS_OVER : REL_UNKNOWN;
	/* Nothing was taken away, whatever was found. */
	if ((theirs.keeps && (!made || event->result >= 0)) ||
		(theirs.now && made && event->result == 0 && !event->value))
		return event->sig ? REL_DIFFERENT : REL_PASS_OVER;
	both = we_wait && may_be_same(&ours, &theirs);
	if (!both)
		return REL_DIFFERENT;
	if (!made)
		return REL_UNKNOWN;
	if (event->result < 0)
		return ours.child == theirs.child && event->result == -ECHILD ? REL_SAME
									      : REL_DIFFERENT;
	child = (pid_t)event->value;
	return child > 0 && (ours.child < 0 || ours.child == child) ? REL_SAME : REL_DIFFERENT;
}

/* The status that the leader was told, as wait4(2) has it; false: it did not ask. */
static bool status_of(const struct event *event, int *ret)
{
	siginfo_t info;
	uint32_t len;

	if (event->out.len < sizeof(len))
		return false;
	memcpy(&len, event->out.data, sizeof(len));
	if (event->call.nr == SYS_wait4 && len == sizeof(*ret)) {
		memcpy(ret, event->out.data + sizeof(len), sizeof(*ret));
		return true;
	}
	if (event->call.nr != SYS_waitid || len != sizeof(info) ||
		event->out.len < sizeof(len) + sizeof(info))
		return false;
	memcpy(&info, event->out.data + sizeof(len), sizeof(info));
	*ret = info.si_code == CLD_EXITED   ? info.si_status << 8
	       : info.si_code == CLD_DUMPED ? info.si_status | WCOREFLAG
					    : info.si_status;
	return true;
}

static int tell_status(struct task *task, const struct event *event)
{
	const struct raddr at = raddr(task->call.args[1]);
	int own, status, rc;

	if (!task->call.args[1])
		return 0;
	if (status_of(event, &status))
		return tracee_write(&task->tracee, at, &status, sizeof(status));
	/* It may have been ended for the leader's child, that ended by another signal. */
	rc = tracee_read(&task->tracee, at, &own, sizeof(own));
	return rc == 0 && WIFSIGNALED(own) ? -EBADMSG : rc;
}

static int tell_info(struct task *task, const struct event *event)
{
	const struct raddr at = raddr(task->call.args[2]);
	siginfo_t info;
	int status, rc;

	if (!task->call.args[2])
		return 0;
	rc = tracee_read(&task->tracee, at, &info, sizeof(info));
	if (rc < 0)
		return rc;
	info.si_pid = (pid_t)event->value;
	if (status_of(event, &status)) {
		info.si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
		info.si_code = WIFEXITED(status)   ? CLD_EXITED
			       : WCOREDUMP(status) ? CLD_DUMPED
						   : CLD_KILLED;
	} else if (info.si_code != CLD_EXITED) {
		return -EBADMSG;
	}
	return tracee_write(&task->tracee, at, &info, sizeof(info));
}

int children_tell(struct task *task, const struct event *event, int64_t *result)
{
	const bool by_id = task->call.nr == SYS_waitid;

	*result = by_id ? 0 : (int64_t)event->value;
	return by_id ? tell_info(task, event) : tell_status(task, event);
}
