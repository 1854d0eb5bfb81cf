/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/remake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/modes.h"
#include "mxm/parting.h"
#include "mxm/positions.h"
#include "mxm/preludes.h"
#include "mxm/settings.h"
#include "mxm/posix_timers.h"
#include "mxm/rejoin.h"
#include "mxm/reroot.h"
#include "mxm/ring.h"
#include "mxm/standins.h"

/* So near, a version is in step: a client that waits for what lies between hardly notices. */
#define NEAR_EVENTS 32
#define NEAR_BYTES  8192
/* It is waited for once it has come so far, whatever the leader has done meanwhile. */
#define CHASE_EVENTS 256
#define CHASE_BYTES  (256ul << 10)

struct remaking {
	int version, from;
	uint64_t since_ns; /* when it was wanted back */
	bool held;	   /* the leader stands still for all of it */
	struct copies copies;
	unsigned step; /* the next one of those that make them ready */
	int process, thread;
	bool runs;		   /* they are ready */
	uint64_t published, taken; /* then */
};

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
	preludes_forbid(mxm);
	fds_epoll_copy(mxm, proc->fds, leader, version);
	posix_timers_copy(proc, leader, version);
}

static void copy_listener(struct version *from, struct version *to)
{
	if (to->listener >= 0)
		close(to->listener);
	to->listener = from->listener < 0 ? -1 : fcntl(from->listener, F_DUPFD_CLOEXEC, 0);
}

static struct task *task_of(const struct copy_thread *thread, int version)
{
	return &thread->task->tuple->tasks[version];
}

static void enrol_made(struct group *group, int version, struct copy_thread *thread)
{
	struct task *task = task_of(thread, version);

	ids_set(group->mxm, task->tuple->ids, version, thread->twin.tid);
	task->tracee = thread->twin;
	affinity_join(group, thread->twin.tid);
}

/* One that is still to be made stands behind its main thread, which has the same memory. */
static void enrol_thread(
	struct group *group, int version, const struct copy *copy, struct copy_thread *thread)
{
	struct task *task = task_of(thread, version);
	struct tracee *twin = &thread->twin;

	task_born(task->tuple, version, copy_twin(copy)->tid, twin->tgid, twin->mm);
	if (twin->tid)
		enrol_made(group, version, thread);
	task->clear_tid_at = thread->clear_tid_at;
	task->slot = thread->slot;
	task->tuple->parted &= ~(1u << version);
	task->tuple->masks[version].apart = false;
	if (thread->task->stopped) {
		task_enter(task, TASK_NEWBORN);
		return;
	}
	task_enter(task, TASK_RUNNING);
	baton_lose(task);
}

