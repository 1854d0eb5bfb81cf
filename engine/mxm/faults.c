/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults that a program handles itself. Language runtimes take SIGSEGV on purpose: for write
 * barriers, null checks, safe points. A server that prints a report when it crashes has a handler
 * as well. What tells the two apart is the other version: where it takes the same fault at the same
 * point, the fault is the program's own way, and each version's handler gets it; where it goes on
 * to a call, the fault was a crash.
 */
#include "mxm/events.h"
#include "mxm/group.h"

bool faults_hold(struct task *task, const siginfo_t *info)
{
	struct group *group = task->tuple->group;

	if (task->state != TASK_RUNNING || task->starting || info->si_code <= 0 ||
		task->tuple->proc->sig[info->si_signo - 1].handler <= 1)
		return false;
	if (!task_follows(task)) {
		if (!group->followers)
			return false;
		lead_publish_held_back(group);
	}
	task->raise = *info;
	task_enter(task, TASK_FAULTING);
	group->faults = true;
	return true;
}

void faults_deliver(struct task *task)
{
	task_enter(task, TASK_RUNNING);
	task_resume(task, RESUME_RUN, task->raise.si_signo);
}

/* Has the leader gone on to something that comes after the point where @version faulted? */
static bool leader_went_on(const struct tuple *tuple, int version)
{
	const struct task *leader = &tuple->tasks[tuple->group->leader];

	if (event_waits(tuple, version))
		return true;
	switch (leader->state) {
	case TASK_ASKING:
	case TASK_CALLING:
	case TASK_AGAIN:
		return !leader->local_call;
	case TASK_READY:
		return leader->event && leader->event->kind != EVENT_RESUME;
	default:
		return false;
	}
}

static bool settle_follower(struct tuple *tuple, int version)
{
	struct task *task = &tuple->tasks[version];

	if (task->state != TASK_FAULTING || !leader_went_on(tuple, version))
		return false;
	return drop_crashed(task, &task->raise, true);
}

/* The leader is held: do the followers fault too? */
static bool settle_leader(struct tuple *tuple)
{
	struct group *group = tuple->group;
	const struct mxm *mxm = group->mxm;
	struct task *task = &tuple->tasks[group->leader];
	uint64_t patience = mxm->config.patience * 1000000000ul;
	unsigned same = 0;
	bool crash = patience && event_clock() - task->since_ns > patience;

	for (int v = 0; v < mxm->config.nversions; v++) {
		const struct task *other = &tuple->tasks[v];

		if (!(group->followers & (1u << v)) || event_waits(tuple, v))
			continue;
		if (other->state == TASK_ASKING)
			crash = true;
		if (other->state != TASK_FAULTING)
			continue;
		if (other->raise.si_signo == task->raise.si_signo)
			same |= 1u << v;
		else
			crash = true;
	}
	if (crash || !group->followers) {
		if (!drop_crashed(task, &task->raise, true))
			faults_deliver(task);
		return true;
	}
	if (same != group->followers)
		return false;
	for (int v = 0; v < mxm->config.nversions; v++) {
		if ((same & (1u << v)) || v == group->leader)
			faults_deliver(&tuple->tasks[v]);
	}
	return true;
}

bool faults_pump(struct group *group)
{
	const struct mxm *mxm = group->mxm;

	group->faults = false;
	if (group->bereft)
		return false;
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);

		for (int v = 0; v < mxm->config.nversions; v++) {
			bool leads = v == group->leader;

			if (tuple->tasks[v].state != TASK_FAULTING ||
				(group->dropping & (1u << v)) || !mxm->versions[v].alive)
				continue;
			group->faults = true;
			if (leads ? settle_leader(tuple) : settle_follower(tuple, v))
				return true;
		}
	}
	return false;
}
