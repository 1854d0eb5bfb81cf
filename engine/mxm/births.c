/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks come and go: fork, exec, the program's entry, the end. */
#include <asm/prctl.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/carry.h"
#include "mxm/clones.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/handover.h"
#include "mxm/ids.h"
#include "mxm/late.h"
#include "mxm/layout.h"
#include "mxm/masks.h"
#include "mxm/posix_timers.h"
#include "mxm/postmortem.h"
#include "mxm/rejoin.h"
#include "mxm/settings.h"
#include "mxm/shadows.h"
#include "mxm/special_limits.h"
#include "mxm/standins.h"
#include "mxm/told.h"
#include "mxm/tsc.h"
#include "mxm/unheard.h"

static struct mm *mm_of_child(struct task *parent, pid_t child, bool shares)
{
	struct mm *mm;

	if (shares)
		return mm_get(parent->tracee.mm);
	mm = mm_open(child);
	mm->no_gateway = parent->tracee.mm->no_gateway;
	mm->no_vm = parent->tracee.mm->no_vm;
	return mm;
}

static struct tuple *new_tuple(struct task *task, const struct clone_call *c, pid_t child)
{
	struct group *group =
		handover_possible(task, c->flags) ? handover_group(task) : task->tuple->group;
	struct mxm *mxm = group->mxm;
	struct proc *proc = task->tuple->proc;
	struct tuple *tuple;

	if (!(c->flags & CLONE_THREAD)) {
		proc = proc_fork(mxm, proc, c->flags & CLONE_FILES);
		__atomic_add_fetch(&mxm->stats.processes, 1, __ATOMIC_RELAXED);
	} else {
		__atomic_add_fetch(&mxm->stats.threads, 1, __ATOMIC_RELAXED);
	}
	tuple = tuple_new(group, proc);
	tuple->ids = ids_new(mxm, child);
	if (!proc->ids)
		proc->ids = tuple->ids;
	return tuple;
}

void births_forked(struct task *task, pid_t child)
{
	struct group *group = task->tuple->group;
	struct clone_call c;
	bool follows = task_follows(task) && task->event;
	struct event *event = task->event;
	uint64_t child_tid_at, left_out = 0;
	struct tuple *tuple;
	struct mm *mm;
	bool moved;

	if (!clones_read(task, &c))
		c = (struct clone_call){ 0 };
	if (follows) {
		left_out = clones_left_out(task, event);
		c.flags &= ~left_out;
		tuple = event->child;
	} else {
		tuple = new_tuple(task, &c, child);
	}
	if (!tuple) {
		/* The leader's call made no child: the comparison will find it. */
		task_resume(task, RESUME_TO_EXIT, 0);
		return;
	}
	ids_set(group->mxm, tuple->ids, task->version, child);
	masks_inherit(task, tuple);
	if (c.flags & (CLONE_THREAD | CLONE_FILES))
		late_forbid(task);
	if (tuple->proc != task->tuple->proc)
		proc_fork_version(task->tuple->proc, tuple->proc, task->version);
	if (left_out)
		tuple->proc->own_copy[task->version] = true;
	moved = tuple->group != group;
	mm = mm_of_child(task, child, c.flags & CLONE_VM);
	child_tid_at = c.flags & CLONE_CHILD_SETTID ? c.child_tid : 0;
	if (!moved) {
		task_born(tuple, task->version, child,
			c.flags & CLONE_THREAD ? task->tracee.tgid : child, mm);
		tuple->tasks[task->version].child_tid_at = child_tid_at;
		tuple->tasks[task->version].clear_tid_at =
			c.flags & CLONE_CHILD_CLEARTID ? c.child_tid : 0;
	}
	/* CLONE_PARENT_SETTID wrote this version's id, where the child may look as soon as it runs.
	 */
	if ((c.flags & CLONE_PARENT_SETTID) && c.parent_tid && tuple->ids->known != child &&
		tracee_write(&task->tracee, raddr(c.parent_tid), &tuple->ids->known,
			sizeof(tuple->ids->known)) == -ESRCH)
		return;
	/* One that is another monitor's is not this one's to wait for. */
	task->forked = moved ? NULL : tuple;
	task->returns = true;
	task->child_known = tuple->ids->known;
	task->event = NULL;
	baton_give_up(task);
	if (follows) {
		event_consumed(event, task->version);
	} else if (event) {
		event->child = tuple;
		event->result = child;
		event_publish(event);
	}
	if (!follows)
		told_birth(tuple, task->tuple, c.flags & CLONE_THREAD);
	if (moved)
		handover_send(group, tuple, task->version, child, mm, child_tid_at);
	else if (group_take_orphan(group, child))
		births_new_stop(group, child);
	task_resume(task, RESUME_TO_EXIT, 0);
}

