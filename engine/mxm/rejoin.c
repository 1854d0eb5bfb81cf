/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/rejoin.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/positions.h"
#include "mxm/remake.h"
#include "mxm/restart.h"
#include "mxm/scripts.h"
#include "mxm/special.h"

#define PAUSE_FIRST_NS 200000ul
#define PAUSE_MOST_NS  100000000ul
/* So long a safe moment is looked for; what keeps a version away after that is said, once. */
#define GIVE_UP_NS 10000000000ul
/* The versions may have to be analysed first, on a machine that has more to do. */
#define ANALYSIS_NS 120000000000ul
#define THREADS_MAX 4096
/* A thread that has had less than this part of the CPU time of the one that had most. */
#define IDLES 8

static const char several[] =
	"the program has several processes that share no memory, which cannot be stopped together";

void rejoin_want_locked(struct mxm *mxm, int version)
{
	mxm->versions[version].awaits_ends = false;
	__atomic_store_n(&mxm->versions[version].wanted_ns, clock_ns(), __ATOMIC_RELEASE);
	pthread_cond_signal(&mxm->hurry);
	list_for_each (at, &mxm->groups)
		group_poke(container_of(at, struct group, link));
}

void mxm_want_back(struct mxm *mxm, int version)
{
	pthread_mutex_lock(&mxm->lock);
	if (!mxm->versions[version].alive)
		rejoin_want_locked(mxm, version);
	pthread_mutex_unlock(&mxm->lock);
}

void rejoin_group_over_locked(struct mxm *mxm)
{
	if (mxm->ngroups != 1 || mxm->for_good)
		return;
	for (int v = 0; v < mxm->config.nversions; v++) {
		if (mxm->versions[v].awaits_ends && !mxm->versions[v].alive)
			rejoin_want_locked(mxm, v);
	}
}

static void ask_for_switch(struct mxm *mxm, bool pauses)
{
	pthread_mutex_lock(&mxm->lock);
	mxm->pauses = pauses;
	__atomic_store_n(&mxm->switch_ns, clock_ns(), __ATOMIC_RELEASE);
	list_for_each (at, &mxm->groups)
		group_poke(container_of(at, struct group, link));
	pthread_mutex_unlock(&mxm->lock);
}

void mxm_switch(struct mxm *mxm)
{
	ask_for_switch(mxm, false);
}

void mxm_pause(struct mxm *mxm)
{
	ask_for_switch(mxm, true);
}

static int wanted(const struct group *group)
{
	const struct mxm *mxm = group->mxm;

	for (int v = 0; v < mxm->config.nversions; v++) {
		if (__atomic_load_n(&mxm->versions[v].wanted_ns, __ATOMIC_ACQUIRE) &&
			!mxm->versions[v].alive)
			return v;
	}
	return -1;
}

bool rejoin_is_due(const struct group *group)
{
	return wanted(group) >= 0 || __atomic_load_n(&group->mxm->switch_ns, __ATOMIC_ACQUIRE);
}

static bool is_alive_in(const struct group *group, int version)
{
	list_for_each (at, &group->tuples) {
		if (container_of(at, struct tuple, link)->tasks[version].state != TASK_ABSENT)
			return true;
	}
	return false;
}

static const char *obstacle_of(const struct group *group, const struct proc *proc, int leader)
{
	if (!list_is_empty(&proc->surplus) || proc->has_to_carry)
		return "the old leader's place is still being taken over";
	if (!list_is_empty(&proc->apart))
		return "the mode of a descriptor is still to be set";
	if (positions_differ(proc))
		return "the versions read a file at different places";
	if (proc->ids->real[leader] && !copy_stays_in_namespaces(proc->ids->real[leader]))
		return "the program's children are born into another namespace";
	list_for_each (at, &group->tuples) {
		const struct tuple *other = container_of(at, struct tuple, link);

		if (other->proc != proc && other->proc->fds == proc->fds)
			return "processes of the program share their descriptors";
	}
	return NULL;
}

/* What cannot be copied (yet): NULL where nothing stands against it. */
static const char *obstacle(struct group *group, int leader)
{
	struct mxm *mxm = group->mxm;
	const char *why = NULL;
	unsigned living;

	pthread_mutex_lock(&mxm->lock);
	living = mxm->ngroups;
	pthread_mutex_unlock(&mxm->lock);
	if (living > 1)
		return several;
	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);

		if (!why && tuple->tasks[leader].state != TASK_ABSENT)
			why = obstacle_of(group, tuple->proc, leader);
	}
	return why;
}

