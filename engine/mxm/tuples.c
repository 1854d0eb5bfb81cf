/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/random.h>

#include "agent/wire.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/carry.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/late.h"
#include "mxm/modes.h"
#include "mxm/positions.h"
#include "mxm/settings.h"
#include "mxm/shadows.h"
#include "mxm/spins.h"
#include "mxm/surplus.h"
#include "mxm/unheard.h"

/*
 * What a task may compute, in CPU time, while another one waits for the baton. Where a slice ends
 * cannot be replayed, so it is long: all that a program does with system calls keeps its order.
 */
#define SLICE_NS 200000000ul
/* Half of it after each that was lost, but not less than a tick. */
#define LOST_SLICES_MAX 4

#define DEAD_TUPLES 64

struct tuple *tuple_make(struct group *group, struct proc *proc)
{
	struct tuple *tuple = xzalloc(sizeof(*tuple));

	tuple->group = group;
	tuple->proc = proc;
	__atomic_add_fetch(&proc->refs, 1, __ATOMIC_RELAXED);
	tuple->id = __atomic_add_fetch(&group->mxm->next_tuple, 1, __ATOMIC_RELAXED);
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		tuple->tasks[v].tuple = tuple;
		tuple->tasks[v].version = v;
	}
	list_init(&tuple->link);
	list_init(&tuple->unheard);
	return tuple;
}

struct tuple *tuple_new(struct group *group, struct proc *proc)
{
	struct tuple *tuple = tuple_make(group, proc);

	list_append(&group->tuples, &tuple->link);
	return tuple;
}

/*
 * A monitor that is about to hand a task over can still hold the tuple that it is for; the last
 * ones are kept for it to find them over.
 */
static void bury(struct mxm *mxm, struct tuple *tuple)
{
	pthread_mutex_lock(&mxm->lock);
	list_append(&mxm->dead_tuples, &tuple->link);
	if (++mxm->ndead_tuples > DEAD_TUPLES) {
		struct tuple *oldest = container_of(mxm->dead_tuples.next, struct tuple, link);

		list_remove(&oldest->link);
		mxm->ndead_tuples--;
		free(oldest);
	}
	pthread_mutex_unlock(&mxm->lock);
}

static void forget_child(struct group *group, const struct tuple *child)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);

		for (int v = 0; v < group->mxm->config.nversions; v++) {
			if (tuple->tasks[v].forked == child)
				tuple->tasks[v].forked = NULL;
		}
	}
}

void tuple_drop_if_over(struct tuple *tuple)
{
	struct mxm *mxm = tuple->group->mxm;

	if (tuple->unconsumed)
		return;
	list_for_each (at, &tuple->group->ready) {
		if (container_of(at, struct event, link)->tuple == tuple)
			return;
	}
	for (int v = 0; v < mxm->config.nversions; v++) {
		if (tuple->tasks[v].state != TASK_ABSENT)
			return;
	}
	list_remove(&tuple->link);
	forget_child(tuple->group, tuple);
	unheard_forget(&tuple->unheard);
	if (tuple->ids && !tuple->moves_to)
		ids_end(mxm, tuple->ids);
	proc_put(mxm, tuple->proc);
	bury(mxm, tuple);
}

struct proc *proc_new(struct mxm *mxm)
{
	struct proc *proc = xzalloc(sizeof(*proc));

	proc->fds = fds_new();
	proc->seed = mxm->config.seed;
	if (!proc->seed && getrandom(&proc->seed, sizeof(proc->seed), 0) < 0)
		proc->seed = event_clock();
	list_init(&proc->link);
	list_init(&proc->locks);
	list_init(&proc->unheard);
	list_init(&proc->posix_timers);
	list_init(&proc->surplus);
	list_init(&proc->apart);
	list_init(&proc->parted);
	list_init(&proc->settings);
	settings_renew(proc);
	return proc;
}

struct proc *proc_fork(struct mxm *mxm, struct proc *parent, bool share_fds)
{
	struct proc *proc = proc_new(mxm);
	struct fdtab *fresh = proc->fds;

	proc->fds = share_fds ? fds_get(mxm, parent->fds) : fds_copy(mxm, parent->fds);
	fds_put(mxm, fresh);
	memcpy(proc->sig, parent->sig, sizeof(proc->sig));
	proc->affinity = parent->affinity;
	proc->shares_memory = parent->shares_memory;
	proc->maps_written_files = parent->maps_written_files;
	proc->marks_memory = parent->marks_memory;
	shadows_fork(mxm, parent, proc);
	proc->other_user = parent->other_user;
	proc->has_signalfd = parent->has_signalfd;
	proc->cpu_limit = parent->cpu_limit;
	proc->has_cpu_limit = parent->has_cpu_limit;
	agent_forked(proc, parent);
	return proc;
}

void proc_fork_version(struct proc *parent, struct proc *child, int version)
{
	memcpy(child->private_fds[version], parent->private_fds[version],
		sizeof(child->private_fds[version]));
	memcpy(child->unshared_fds[version], parent->unshared_fds[version],
		sizeof(child->unshared_fds[version]));
	memcpy(child->own_fds[version], parent->own_fds[version], sizeof(child->own_fds[version]));
	child->has_shadows[version] = parent->has_shadows[version];
	child->group_due[version] = parent->group_due[version];
	settings_fork(child, parent);
	agent_forked_version(child, parent, version);
}

void proc_known_signals(struct proc *proc, pid_t pid)
{
	const uint64_t ignored = thread_signals(pid, "SigIgn:");

	for (int i = 0; i < 64; i++) {
		if (ignored >> i & 1)
			proc->sig[i].handler = (uint64_t)SIG_IGN;
	}
	settings_renew(proc);
}