void births_new_stop(struct group *group, pid_t tid)
{
	struct task *task = group_find(group, tid);
	pid_t known;

	if (!task) {
		group->orphans =
			xreallocarray(group->orphans, group->norphans + 1, sizeof(*group->orphans));
		group->orphans[group->norphans++] = tid;
		return;
	}
	known = task->tuple->ids->known;
	if (task->child_tid_at && known != tid &&
		tracee_write(&task->tracee, raddr(task->child_tid_at), &known, sizeof(known)) ==
			-ESRCH)
		return;
	if (task_follows(task)) {
		task_enter(task, TASK_NEWBORN);
		return;
	}
	/* Its parent made it as a follower. */
	if (carry_is_due(task))
		carry_take_up_running(task);
	task->event = event_new(task->tuple, EVENT_BIRTH);
	task_enter(task, TASK_READY);
	event_ready(task->event);
}

/* The thread that called execve takes over the id of its process; the others are gone. */
static struct task *take_over_process(struct group *group, struct task *task, pid_t former)
{
	struct task *caller;

	if (former == task->tracee.tid)
		return task;
	caller = group_find(group, former);
	if (!caller)
		return task;
	{
		struct tuple *lost = task->tuple;
		pid_t tgid = task->tracee.tid;

		if (task->event && task->state == TASK_READY)
			event_free(task->event);
		task->event = NULL;
		task_gone(task);
		caller->tracee.tid = tgid;
		ids_set(group->mxm, caller->tuple->ids, caller->version, tgid);
		tuple_drop_if_over(lost);
	}
	return caller;
}

/* What a new program starts with is the same in every version: drawn from the process's seed. */
static void random_of_exec(struct task *task, uint8_t random[16])
{
	struct proc *proc = task->tuple->proc;
	unsigned n = ++proc->execs[task->version];
	uint64_t x = proc->seed ^ ((uint64_t)n << 32);

	proc->start_draws[task->version] = n << 16;
	for (int i = 0; i < 16; i++) {
		x = x * 6364136223846793005ul + 1442695040888963407ul;
		random[i] = (uint8_t)(x >> 33);
	}
}

/*
 * CPUID faults, so that versions cannot differ by it. Where the machine cannot make it fault
 * (ENODEV), that is said once: programs that draw from rdrand by themselves differ then.
 */
static void make_cpuid_fault(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	long r;

	if (mxm->no_cpuid_fault ||
		tracee_remote(&task->tracee, false, &r, SYS_arch_prctl, ARCH_SET_CPUID, 0, 0, 0, 0,
			0) < 0 ||
		r == 0)
		return;
	mxm->no_cpuid_fault = true;
	mxm->ops->note(mxm->ops_arg, "rdrand-not-masked", task->version, 0,
		"this machine has no CPUID faulting: rdrand and rdseed stay visible");
}

/*
 * The time stamp counter faults from the program's entry on: what a loader measures with it is its
 * own. The monitor is made to fault too, since a switch between one that does and one that does not
 * costs the processor a change of its modes.
 */
static void make_counter_fault(struct task *task)
{
	long r;

	task->counter_free = false;
	(void)!tracee_remote(
		&task->tracee, false, &r, SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0, 0);
	tsc_give_up();
}

static void note_entry(const struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	const unsigned all = (1u << mxm->config.nversions) - 1;
	bool complete;

	if (!task->tuple->proc->is_root)
		return;
	mxm->ops->runs(mxm->ops_arg, task->version, task->tracee.tgid);
	pthread_mutex_lock(&mxm->lock);
	complete = mxm->entered != all;
	mxm->entered |= 1u << task->version;
	complete = complete && mxm->entered == all;
	pthread_mutex_unlock(&mxm->lock);
	if (complete)
		mxm->ops->entered(mxm->ops_arg);
}

static void reach_entry(struct task *task)
{
	make_counter_fault(task);
	task->starting = false;
	note_entry(task);
	baton_give_up(task);
	if (task_follows(task)) {
		task_enter(task, TASK_NEWBORN);
		return;
	}
	task->event = event_new(task->tuple, EVENT_ENTRY);
	task_enter(task, TASK_READY);
	event_ready(task->event);
}

/* Set-user-id and set-group-id programs run without it while they are traced (execve(2)): that is
 * said. */