/* In user mode, or in a call that can be broken off and made again. */
static bool can_be_stopped(const struct task *task)
{
	const struct sys_row *row = task->call.row;

	if (task->behind || task->starting || task->tracee.interrupted || task->nheld ||
		task->done || task->ahead.bytes.len || task->sequence.rule || task->settling ||
		task->returns || task->preempted || task->deliver || task->tracee.mm->no_gateway)
		return false;
	if (task->state == TASK_READY)
		return task->event && task->event->kind == EVENT_RESUME;
	if (task->state == TASK_CALLING)
		return row && row->special != SPECIAL_CLONE && row->special != SPECIAL_EXEC &&
		       row->special != SPECIAL_EXIT;
	/* A stop by job control broke into its call. */
	if (task->state == TASK_AGAIN)
		return task->tuple->proc->stopped;
	return task->state == TASK_RUNNING;
}

/*
 * From its stop to a place between two calls. One that it was in is made once more, from the start;
 * an interrupt that is pending is used up on the way. -EAGAIN: it was at something else; served
 * later.
 */
static int settle(struct task *task, const struct stop *stop)
{
	const bool at_entry = stop->kind == STOP_SECCOMP;
	struct user_regs_struct *regs;
	bool in_call;
	uint64_t nr;
	int rc;

	task->tracee.regs_known = false;
	regs = tracee_regs(&task->tracee);
	if (!regs)
		return -ESRCH;
	nr = regs->orig_rax;
	in_call = (int64_t)nr >= 0 && call_was_broken_off((int64_t)regs->rax);
	if (task->state == TASK_CALLING && (stop->kind != STOP_EXIT_CALL || !in_call))
		return -EAGAIN;
	if (task->state == TASK_AGAIN && (stop->kind != STOP_GROUP || !in_call))
		return -EAGAIN;
	if (task->state == TASK_RUNNING && !at_entry && stop->kind != STOP_NEW &&
		stop->kind != STOP_GROUP)
		return -EAGAIN;
	if (task->state != TASK_RUNNING)
		special_restore_args(task);
	rc = agent_take_counter(task, at_entry);
	if (rc == 0 && (at_entry || in_call))
		tracee_retry_call(&task->tracee, nr);
	return rc;
}

/*
 * Stopped inside its agent: the agent gives the call up that it is in, and the call comes by
 * ptrace. What comes in between is served later.
 */
static int leave_agent(struct task *task, struct stop *stop)
{
	int rc = 0;

	task->tracee.regs_known = false;
	if ((stop->kind != STOP_NEW && stop->kind != STOP_GROUP) || !agent_is_inside(task))
		return 0;
	agent_break(task);
	rc = tracee_resume(&task->tracee, RESUME_RUN, 0);
	return rc < 0 ? rc : tracee_wait_for(task->tracee.tid, stop);
}

/* Stops it, and holds it as a task that waits for its turn to go on. */
static int hold(struct group *group, struct task *task)
{
	struct stop stop;
	int rc;

	if (task->state == TASK_READY) {
		/* Others may go on before it. */
		baton_give_up(task);
		return agent_take_counter(task, false);
	}
	rc = tracee_interrupt(&task->tracee);
	if (rc == 0)
		rc = tracee_wait_for(task->tracee.tid, &stop);
	if (rc == 0)
		rc = leave_agent(task, &stop);
	if (rc < 0)
		return rc;
	rc = settle(task, &stop);
	if (rc < 0) {
		if (rc == -EAGAIN || stop.kind == STOP_GONE)
			group_stash(group, &stop);
		return rc;
	}
	if (task->event)
		event_free(task->event);
	task->local_call = task->at_entry_stop = false;
	baton_give_up(task);
	task->event = event_new(task->tuple, EVENT_RESUME);
	task_enter(task, TASK_READY);
	event_ready(task->event);
	return 0;
}

static struct copy *copy_for(struct copies *copies, struct proc *proc)
{
	for (int i = 0; i < copies->n; i++) {
		if (copies->v[i].proc == proc)
			return &copies->v[i];
	}
	copies->v = xreallocarray(copies->v, copies->n + 1, sizeof(*copies->v));
	copies->v[copies->n] = (struct copy){ .proc = proc };
	return &copies->v[copies->n++];
}

