/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/handover.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/group.h"
#include "mxm/tsc.h"

struct arrival {
	struct list link;
	struct tuple *tuple;
	int version;
	pid_t tid;
	struct mm *mm;
	struct parked parked;
	uint64_t child_tid_at;
};

bool handover_possible(const struct task *parent, uint64_t flags)
{
	const struct group *group = parent->tuple->group;
	const struct proc *proc = parent->tuple->proc;
	const struct mm *mm = parent->tracee.mm;

	return !(flags & (CLONE_VM | CLONE_THREAD | CLONE_FILES)) && !proc->shares_memory &&
	       !proc->other_user && !mm->no_gateway && !mm->no_vm && !group->bereft &&
	       !group->dropping;
}

static void *serve(void *arg)
{
	affinity_choose(arg);
	tsc_give_up();
	group_serve(arg);
	return NULL;
}

struct group *handover_group(const struct task *parent)
{
	const struct group *from = parent->tuple->group;
	struct group *group = group_new(from->mxm, from->leader, from->followers);

	/* The thread begins when the first tuple is there: handover_send(). */
	return group;
}

static int start(struct group *group)
{
	int rc = pthread_create(&group->thread, NULL, serve, group);

	group->started = rc == 0;
	return -rc;
}

/* Waits for the child's first stop and parks it. */
static int park(struct group *from, struct tracee *t, struct parked *ret_parked)
{
	struct stop stop;
	int rc;

	if (!group_take_orphan(from, t->tid)) {
		rc = tracee_wait_for(t->tid, &stop);
		if (rc < 0)
			return rc;
		if (stop.kind == STOP_DYING)
			(void)tracee_resume(t, RESUME_RUN, 0);
		if (stop.kind == STOP_DYING || stop.kind == STOP_GONE)
			return -ESRCH;
	}
	return tracee_park(t, ret_parked);
}

void handover_send(struct group *from, struct tuple *tuple, int version, pid_t tid, struct mm *mm,
	uint64_t child_tid_at)
{
	struct group *to = tuple->group;
	struct mxm *mxm = from->mxm;
	struct arrival *a = xzalloc(sizeof(*a));
	struct tracee t = { .tid = tid, .tgid = tid, .mm = mm };
	bool lost = park(from, &t, &a->parked) < 0;

	a->tuple = tuple;
	a->version = version;
	a->tid = tid;
	a->mm = mm;
	a->child_tid_at = child_tid_at;
	pthread_mutex_lock(&mxm->lock);
	if (to->over || !mxm->versions[version].alive) {
		syscall(SYS_kill, tid, SIGKILL);
		free(a);
		a = NULL;
	} else {
		list_append(&to->arrivals, &a->link);
		if (!to->started && start(to) < 0)
			lost = true;
		else
			pthread_kill(to->thread, SIGRTMIN);
		group_poke(to);
	}
	pthread_mutex_unlock(&mxm->lock);
	if (!a)
		mm_put(mm);
	if (lost)
		drop_version(mxm, version);
}

static bool is_ours(const struct group *group, const struct tuple *tuple)
{
	list_for_each (at, &group->tuples) {
		if (container_of(at, struct tuple, link) == tuple)
			return true;
	}
	return false;
}

static void receive_one(struct group *group, struct arrival *a)
{
	struct mxm *mxm = group->mxm;
	struct task *task;
	struct err err;
	int rc;

	if (!is_ours(group, a->tuple) || !mxm->versions[a->version].alive ||
		(group->dropping & (1u << a->version))) {
		syscall(SYS_kill, a->tid, SIGKILL);
		mm_put(a->mm);
		return;
	}
	task_born(a->tuple, a->version, a->tid, a->tid, a->mm);
	task = &a->tuple->tasks[a->version];
	task->child_tid_at = a->child_tid_at;
	affinity_join(group, a->tid);
	rc = tracee_unpark(&task->tracee, &a->parked, &err);
	if (rc == -ESRCH) {
		births_lost(task);
		return;
	}
	if (rc < 0) {
		mxm->ops->note(mxm->ops_arg, "handover-failed", a->version, a->tuple->ids->known,
			err.text);
		task_gone(task);
		drop_version(mxm, a->version);
		return;
	}
	births_new_stop(group, a->tid);
}

void handover_receive(struct group *group)
{
	struct mxm *mxm = group->mxm;

	for (;;) {
		struct arrival *a = NULL;

		pthread_mutex_lock(&mxm->lock);
		if (!list_is_empty(&group->arrivals)) {
			a = container_of(group->arrivals.next, struct arrival, link);
			list_remove(&a->link);
		}
		pthread_mutex_unlock(&mxm->lock);
		if (!a)
			return;
		receive_one(group, a);
		free(a);
	}
}