static void note_set_id(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", task->tracee.tgid);
	if (stat(path, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)))
		mxm->ops->note(mxm->ops_arg, "set-id-ignored", task->version,
			task->tuple->ids->known, "a set-id program runs with the caller's own ids");
}

static int begin_program(struct task *task, struct err *err)
{
	struct start start;
	struct user_regs_struct *regs;
	uint8_t random[16];
	int rc;

	random_of_exec(task, random);
	rc = tracee_prepare_start(&task->tracee, random, &start, err);
	if (rc == 0)
		rc = tracee_map_gateway(&task->tracee, err);
	if (rc < 0)
		return rc;
	note_set_id(task);
	make_cpuid_fault(task);
	regs = tracee_regs(&task->tracee);
	if (!regs)
		return -ESRCH;
	task->starting = true;
	task->entry = raddr(start.entry);
	if (regs->rip == start.entry) {
		reach_entry(task);
		return 0;
	}
	rc = tracee_plant(&task->tracee, task->entry, &task->entry_byte);
	if (rc < 0)
		return err_errno(err, -rc, "cannot set a breakpoint at the program's entry");
	task_enter(task, TASK_RUNNING);
	task_resume(task, RESUME_RUN, 0);
	return 0;
}

void births_executed(struct task *task, pid_t former)
{
	struct group *group = task->tuple->group;
	struct mxm *mxm = group->mxm;
	struct proc *proc;
	struct err err;
	bool follows;
	int rc;

	task = take_over_process(group, task, former);
	proc = task->tuple->proc;
	follows = task_follows(task);
	layout_after_exec(task);
	mm_put(task->tracee.mm);
	task->tracee.mm = mm_open(task->tracee.tgid);
	task->tracee.mm->no_vm = mxm->config.lock_memory_ways;
	task->at_entry_stop = task->args_changed = false;
	task->nheld = 0;
	task->spin = (struct spin){ 0 };
	agent_task_gone(task);
	agent_executed(proc, task->version);
	local_executed(task);
	settings_executed(proc);
	baton_give_up(task);
	if (!follows) {
		told_answer(task, 0);
		/* A thread's that is gone now: for every version it comes before. */
		lead_publish_held_back(group);
		fds_exec(mxm, proc->fds);
		proc->shares_memory = proc->maps_written_files = proc->marks_memory = false;
		posix_timers_free(proc);
		shadows_release(mxm, proc);
		for (int i = 0; i < 64; i++) {
			if (proc->sig[i].handler > 1)
				proc->sig[i].handler = 0;
		}
		if (task->event) {
			task->event->result = 0;
			event_publish(task->event);
		}
	} else if (task->event) {
		event_consumed(task->event, task->version);
	}
	task->event = NULL;
	rc = begin_program(task, &err);
	if (rc < 0 && rc != -ESRCH) {
		mxm->ops->note(mxm->ops_arg, "start-failed", task->version, task->tuple->ids->known,
			err.text);
		drop_version(mxm, task->version);
	}
}

bool births_at_entry(struct task *task)
{
	struct user_regs_struct *regs;

	if (!task->starting)
		return false;
	regs = tracee_regs(&task->tracee);
	if (!regs || regs->rip != task->entry.addr + 1)
		return false;
	if (tracee_uproot(&task->tracee, task->entry, task->entry_byte) < 0)
		return true;
	regs = tracee_touch(&task->tracee);
	regs->rip = task->entry.addr;
	reach_entry(task);
	return true;
}

/* Events of a process that is being killed, which never had their turn. */
static void forget_ready(struct proc *proc, struct group *group)
{
	list_for_each_safe (at, &group->ready) {
		struct event *event = container_of(at, struct event, link);

		if (event->tuple->proc != proc)
			continue;
		event->tuple->tasks[group->leader].event = NULL;
		event_free(event);
	}
}

/*
 * A signal has ended the task, and it was not the stream's doing. What the program did to itself is
 * the program's: every version's process is ended; so is what the kernel does at the limit of CPU
 * time. A kill from outside, and any end of a follower, is a crash.
 */
static void ended_by_signal(struct task *task, int sig, bool stopped)
{
	struct group *group = task->tuple->group;
	struct proc *proc = task->tuple->proc;
	siginfo_t info = { .si_signo = sig };
	struct event *event;

	if (task_follows(task) ||
		(sig == SIGKILL && !proc->ids->kill_expected && !limits_killed(task))) {
		if (!task_follows(task) && stopped)
			lead_harvest(task);
		if (task->crash_told || !drop_crashed(task, &info, stopped))
			proc->exiting = true;
		return;
	}
	proc->exiting = true;
	lead_publish_held_back(group);
	forget_ready(proc, group);
	event = event_new(task->tuple, EVENT_KILLED);
	event->sig = sig;
	/* Another one's agent may be at a record, where the mark of this would come to stand. */
	if (group->baton[group->leader] && group->baton[group->leader] != task)
		list_append(&group->ready, &event->link);
	else
		event_publish(event);
}