/* All threads of the leader, by processes. False: they cannot be stopped now. */
static bool find_all(struct group *group, struct copies *copies)
{
	int n = 0;

	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *task = &tuple->tasks[group->leader];
		struct copy *copy;

		if (task->state == TASK_ABSENT)
			continue;
		if (!can_be_stopped(task) || n++ == THREADS_MAX)
			return false;
		copy = copy_for(copies, tuple->proc);
		copy->threads = xreallocarray(copy->threads, copy->n + 1, sizeof(*copy->threads));
		copy->threads[copy->n] = (struct copy_thread){ .task = task };
		if (task->tracee.tid == task->tracee.tgid) {
			copy->threads[copy->n].task = copy->threads[0].task;
			copy->threads[0].task = task;
		}
		copy->n++;
	}
	for (int i = 0; i < copies->n; i++) {
		const struct tracee *main = &copy_main(&copies->v[i])->tracee;

		if (main->tid != main->tgid)
			return false;
	}
	return copies->n > 0;
}

static bool hold_one(struct group *group, struct copy_thread *thread, bool idles)
{
	struct err err = { 0 };

	if (hold(group, thread->task) < 0)
		return false;
	thread->task->event->patient = idles;
	agent_hold(thread->task);
	return copy_note(thread, &err) == 0;
}

/* Those that do next to none of the work, or the others. */
static bool hold_those(struct group *group, struct copies *copies, bool idles)
{
	uint64_t most = 0;

	for (int i = 0; i < copies->n; i++) {
		for (int k = 0; k < copies->v[i].n; k++) {
			struct copy_thread *thread = &copies->v[i].threads[k];

			if (idles)
				thread->worked_ns = task_worked(thread->task);
			most = thread->worked_ns > most ? thread->worked_ns : most;
		}
	}
	for (int i = 0; i < copies->n; i++) {
		for (int k = 0; k < copies->v[i].n; k++) {
			struct copy_thread *thread = &copies->v[i].threads[k];

			if ((thread->worked_ns < most / IDLES) == idles &&
				!hold_one(group, thread, idles))
				return false;
		}
	}
	return true;
}

/*
 * The clients wait for threads that work: these are held last, have the CPU once more before that,
 * to come to the end of what they are at, and go on first.
 */
static bool hold_all(struct group *group, struct copies *copies)
{
	if (!find_all(group, copies) || !hold_those(group, copies, true))
		return false;
	sched_yield();
	return hold_those(group, copies, false);
}

static void give_up(struct mxm *mxm, int version, const char *why)
{
	uint64_t since;

	pthread_mutex_lock(&mxm->lock);
	since = mxm->versions[version].wanted_ns;
	mxm->versions[version].wanted_ns = 0;
	mxm->versions[version].awaits_ends |= why == several;
	pthread_mutex_unlock(&mxm->lock);
	if (!since)
		return; /* another group's monitor has said so */
	mxm->ops->rejoined(mxm->ops_arg, version, clock_ns() - since, why);
}

/* The next try comes later and later. */
static void postpone(struct group *group, int version, uint64_t now, const char *why)
{
	snprintf(group->rejoin.why, sizeof(group->rejoin.why), "%s", why);
	if (now - group->rejoin.begun_ns > GIVE_UP_NS) {
		give_up(group->mxm, version, why);
		group->rejoin.pause_ns = 0;
		return;
	}
	group->rejoin.pause_ns = group->rejoin.pause_ns * 2 < PAUSE_MOST_NS
					 ? group->rejoin.pause_ns * 2 + PAUSE_FIRST_NS
					 : PAUSE_MOST_NS;
	group->rejoin.next_ns = now + group->rejoin.pause_ns;
}

/* What a stop will tell the end of: the next try is at that one. */
static void await_end(struct group *group, int version, uint64_t now, const char *why)
{
	snprintf(group->rejoin.why, sizeof(group->rejoin.why), "%s", why);
	if (now - group->rejoin.begun_ns > GIVE_UP_NS)
		give_up(group->mxm, version, why);
}

/* For now, or for good. */
static void put_off(struct group *group, int version, uint64_t now, int rc, const struct err *err)
{
	if (rc == -EAGAIN || rc == -ESRCH)
		postpone(group, version, now, err->text);
	else
		give_up(group->mxm, version, err->text);
}

void rejoin_failed(struct group *group, int version, int rc, const struct err *err)
{
	group->rejoin.wary = true;
	put_off(group, version, clock_ns(), rc, err);
}