/* The copies become the version's processes: what the leader does from here on is for them, too. */
static void enrol(struct group *group, int version, const struct copies *copies)
{
	struct mxm *mxm = group->mxm;
	struct version *v = &mxm->versions[version];

	/* They have done what was held back for the version that was lost. */
	lead_publish_held_back(group);
	ids_forget_version(mxm, version);
	for (int i = 0; i < copies->n; i++) {
		copy_proc(mxm, copies->v[i].proc, group->leader, version);
		for (int k = 0; k < copies->v[i].n; k++)
			enrol_thread(group, version, &copies->v[i], &copies->v[i].threads[k]);
	}
	standins_enrol(group, version);
	affinity_gather(group);
	group->followers |= 1u << version;
	group->laggards |= 1u << version;
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

/* The leader's processes, before they are copied. */
static int check_safe(struct group *group, const struct remaking *r, struct err *err)
{
	const struct mxm *mxm = group->mxm;
	int rc = 0;

	for (int i = 0; i < r->copies.n && rc == 0; i++) {
		const struct copy *copy = &r->copies.v[i];
		cleanup_free struct tracee **list = xreallocarray(NULL, copy->n, sizeof(*list));

		for (int k = 0; k < copy->n; k++)
			list[k] = &copy->threads[k].task->tracee;
		rc = mxm->ops->rejoin_safe(mxm->ops_arg, r->version, r->from, list, copy->n, err);
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

/* What only a leader allows that stands still. */
static int part_held(struct group *group, const struct remaking *r, struct err *err)
{
	int rc = copy_pgids(&r->copies, err);

	for (int i = 0; i < r->copies.n && rc == 0; i++) {
		struct copy *copy = &r->copies.v[i];

		copy->has_agent = copy->proc->agents[r->from] != NULL;
		rc = agent_give_ring(copy->proc, r->from, &copy_main(copy)->tracee, err);
		if (rc == 0)
			rc = parting_fds(copy, r->from, r->version, err);
	}
	return rc == 0 ? standins_make(group, r->version, &r->copies, err) : rc;
}

/* To the next thread of them: 1, or 0 after the last one. */
static int next_thread(struct remaking *r)
{
	if (++r->thread == r->copies.v[r->process].n) {
		r->thread = 0;
		r->process++;
	}
	if (r->process < r->copies.n)
		return 1;
	r->process = 0;
	return 0;
}

/* A thread each time: the leader's clients wait no longer than for one. */
static int step_make(struct group *group, struct remaking *r, struct err *err)
{
	struct copy *copy = &r->copies.v[r->process];
	struct copy_thread *thread = &copy->threads[r->thread];
	int rc = r->thread ? copy_thread(copy->threads, r->thread, err) : 0;

	if (rc < 0)
		return rc;
	if (r->thread && !r->held)
		enrol_made(group, r->version, thread);
	return next_thread(r);
}

static int step_thread(struct group *group, struct remaking *r, struct err *err)
{
	const struct mxm *mxm = group->mxm;
	const struct copy *copy = &r->copies.v[r->process];
	struct copy_thread *thread = &copy->threads[r->thread];
	struct tracee *twin = &thread->twin;
	int rc = r->held ? 0
			 : mxm->ops->rejoin_safe(mxm->ops_arg, r->version, r->from, &twin, 1, err);

	if (rc == 0)
		rc = copy_finish(thread, err);
	return rc < 0 ? rc : next_thread(r);
}

static int step_part(struct group *group, struct remaking *r, struct err *err)
{
	int rc = 0;

	(void)group;
	for (int i = 0; i < r->copies.n && rc == 0; i++) {
		const struct copy *copy = &r->copies.v[i];
		struct tracee *twin = copy_twin(copy);

		if (copy->has_agent)
			rc = agent_part(r->version, twin, err);
		if (rc == 0)
			rc = reroot(copy_main(copy)->tuple, r->version, twin, err);
	}
	return rc;
}

static int step_memory(struct group *group, struct remaking *r, struct err *err)
{
	return parting_memory(group, r->version, &r->copies, r->held, err);
}

static int step_functions(struct group *group, struct remaking *r, struct err *err)
{
	const struct mxm *mxm = group->mxm;
	cleanup_free struct tracee **list = xreallocarray(NULL, r->copies.n, sizeof(*list));

	for (int i = 0; i < r->copies.n; i++)
		list[i] = copy_twin(&r->copies.v[i]);
	return mxm->ops->rejoin_made(mxm->ops_arg, r->version, r->from, list, r->copies.n, err);
}

/* What makes the copies ready to run. 1: the step is to be gone on with. */
static int (*const steps[])(struct group *group, struct remaking *r, struct err *err) = {
	step_make,
	step_thread,
	step_part,
	step_memory,
	step_functions,
};

static bool is_made(const struct remaking *r)
{
	return r->step == ARRAY_SIZE(steps);
}

static int make_step(struct group *group, struct remaking *r, struct err *err)
{
	int rc = steps[r->step](group, r, err);

	r->step += rc == 0;
	return rc;
}

/* Memory that processes share is copied while they stand still. */
static bool must_hold(const struct group *group, const struct copies *copies)
{
	const struct proc *proc = copies->v[0].proc;

	return copies->n > 1 || proc->shares_memory || proc->maps_written_files || proc->nshadows ||
	       group->rejoin.wary;
}

static void free_remaking(struct remaking *r)
{
	copies_free(&r->copies);
	free(r);
}

/* All of it while the leader stands still, or what cannot wait. */
static int copy_all(struct group *group, struct remaking *r, int *made, struct err *err)
{
	int rc = r->held ? check_safe(group, r, err) : 0;

	for (*made = 0; *made < r->copies.n && rc == 0; *made += rc == 0)
		rc = copy_process(r->copies.v[*made].threads, r->copies.v[*made].n, err);
	if (rc == 0)
		rc = part_held(group, r, err);
	while (r->held && rc >= 0 && !is_made(r))
		rc = make_step(group, r, err);
	return rc;
}

int remake(
	struct group *group, int version, uint64_t since_ns, struct copies *copies, struct err *err)
{
	struct remaking *r = xzalloc(sizeof(*r));
	int made, rc;

	*r = (struct remaking){ .version = version,
		.from = group->leader,
		.since_ns = since_ns,
		.held = must_hold(group, copies),
		.copies = *copies };
	*copies = (struct copies){ 0 };
	rc = copy_all(group, r, &made, err);
	if (rc == 0) {
		enrol(group, version, &r->copies);
		group->remaking = r;
		return 0;
	}
	standins_undo(group, version);
	for (int i = 0; i < made; i++)
		copy_kill(r->copies.v[i].threads, r->copies.v[i].n);
	free_remaking(r);
	return rc;
}

bool remake_holds(const struct group *group, int version)
{
	return group->remaking && !group->remaking->runs && group->remaking->version == version;
}

bool remake_is_busy(const struct group *group)
{
	return group->remaking && !group->remaking->runs;
}

/* Of a version that is lost again: nothing will be heard of threads that were never made. */
static void dismiss_unmade(struct group *group)
{
	const struct remaking *r = group->remaking;

	for (int i = 0; i < r->copies.n; i++) {
		for (int k = 1; k < r->copies.v[i].n; k++) {
			const struct copy_thread *thread = &r->copies.v[i].threads[k];
			struct tuple *tuple = thread->twin.tid ? NULL : thread->task->tuple;

			if (!tuple)
				continue;
			event_forget(group, tuple, r->version);
			tuple->parted |= 1u << r->version;
			task_gone(&tuple->tasks[r->version]);
			tuple_drop_if_over(tuple);
		}
	}
}

static void forget(struct group *group)
{
	dismiss_unmade(group);
	free_remaking(group->remaking);
	group->remaking = NULL;
}

/* Was it let go meanwhile, for another reason? */
static bool is_lost(const struct group *group, const struct remaking *r)
{
	return r->version != group->leader && !(group->followers & (1u << r->version));
}

/* The copies are let go, as a version that nobody has heard of. */
static void give_back(struct group *group, const struct err *err, int rc)
{
	struct mxm *mxm = group->mxm;
	const struct remaking r = *group->remaking;

	pthread_mutex_lock(&mxm->lock);
	mxm->versions[r.version].alive = false;
	mxm->versions[r.version].wanted_ns = r.since_ns;
	pthread_mutex_unlock(&mxm->lock);
	forget(group);
	rejoin_failed(group, r.version, rc, err);
	drop_check(group);
}

/* They run, as of the moment at which they were made. */
static void let_run(struct group *group, struct remaking *r)
{
	for (int i = 0; i < r->copies.n; i++) {
		const struct copy *copy = &r->copies.v[i];

		for (int k = 0; k < copy->n; k++) {
			const struct copy_thread *thread = &copy->threads[k];
			struct task *task = group_find(group, thread->twin.tid);
			bool interrupted = task && task->tracee.interrupted;

			if (!task)
				continue;
			task->tracee = thread->twin;
			task->tracee.interrupted |= interrupted;
		}
	}
	r->runs = true;
	r->published = group->published;
	r->taken = ring_taken(group, r->version);
}

void remake_go_on(struct group *group)
{
	struct remaking *r = group->remaking;
	struct err err = { 0 };
	int rc = 0;

	if (is_lost(group, r)) {
		forget(group);
		return;
	}
	if (!is_made(r))
		rc = make_step(group, r, &err);
	if (rc < 0)
		give_back(group, &err, rc);
	else if (is_made(r))
		let_run(group, r);
}

/* Is it so near that the leader may wait for it? */
static bool is_in_step(struct group *group, const struct remaking *r)
{
	if (group->published - r->published > CHASE_EVENTS ||
		ring_taken(group, r->version) - r->taken > CHASE_BYTES)
		return true;
	return group->lag <= NEAR_EVENTS && ring_lag(group, r->version) <= NEAR_BYTES;
}

void remake_attend(struct group *group)
{
	const struct remaking *r = group->remaking;
	struct mxm *mxm = group->mxm;

	if (!r || !r->runs)
		return;
	if (is_lost(group, r)) {
		forget(group);
		return;
	}
	if (!group->bereft && r->version != group->leader && !is_in_step(group, r))
		return;
	group->laggards &= ~(1u << r->version);
	agent_refresh(group);
	mxm->ops->rejoined(mxm->ops_arg, r->version, clock_ns() - r->since_ns, NULL);
	forget(group);
}

bool remake_over(struct group *group)
{
	struct mxm *mxm = group->mxm;

	if (!group->remaking)
		return false;
	mxm->ops->rejoined(mxm->ops_arg, group->remaking->version,
		clock_ns() - group->remaking->since_ns, "the program ended before");
	forget(group);
	return true;
}
