/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/handover.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/group.h"
#include "mxm/shadows.h"
#include "mxm/tsc.h"

struct arrival {
	struct list link;
	struct tuple *tuple;
	int version;
	pid_t tid;
	struct mm *mm;
	struct parked parked;
	uint64_t child_tid_at;
	struct task *was; /* of one that comes from another group; NULL: newborn */
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

/* Hands @a over; it may be of no use any more. @lost: it could not be parked. */
static void dispatch(struct group *to, struct arrival *a, bool lost)
{
	struct mxm *mxm = to->mxm;
	int version = a->version;

	pthread_mutex_lock(&mxm->lock);
	/* Even for one of no use: a group that was made must end, and its monitor ends it. */
	if (!to->over && !to->started && start(to) < 0) {
		group_over_locked(to);
		lost = true;
	}
	if (to->over || (!a->was && !mxm->versions[version].alive)) {
		syscall(SYS_kill, a->tid, SIGKILL);
		mm_put(a->mm);
		free(a->was);
		free(a);
	} else {
		list_append(&to->arrivals, &a->link);
		group_poke(to);
	}
	pthread_mutex_unlock(&mxm->lock);
	if (lost)
		drop_version(mxm, version);
}

void handover_send(struct group *from, struct tuple *tuple, int version, pid_t tid, struct mm *mm,
	uint64_t child_tid_at)
{
	struct group *to = tuple->group;
	struct arrival *a = xzalloc(sizeof(*a));
	struct tracee t = { .tid = tid, .tgid = tid, .mm = mm };
	bool lost = park(from, &t, &a->parked) < 0;

	a->tuple = tuple;
	a->version = version;
	a->tid = tid;
	a->mm = mm;
	a->child_tid_at = child_tid_at;
	dispatch(to, a, lost);
}

static bool is_ours(const struct group *group, const struct tuple *tuple)
{
	list_for_each (at, &group->tuples) {
		if (container_of(at, struct tuple, link) == tuple)
			return true;
	}
	return false;
}

/* Its tuple is this group's from the first version that comes. */
static void link_gathered(struct group *group, struct tuple *tuple)
{
	if (!list_is_empty(&tuple->link))
		return;
	list_append(&group->tuples, &tuple->link);
	pthread_mutex_lock(&group->mxm->lock);
	group->expected--;
	pthread_mutex_unlock(&group->mxm->lock);
}

/* What the task was in the middle of goes with it. */
static void go_on_as(struct task *task, struct task *was)
{
	task->clear_tid_at = was->clear_tid_at;
	task->held = was->held;
	task->nheld = was->nheld;
	task->held_room = was->held_room;
	task->signalled_cpu_ns = was->signalled_cpu_ns;
	task->slot = was->slot;
	task->mode = was->mode;
	task->counter_free = was->counter_free;
	task->behind = was->behind;
	task->done = was->done;
	task->ahead = was->ahead;
	free(was);
}

static void receive_one(struct group *group, struct arrival *a)
{
	struct mxm *mxm = group->mxm;
	struct task *task;
	struct err err;
	int rc;

	if (a->was)
		link_gathered(group, a->tuple);
	if (!is_ours(group, a->tuple) || !mxm->versions[a->version].alive ||
		(group->dropping & (1u << a->version))) {
		syscall(SYS_kill, a->tid, SIGKILL);
		mm_put(a->mm);
		free(a->was);
		return;
	}
	task_born(a->tuple, a->version, a->tid, a->tid, a->mm);
	task = &a->tuple->tasks[a->version];
	task->child_tid_at = a->child_tid_at;
	if (a->was)
		go_on_as(task, a->was);
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

bool handover_expects_locked(const struct group *group)
{
	bool alive = false;

	for (int v = 0; v < group->mxm->config.nversions; v++)
		alive |= group->mxm->versions[v].alive;
	return !list_is_empty(&group->arrivals) || (group->expected && alive);
}

/* Its process has no other thread here, and shares no memory with others of the group. */
static bool may_leave(const struct task *task)
{
	const struct group *group = task->tuple->group;
	const struct proc *proc = task->tuple->proc;
	const struct mm *mm = task->tracee.mm;

	if (proc->is_root || proc->other_user || mm->no_gateway || mm->no_vm || mm->refs > 1 ||
		group->bereft || group->dropping)
		return false;
	list_for_each (at, &group->tuples) {
		const struct tuple *other = container_of(at, struct tuple, link);

		if (other != task->tuple && (other->proc == proc || other->proc->shares_memory))
			return false;
	}
	return true;
}

void handover_gather(struct task *task, struct event *event)
{
	struct tuple *tuple = task->tuple;
	struct group *group = tuple->group, *home;
	struct mxm *mxm = group->mxm;
	bool leaves = may_leave(task);

	pthread_mutex_lock(&mxm->lock);
	home = shadows_home_locked(task, event);
	if (home && home != group && leaves && !home->bereft && !home->dropping) {
		tuple->moves_to = event->child = tuple_make(home, tuple->proc);
		event->child->ids = tuple->ids;
		event->settles = true;
		home->expected++;
		shadows_rehome_locked(mxm, group, home);
	}
	pthread_mutex_unlock(&mxm->lock);
	if (!home || home == group)
		return;
	if (!event->child) {
		mxm->ops->note(mxm->ops_arg, "order-not-kept", task->version, tuple->ids->known,
			"it maps a file that another process maps, and cannot be served together "
			"with that");
		return;
	}
	tuple->proc->shares_memory = true;
	/* The ring that its agent knows is this group's. */
	tuple->proc->no_agent = true;
}

void handover_move(struct task *task, struct tuple *to)
{
	struct tuple *tuple = task->tuple;
	struct arrival *a = xzalloc(sizeof(*a));
	bool lost;

	agent_refresh(tuple->group);
	a->tuple = to;
	a->version = task->version;
	a->tid = task->tracee.tid;
	a->mm = mm_get(task->tracee.mm);
	lost = tracee_park(&task->tracee, &a->parked) < 0;
	a->was = xmalloc(sizeof(*task));
	*a->was = *task;
	task->ahead.bytes = (struct str)STR_INIT;
	task->slot = 0;
	task_gone(task);
	dispatch(to->group, a, lost);
	tuple_drop_if_over(tuple);
}