void births_lost(struct task *task)
{
	struct tuple *tuple = task->tuple;

	ended_by_signal(task, SIGKILL, false);
	task_gone(task);
	tuple_drop_if_over(tuple);
}

/* Has it come to its end in every version, as the last thread of its process? */
static bool is_over(const struct tuple *tuple)
{
	for (int v = 0; v < tuple->group->mxm->config.nversions; v++) {
		const struct task *task = &tuple->tasks[v];

		if (task->state != TASK_ABSENT && !task->last_stop)
			return false;
	}
	return !tuple->unconsumed && __atomic_load_n(&tuple->proc->refs, __ATOMIC_RELAXED) == 1;
}

void births_dying(struct task *task, int status)
{
	struct group *group = task->tuple->group;
	struct proc *proc = task->tuple->proc;

	if ((group->dropping & (1u << task->version)) || WIFSIGNALED(status))
		late_keep(task);
	if (group->dropping & (1u << task->version)) {
		if (!task_follows(task))
			lead_harvest(task);
	} else if (task->state != TASK_ENDING && !proc->exiting && WIFSIGNALED(status)) {
		/* Else: its own exit, its process's, or a thread whose process calls execve. */
		ended_by_signal(task, WTERMSIG(status), true);
	}
	/* Killed by its own process, while a call of its own had ended but not had its turn: for
	 * every version it ends before. */
	if (!task_follows(task) && group->mxm->versions[task->version].alive &&
		task->state == TASK_READY && task->event) {
		event_free(task->event);
		task->event = NULL;
	}
	if (!group->mxm->versions[task->version].alive && !task_follows(task))
		unheard_note(task);
	task->settling = false; /* it does not go on, whoever has had its event */
	task_enter(task, TASK_ENDING);
	task->last_stop = true;
	if (!group->mxm->versions[task->version].alive) {
		kept_begin(task);
		return;
	}
	/* Who waits for its end may execute a file that it had mapped, before we come to see it. */
	if (is_over(task->tuple))
		shadows_release(group->mxm, proc);
	task_resume(task, RESUME_RUN, 0);
}

/* Has the program's first process ended in every version? */
static bool is_deserted(const struct tuple *root)
{
	const struct mxm *mxm = root->group->mxm;

	for (int v = 0; v < mxm->config.nversions; v++) {
		if (root->tasks[v].state != TASK_ABSENT)
			return false;
	}
	return true;
}

/* Is its end the program's? Also where it was to lead, and what led is not all gone. */
static bool is_in_front(const struct task *task)
{
	const struct group *group = task->tuple->group;

	if (group->dropping & (1u << task->version))
		return false;
	return !task_follows(task) || (group->bereft && task->version == group->mxm->leader);
}

void births_gone(struct task *task, int status)
{
	struct tuple *tuple = task->tuple;
	struct group *group = tuple->group;
	struct mxm *mxm = group->mxm;
	bool root = tuple->proc->is_root && task->tracee.tid == task->tracee.tgid;
	bool leads = is_in_front(task);

	if (task->state != TASK_ENDING && !tuple->proc->exiting && WIFSIGNALED(status) &&
		!(group->dropping & (1u << task->version)) && !WIFEXITED(status)) {
		/* Killed where its last stop could not be looked at. */
		ended_by_signal(task, WTERMSIG(status), false);
	}
	if (task->tracee.tid == task->tracee.tgid)
		standins_end(group, task->version, task->tracee.tgid, status);
	/* What a follower was being given belongs to the stream. */
	if (!task_follows(task) && task->event && list_is_empty(&task->event->link) &&
		!task->event->pending)
		event_free(task->event);
	task->event = NULL;
	postmortem_gone(task);
	/*
	 * Looks that it did not need are all that can be left for it. Of a leader that is being
	 * ended there can be more to come, if this one has ended before it could lead.
	 */
	if (task_follows(task)) {
		event_forget(group, tuple, task->version);
		tuple->parted |= 1u << task->version;
	}
	task_gone(task);
	if (root && leads) {
		rejoin_over(group);
		mxm->ops->ended(mxm->ops_arg, status);
	}
	if (root && mxm->config.first_ends_all && is_deserted(tuple))
		drop_rest(mxm);
	tuple_drop_if_over(tuple);
}