void rejoin_over(struct group *group)
{
	const int version = wanted(group);
	cleanup_free char *why = NULL;

	if (remake_over(group) || version < 0)
		return;
	why = xasprintf("the program ended before%s%s", group->rejoin.why[0] ? ": " : "",
		group->rejoin.why);
	give_up(group->mxm, version, why);
}

/* While @from runs on. */
static int prepare(struct group *group, int version, int from, struct err *err)
{
	struct mxm *mxm = group->mxm;
	cleanup_free struct tracee **ts = NULL;
	int n = 0;

	list_for_each (at, &group->tuples) {
		struct task *task = &container_of(at, struct tuple, link)->tasks[from];

		if (task->state == TASK_ABSENT || task->tracee.tid != task->tracee.tgid)
			continue;
		if (scripts_bind(task))
			return err_set(err, ENOTSUP,
				"the versions are scripts, which an interpreter has in its memory");
		ts = xreallocarray(ts, n + 1, sizeof(*ts));
		ts[n++] = &task->tracee;
	}
	if (!n)
		return err_set(err, EAGAIN, "the program has no main thread");
	return mxm->ops->rejoin_prepare(mxm->ops_arg, version, from, ts, n, err);
}

/* Could @lost come back as a copy of @stays? -EAGAIN: not yet. */
static int check_switch(struct group *group, int lost, int stays, struct err *err)
{
	const char *why;

	if (lost < 0 || stays < 0)
		return err_set(err, ESRCH, "only one version runs");
	why = obstacle(group, stays);
	if (why)
		return err_set(err, ENOTSUP, "%s", why);
	return prepare(group, lost, stays, err);
}

static void attend_switch(struct group *group)
{
	struct mxm *mxm = group->mxm;
	const uint64_t since = __atomic_load_n(&mxm->switch_ns, __ATOMIC_ACQUIRE);
	const uint64_t now = since ? clock_ns() : 0;
	const int follower = group->followers ? __builtin_ctz(group->followers) : -1;
	const int lost = mxm->pauses ? follower : group->leader;
	struct err err = { 0 };
	int rc;

	if (!since || group->bereft || group->remaking || now < group->rejoin.next_ns ||
		list_is_empty(&group->tuples))
		return;
	rc = check_switch(group, lost, mxm->pauses ? group->leader : follower, &err);
	if (rc == -EAGAIN && now - since < ANALYSIS_NS) {
		group->rejoin.next_ns = now + PAUSE_MOST_NS;
		return;
	}
	mxm->switch_ns = 0;
	if (rc < 0)
		mxm->ops->not_switched(mxm->ops_arg, err.text);
	else
		drop_version(mxm, lost);
}

void rejoin_attend(struct group *group)
{
	cleanup_copies struct copies copies = { 0 };
	const int version = wanted(group);
	const uint64_t now = version < 0 ? 0 : clock_ns();
	struct err err = { 0 };
	const char *why;
	uint64_t since;
	int rc;

	attend_switch(group);
	if (version < 0 || now < group->rejoin.next_ns || group->followers || group->remaking ||
		list_is_empty(&group->tuples) || group->nstashed)
		return;
	if (group->rejoin.want_ns != group->mxm->versions[version].wanted_ns) {
		group->rejoin.want_ns = group->mxm->versions[version].wanted_ns;
		group->rejoin.begun_ns = group->rejoin.want_ns;
		group->rejoin.why[0] = '\0';
		group->rejoin.wary = false;
	}
	if (group->bereft || !list_is_empty(&group->stream) || is_alive_in(group, version)) {
		await_end(group, version, now, "what was left of the lost version has not ended");
		return;
	}
	why = obstacle(group, group->leader);
	if (why) {
		postpone(group, version, now, why);
		return;
	}
	rc = prepare(group, version, group->leader, &err);
	if (rc < 0) {
		/* An analysis may take its time: that does not count. */
		if (rc == -EAGAIN && now - group->rejoin.want_ns < ANALYSIS_NS)
			group->rejoin.begun_ns = now;
		put_off(group, version, now, rc, &err);
		return;
	}
	since = group->mxm->versions[version].wanted_ns;
	/* Each of the many stops that are to come is a wake-up. */
	affinity_gather(group);
	if (!hold_all(group, &copies)) {
		postpone(group, version, now, "its threads cannot be stopped between two calls");
		return;
	}
	rc = remake(group, version, since, &copies, &err);
	if (rc == 0)
		group->rejoin.pause_ns = 0;
	else
		put_off(group, version, now, rc, &err);
}