void proc_put(struct mxm *mxm, struct proc *proc)
{
	if (__atomic_sub_fetch(&proc->refs, 1, __ATOMIC_ACQ_REL))
		return;
	surplus_forget(proc, -1, -1);
	modes_forget(proc, -1, -1);
	positions_forget(proc, -1, -1);
	settings_renew(proc);
	fds_put(mxm, proc->fds);
	carry_free(proc);
	unheard_forget(&proc->unheard);
	shadows_release(mxm, proc);
	agent_free(proc);
	late_free(proc);
	free(proc);
}

void task_born(struct tuple *tuple, int version, pid_t tid, pid_t tgid, struct mm *mm)
{
	struct task *task = &tuple->tasks[version];

	task->tracee = (struct tracee){ .tid = tid, .tgid = tgid, .mm = mm };
	task->starting = task->at_entry_stop = task->local_call = task->settling = false;
	task->preempted = 0;
	task->lost_slices = 0;
	task->spin = (struct spin){ 0 };
	task->nheld = 0;
	task->passed.si_signo = 0;
	task->clear_tid_at = 0;
	task->slot = 0;
	task->mode = AGENT_OFF;
	task->event = NULL;
	task->done = 0;
	task->sequence.rule = NULL;
	str_reset(&task->ahead.bytes);
	task_enter(task, TASK_UNBORN);
	__atomic_add_fetch(&tuple->group->mxm->versions[version].ntasks, 1, __ATOMIC_RELAXED);
}

void task_gone(struct task *task)
{
	baton_give_up(task);
	agent_task_gone(task);
	task_enter(task, TASK_ABSENT);
	mm_put(task->tracee.mm);
	__atomic_sub_fetch(
		&task->tuple->group->mxm->versions[task->version].ntasks, 1, __ATOMIC_RELAXED);
	/* Nothing of it is for another one that may come here: a version can come back. */
	str_free(&task->in);
	str_free(&task->ahead.bytes);
	free(task->held);
	*task = (struct task){ .tuple = task->tuple, .version = task->version };
}

void baton_take(struct task *task)
{
	struct group *group = task->tuple->group;

	group->baton[task->version] = task;
	group->slice_begun[task->version] = 0;
	spins_begin_turn(task);
}

uint64_t task_cpu_time(const struct task *task)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(task->tracee.tgid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return ts.tv_sec * 1000000000ul + ts.tv_nsec + 1;
}

uint64_t task_worked(const struct task *task)
{
	cleanup_str struct str text = STR_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", task->tracee.tgid,
		task->tracee.tid);
	return io_read_file(path, 256, &text, NULL) == 0 ? strtoull(str_text(&text), NULL, 10) : 0;
}

char task_proc_state(const struct task *task)
{
	return thread_state(task->tracee.tid);
}

/* What spins has no use of its slice: the one that it waits for is to come soon. */
static uint64_t slice_of(const struct task *task)
{
	return SLICE_NS >> task->lost_slices;
}

void baton_claim(struct group *group, int version)
{
	struct task *holder = group->baton[version];
	uint64_t now;

	group->wants_ticks = true;
	if (!holder || holder->state != TASK_RUNNING || holder->tracee.interrupted)
		return;
	now = task_cpu_time(holder);
	if (!group->slice_begun[version])
		group->slice_begun[version] = now;
	if (now - group->slice_begun[version] > slice_of(holder) &&
		tracee_interrupt(&holder->tracee) == 0)
		holder->slice_over = true;
	else if (now - group->slice_begun[version] >= spins_look_after(holder) &&
		 tracee_interrupt(&holder->tracee) == 0) {
		holder->looked_at = true;
		if (holder->spin.looks < SPIN_LOOKS_MAX)
			holder->spin.looks++;
	}
	if (spins_is_known(holder) && !holder->tracee.interrupted) {
		group->wants_break = true;
		group->breaks = holder->spin.looks;
	}
}

void baton_give_up(struct task *task)
{
	struct group *group = task->tuple->group;

	uint64_t begun = group->slice_begun[task->version];

	if (group->baton[task->version] != task)
		return;
	/* No other task could end a wait meanwhile: it was computing. */
	if (begun && task->lost_slices && task_cpu_time(task) - begun > slice_of(task) / 2)
		task->lost_slices = 0;
	group->baton[task->version] = NULL;
}

/*
 * A thread has the baton until it is gone, since its memory changes as it ends; but a main thread
 * is not, to whoever waits for it, until its process's other threads are (ptrace(2), "Death under
 * ptrace"). It does nothing any more once it is a zombie.
 */
void baton_tick(struct group *group)
{
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		struct task *holder = group->baton[v];

		if (holder && holder->last_stop && holder->tracee.tid == holder->tracee.tgid &&
			task_proc_state(holder) == 'Z')
			baton_give_up(holder);
	}
}

void baton_end_slice(struct task *task)
{
	task->tuple->group->slice_begun[task->version] = 0;
	baton_give_up(task);
	if (task->lost_slices < LOST_SLICES_MAX)
		task->lost_slices++;
}

void baton_lose(struct task *task)
{
	baton_give_up(task);
	task->preempted = ++task->tuple->group->preemptions;
}

bool task_waits_beside(const struct group *group, const struct task *leader)
{
	list_for_each (at, &group->tuples) {
		const struct task *t = &container_of(at, struct tuple, link)->tasks[group->leader];

		if (t->settling || (t != leader && t->state == TASK_ASKING && t->event))
			return true;
	}
	return false;
}
