/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of a version that was let go, in their last stops: those of which a report is made
 * (postmortem.h), and those of a leader, until another one leads. The others end at once.
 */
#include <sched.h>

#include "mxm/group.h"
#include "mxm/postmortem.h"

bool kept_has_locks(const struct group *group)
{
	list_for_each (at, &group->tuples) {
		if (!list_is_empty(&container_of(at, struct tuple, link)->proc->locks))
			return true;
	}
	return false;
}

/* The kernel frees its memory now, which takes a while, and not where the other version runs. */
static void let_end(struct task *task)
{
	const struct mxm *mxm = task->tuple->group->mxm;

	task->kept = false;
	sched_setaffinity(task->tracee.tid, sizeof(mxm->affinity), &mxm->affinity);
	task_resume(task, RESUME_RUN, 0);
}

/*
 * So many stops the clients of a version that has just come to lead go first: an end, and a thread
 * that looks at one, cost more than a reply.
 */
#define KEEP_STOPS 16

void kept_look(struct group *group)
{
	const bool succession = group->bereft && !kept_has_locks(group) &&
				group->mxm->versions[group->mxm->leader].alive;
	unsigned keeps = 0;

	for (int v = 0; v < group->mxm->config.nversions; v++) {
		list_for_each (at, &group->tuples) {
			struct task *task = &container_of(at, struct tuple, link)->tasks[v];

			if (!task->kept)
				continue;
			if (succession && v == group->leader)
				keeps = KEEP_STOPS;
			else if (postmortem_begin(task) || !postmortem_is_over(task))
				keeps = KEEP_STOPS;
			else
				let_end(task);
		}
	}
	group->keeps = keeps;
}

void kept_tick(struct group *group)
{
	if (group->keeps)
		kept_look(group);
}

void kept_count_stop(struct group *group)
{
	if (group->keeps && --group->keeps == 0)
		kept_look(group);
}

void kept_begin(struct task *task)
{
	struct group *group = task->tuple->group;

	/* A follower's end keeps no client waiting, and with it begins its coming back. */
	if (task->version != group->leader)
		postmortem_begin(task);
	task->kept = task->postmortem || (task->version == group->leader && !kept_has_locks(group));
	if (task->kept)
		group->keeps = KEEP_STOPS;
	else
		let_end(task);
}

void kept_put_off(struct group *group)
{
	group->keeps = KEEP_STOPS;
}
