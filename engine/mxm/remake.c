/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/remake.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/modes.h"
#include "mxm/parting.h"
#include "mxm/positions.h"
#include "mxm/settings.h"
#include "mxm/posix_timers.h"
#include "mxm/reroot.h"
#include "mxm/standins.h"

/* What is known of the version's process is what is known of the leader's. */
static void copy_proc(struct mxm *mxm, struct proc *proc, int leader, int version)
{
	memcpy(proc->private_fds[version], proc->private_fds[leader], sizeof(proc->private_fds[0]));
	memcpy(proc->own_fds[version], proc->own_fds[leader], sizeof(proc->own_fds[0]));
	memset(proc->unshared_fds[version], 0, sizeof(proc->unshared_fds[0]));
	memcpy(proc->clocks[version], proc->clocks[leader], sizeof(proc->clocks[0]));
	proc->start_draws[version] = proc->start_draws[leader];
	proc->execs[version] = proc->execs[leader];
	modes_forget(proc, version, -1);
	positions_forget(proc, version, -1);
	settings_renew(proc);
	fds_epoll_copy(mxm, proc->fds, leader, version);
	posix_timers_copy(proc, leader, version);
}

static void copy_listener(struct version *from, struct version *to)
{
	if (to->listener >= 0)
		close(to->listener);
	to->listener = from->listener < 0 ? -1 : fcntl(from->listener, F_DUPFD_CLOEXEC, 0);
}

static void enrol_thread(struct group *group, int version, struct copy_thread *thread)
{
	struct tuple *tuple = thread->task->tuple;
	struct tracee *twin = &thread->twin;
	struct task *task = &tuple->tasks[version];

	ids_set(group->mxm, tuple->ids, version, twin->tid);
	task_born(tuple, version, twin->tid, twin->tgid, twin->mm);
	task->tracee = *twin;
	task->clear_tid_at = thread->task->clear_tid_at;
	task->slot = thread->task->slot;
	tuple->parted &= ~(1u << version);
	tuple->masks[version].apart = false;
	affinity_join(group, twin->tid);
	task_enter(task, TASK_RUNNING);
	baton_lose(task);
}

/* The copies become the version's processes, and follow. */
static void enrol(struct group *group, int version, const struct copies *copies)
{
	struct mxm *mxm = group->mxm;
	struct version *v = &mxm->versions[version];

	ids_forget_version(mxm, version);
	for (int i = 0; i < copies->n; i++) {
		copy_proc(mxm, copies->v[i].proc, group->leader, version);
		for (int k = 0; k < copies->v[i].n; k++)
			enrol_thread(group, version, &copies->v[i].threads[k]);
	}
	standins_enrol(group, version);
	affinity_gather(group);
	group->followers |= 1u << version;
	group->dropping &= ~(1u << version);
	group->baton[version] = NULL;
	group->consumed_ns[version] = event_clock();
	for (int i = 0; i < copies->n; i++)
		agent_copied(group, copies->v[i].proc, version);
	agent_refresh(group);
	pthread_mutex_lock(&mxm->lock);
	copy_listener(&mxm->versions[group->leader], v);
	v->identity = false;
	v->alive = true;
	v->wanted_ns = 0;
	for (int i = 0; i < copies->n; i++) {
		if (copies->v[i].proc->is_root)
			v->root_pid = copy_twin(&copies->v[i])->tid;
	}
	pthread_mutex_unlock(&mxm->lock);
}

static int check_safe(
	struct group *group, int version, const struct copies *copies, struct err *err)
{
	struct mxm *mxm = group->mxm;
	int rc = 0;

	for (int i = 0; i < copies->n && rc == 0; i++) {
		const struct copy *copy = &copies->v[i];
		cleanup_free struct tracee **list = xreallocarray(NULL, copy->n, sizeof(*list));

		for (int k = 0; k < copy->n; k++)
			list[k] = &copy->threads[k].task->tracee;
		rc = mxm->ops->rejoin_safe(
			mxm->ops_arg, version, group->leader, list, copy->n, err);
	}
	return rc;
}

/* Its group is that of the copies where the leader's is that of the leader's processes. */
static int copy_pgid(const struct copies *copies, const struct copy *copy, struct err *err)
{
	const pid_t own = getpgid(copy_main(copy)->tracee.tgid);
	long r = 0;
	int rc = 0;

	for (int i = 0; i < copies->n && rc == 0; i++) {
		if (copy_main(&copies->v[i])->tracee.tgid == own)
			rc = tracee_remote(copy_twin(copy), false, &r, SYS_setpgid, 0,
				copy_twin(&copies->v[i])->tgid, 0, 0, 0, 0);
	}
	if (rc == 0 && r < 0)
		rc = (int)r;
	return rc < 0 ? err_errno(err, -rc, "joining a process group") : 0;
}

/* Leaders of groups first: one that has no member yet cannot be joined. */
static int copy_pgids(const struct copies *copies, struct err *err)
{
	int rc = 0;

	for (int leads = 1; leads >= 0; leads--) {
		for (int i = 0; i < copies->n && rc == 0; i++) {
			const pid_t tgid = copy_main(&copies->v[i])->tracee.tgid;

			if ((getpgid(tgid) == tgid) == leads)
				rc = copy_pgid(copies, &copies->v[i], err);
		}
	}
	return rc;
}

/* What is the leader's and what is the version's, from here on. */
static int part(struct group *group, int version, const struct copies *copies, struct err *err)
{
	const int leader = group->leader;
	int rc = copy_pgids(copies, err);

	for (int i = 0; i < copies->n && rc == 0; i++) {
		const struct copy *copy = &copies->v[i];
		struct tracee *twin = copy_twin(copy);

		rc = agent_part(copy->proc, leader, version, &copy_main(copy)->tracee, twin, err);
		if (rc == 0)
			rc = parting_fds(copy, leader, version, err);
		if (rc == 0)
			rc = reroot(copy_main(copy)->tuple, version, twin, err);
	}
	if (rc == 0)
		rc = parting_memory(group, version, copies, err);
	return rc == 0 ? standins_make(group, version, copies, err) : rc;
}

int remake(struct group *group, int version, const struct copies *copies, struct err *err)
{
	struct mxm *mxm = group->mxm;
	cleanup_free struct tracee **list = xreallocarray(NULL, copies->n, sizeof(*list));
	int made = 0, rc = check_safe(group, version, copies, err);

	for (; made < copies->n && rc == 0; made++)
		rc = copy_process(copies->v[made].threads, copies->v[made].n, err);
	if (rc == 0)
		rc = part(group, version, copies, err);
	for (int i = 0; i < copies->n; i++)
		list[i] = copy_twin(&copies->v[i]);
	if (rc == 0)
		rc = mxm->ops->rejoin_made(
			mxm->ops_arg, version, group->leader, list, copies->n, err);
	if (rc == 0) {
		enrol(group, version, copies);
		return 0;
	}
	standins_undo(group, version);
	for (int i = 0; i < made; i++)
		copy_kill(copies->v[i].threads, copies->v[i].n);
	return rc;
}
