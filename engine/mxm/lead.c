/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leader's side of the stream: its calls are made, and become events. Where no version follows,
 * calls are let go as they are, but for those whose ids must be translated.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "mxm/agent.h"
#include "mxm/barrier.h"
#include "mxm/canon.h"
#include "mxm/carry.h"
#include "mxm/closes.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/handover.h"
#include "mxm/ids.h"
#include "mxm/install.h"
#include "mxm/jobs.h"
#include "mxm/late.h"
#include "mxm/modes.h"
#include "mxm/pieces.h"
#include "mxm/positions.h"
#include "mxm/preludes.h"
#include "mxm/ready.h"
#include "mxm/refusals.h"
#include "mxm/restart.h"
#include "mxm/shadows.h"
#include "mxm/special.h"
#include "mxm/special_namespaces.h"
#include "mxm/spins.h"
#include "mxm/told.h"
#include "mxm/vain.h"
#include "mxm/wanted.h"

/* How far the stream may grow before the leader waits for its followers. */
#define LAG_EVENTS 4096
#define LAG_BYTES  (16ul << 20)

/* Ids and the data that the engine knows apart must be put right even where no version follows. */
static bool needs_exit(const struct task *task)
{
	const struct sys_row *row = task->call.row;
	const struct mxm *mxm = task->tuple->group->mxm;

	if (task->tuple->group->followers || task->done || mxm->ops->asked)
		return true;
	if (row->special && row->special != SPECIAL_MMAP)
		return true;
	if (mxm->versions[task->version].identity)
		return false;
	for (int i = 0; i < row->nargs; i++) {
		if (row->args[i].kind == ARG_PID || row->args[i].kind == ARG_TID)
			return true;
	}
	return (row->flags & SYS_PID_RESULT) != 0;
}

/* Is argument @i the child that it waits for, and no group? */
static bool waits_for_child(const struct task *task, int i)
{
	const struct call *call = &task->call;

	if (call->row->special != SPECIAL_WAIT)
		return false;
	return call->nr == SYS_waitid ? call->args[0] == P_PID : (pid_t)call->args[i] > 0;
}

static int translate_ids(struct task *task)
{
	const struct sys_row *row = task->call.row;
	struct mxm *mxm = task->tuple->group->mxm;

	if (mxm->versions[task->version].identity)
		return 0;
	for (int i = 0; i < row->nargs; i++) {
		pid_t known = (pid_t)task->call.args[i], real;
		int rc;

		if (row->args[i].kind != ARG_PID && row->args[i].kind != ARG_TID)
			continue;
		real = waits_for_child(task, i) ? ids_to_waited(mxm, task->version, known)
						: ids_to_real(mxm, task->version, known);
		rc = real == known ? 0 : special_set_arg(task, i, (uint64_t)(int64_t)real);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void complete(struct task *task, int64_t result);

/* Lets the kernel make the call. */
static void make_call(struct task *task)
{
	const struct sys_row *row = task->call.row;
	const struct special *special = special_of(row);

	if (row->class == SYS_REFUSED) {
		refusals_note(task, row->refusal, row->reason);
		tracee_skip_call(&task->tracee, -row->refusal);
		task->at_entry_stop = false;
		complete(task, -row->refusal);
		return;
	}
	/* The end of a thread is a step of its own: its memory changes once it is gone. */
	if (row->special == SPECIAL_EXIT) {
		task_enter(task, TASK_READY);
		event_ready(task->event);
		return;
	}
	if (translate_ids(task) < 0) {
		task_enter(task, TASK_CALLING); /* it vanished: its last stop is what comes next */
		return;
	}
	if (special && special->lead) {
		int rc = special->lead(task, task->event);

		if (rc < 0) {
			task_enter(task, TASK_CALLING);
			return;
		}
		if (task->event)
			task->event->executed = true;
		if (rc == SPECIAL_MADE) {
			tracee_skip_call(&task->tracee, task->made_result);
			task->at_entry_stop = false;
			complete(task, task->made_result);
			return;
		}
	}
	if (task->event)
		task->event->executed = true;
	task->at_entry_stop = false;
	task_enter(task, TASK_CALLING);
	task_resume(task, RESUME_TO_EXIT, 0);
}

/* No version follows: the call is let go, and the task keeps the baton unless it may block. */
static void ask_alone(struct task *task)
{
	const struct sys_row *row = task->call.row;

	task->event = NULL;
	if (task->tuple->group->mxm->ops->asked)
		told_ask(task);
	if (row && row->class == SYS_REFUSED) {
		refusals_note(task, row->refusal, row->reason);
		tracee_skip_call(&task->tracee, -row->refusal);
		task->at_entry_stop = false;
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (row && row->special == SPECIAL_EXIT) {
		task->event = event_new(task->tuple, EVENT_CALL);
		task->event->call = task->call;
		task_enter(task, TASK_READY);
		event_ready(task->event);
		return;
	}
	if (!row || row->class == SYS_UNSUPPORTED || !needs_exit(task)) {
		/* It runs on without a stop: the baton is of no use to a version alone. */
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	make_call(task);
}

static bool refuse_unsupported(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	const struct sys_row *row = task->call.row;
	cleanup_str struct str text = STR_INIT;

	const char *use = row ? namespaces_unsupported(task) : NULL;

	if (row && row->class != SYS_UNSUPPORTED && !use)
		return false;
	sys_print_call(&text, row, task->call.nr, task->call.args, NULL, NULL, NULL);
	mxm->ops->unsupported(mxm->ops_arg, task->version, task->tuple->ids->known, str_text(&text),
		use		     ? use
		: row && row->reason ? row->reason
				     : "no row in the system-call table");
	for (int v = 0; v < mxm->config.nversions; v++) {
		if (v != task->version && mxm->versions[v].alive)
			drop_version(mxm, v);
	}
	drop_check(task->tuple->group);
	return true;
}

/*
 * A fork copies memory that no other task may be changing. Where the kernel puts a mapping depends
 * on those that there are, and others are made without a stop by whoever has the baton. The events
 * of forks and of execve go out when the kernel has made them: no agent may be at a record then. So
 * such calls keep it.
 */
static bool keeps_baton(const struct sys_row *row)
{
	return row->special == SPECIAL_CLONE || row->special == SPECIAL_EXEC ||
	       (row->class == SYS_MIRRORED &&
		       (row->special == SPECIAL_MMAP || row->special == SPECIAL_SHM));
}

void lead_asks(struct task *task)
{
	struct group *group = task->tuple->group;

	task->behind = false;
	lead_publish_held_back(group);
	if (jobs_put_off_call(task))
		return;
	if (task->tuple->proc->has_to_carry && !task->starting) {
		carry_take_up(task);
		return;
	}
	if (local_call(task))
		return;
	if (!list_is_empty(&task->tuple->proc->apart) && modes_take_over(task))
		return;
	if (!list_is_empty(&task->tuple->proc->parted) && positions_take_over(task))
		return;
	if ((task->ahead.bytes.len || task->done) && pieces_take_over(task))
		return;
	if (!list_is_empty(&task->tuple->proc->surplus) && canon_inputs(task) == 0 &&
		(pieces_serve(task) || ready_tell(task)))
		return;
	if (task->sequence.rule && wanted_rest(task))
		return;
	if (signals_come(task))
		return;
	__atomic_add_fetch(&group->mxm->stats.calls, 1, __ATOMIC_RELAXED);
	if (group->followers && !refuse_unsupported(task) && group->followers) {
		if (canon_inputs(task) < 0)
			return;
		task->event = event_new(task->tuple, EVENT_CALL);
		task->event->call = task->call;
		str_append(&task->event->in, task->in.data, task->in.len);
		if (task->call.row->special != SPECIAL_EXIT)
			late_settle(task, task->event);
		positions_note(task, task->event);
		vain_note(task, task->event);
		preludes_note(task, task->event);
		closes_note(task, task->event);
		if (!keeps_baton(task->call.row))
			baton_give_up(task);
		task_enter(task, TASK_ASKING);
		if (!barrier_waits(task))
			make_call(task);
		return;
	}
	late_settle(task, NULL);
	ask_alone(task);
}

void lead_asks_again(struct task *task)
{
	const struct special *special = task->call.row ? special_of(task->call.row) : NULL;

	task->at_entry_stop = true;
	if (task->call.row && !task->args_changed &&
		(translate_ids(task) < 0 ||
			(special && special->lead && special->lead(task, task->event) < 0)))
		return;
	task->at_entry_stop = false;
	task_enter(task, TASK_CALLING);
	task_resume(task, RESUME_TO_EXIT, 0);
}

/* What happened becomes the event's; then it waits for its turn. */
static void complete(struct task *task, int64_t result)
{
	const struct sys_row *row = task->call.row;
	struct mxm *mxm = task->tuple->group->mxm;
	const struct special *special = special_of(row);
	struct event *event = task->event;
	const int64_t was = result;
	int rc = 0;

	if (task->done)
		result = pieces_result(task, result);
	if ((row->flags & SYS_PID_RESULT) && result > 0)
		result = ids_to_known(mxm, task->version, (pid_t)result);
	if (row->class != SYS_REFUSED)
		rc = special_new_fds(task, event, result);
	if (special && special->led && rc >= 0)
		rc = special->led(task, event, &result);
	if (event && !list_is_empty(&mxm->shadows))
		shadows_note_change(task, event, result);
	if (event && rc >= 0 && row->class != SYS_MIRRORED)
		rc = canon_outputs(task, result, &event->out);
	if (rc == -ESRCH)
		return;
	if (rc < 0 && event) {
		cleanup_str struct str text = STR_INIT;

		sys_print_call(&text, row, task->call.nr, task->call.args, NULL, NULL, NULL);
		mxm->ops->note(mxm->ops_arg, "replication-failed", task->version,
			task->tuple->ids->known, str_text(&text));
		for (int v = 0; v < mxm->config.nversions; v++) {
			if (v != task->version && mxm->versions[v].alive)
				drop_version(mxm, v);
		}
	}
	if (result != was) {
		struct user_regs_struct *regs = tracee_touch(&task->tracee);

		if (!regs)
			return;
		regs->rax = result;
	}
	told_answer(task, result);
	if (!event) /* alone, or a clone whose event went out when the child was made */
		event = task->event = event_new(
			task->tuple, task->returns && task->tuple->group->followers ? EVENT_RETURN
										    : EVENT_RESUME);
	task->forked = NULL;
	task->returns = false;
	event->result = result;
	task_enter(task, TASK_READY);
	event_ready(event);
}

/*
 * vfork returns when the child has a new program; the child's own stop for that may still be to
 * come, but it comes first in the stream: no follower's vfork returns before its child's execve.
 */
static void let_child_go_first(struct task *task)
{
	struct task *child = task->forked ? &task->forked->tasks[task->version] : NULL;

	if (child && child->state == TASK_CALLING && child->call.row->special == SPECIAL_EXEC)
		group_serve_one(task->tuple->group, child->tracee.tid);
}

void lead_left(struct task *task)
{
	struct user_regs_struct *regs;

	let_child_go_first(task);
	regs = tracee_regs(&task->tracee);
	if (!regs)
		return;
	if (call_restarts((int64_t)regs->rax)) {
		/* The kernel now shows the signal, or goes back to the call by itself. */
		task->broken_off = (int)-(int64_t)regs->rax;
		task_enter(task, TASK_AGAIN);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	special_restore_args(task);
	complete(task, (int64_t)regs->rax);
}

void lead_interrupted(struct task *task, const siginfo_t *info)
{
	struct event *event = task->event;
	uint64_t flags = task->tuple->proc->sig[info->si_signo - 1].flags;
	bool again = task->broken_off == ERESTARTNOINTR ||
		     (task->broken_off == ERESTARTSYS && (flags & SA_RESTART));

	special_restore_args(task);
	told_answer(task, -EINTR);
	if (!event)
		event = task->event = event_new(task->tuple, EVENT_RESUME);
	event->result = -EINTR;
	event->after = again ? AFTER_RESTART : AFTER_PLAIN;
	event->sig = info->si_signo;
	event->info = *info;
	task->deliver = info->si_signo;
	if (event->kind == EVENT_CALL && task->call.row->class != SYS_MIRRORED &&
		canon_outputs(task, -EINTR, &event->out) == -ESRCH)
		return;
	task_enter(task, TASK_READY);
	event_ready(event);
}

void lead_publish_held_back(struct group *group)
{
	struct event *event = group->unpublished;

	group->unpublished = NULL;
	if (event)
		event_publish(event);
}

/* A signal of the call's own making may be due before the program's next instruction. */
static bool may_raise(const struct event *event)
{
	return event->kind == EVENT_CALL && event->call.row &&
	       ((event->call.row->flags & SYS_RAISES) || event->call.row->special == SPECIAL_WAIT ||
		       event->result == -EPIPE || event->result == -EFBIG);
}

/* The leader's task goes on with its complete event, holding the baton. */
static void go(struct task *task, struct event *event)
{
	struct group *group = task->tuple->group;
	int sig = task->deliver;

	task->event = NULL;
	task->deliver = 0;
	list_remove(&event->link);
	baton_take(task);
	if (event->kind == EVENT_TSC) {
		struct user_regs_struct *regs = tracee_touch(&task->tracee);

		if (!regs)
			return;
		regs->rax = (uint32_t)event->value;
		regs->rdx = event->value >> 32;
		if (event->call.args[0] == 3)
			regs->rcx = 0;
		regs->rip += event->call.args[0];
	}
	if (event->kind == EVENT_SIGNAL || (sig && task->at_entry_stop)) {
		siginfo_t info = event->info;

		if (event->kind == EVENT_SIGNAL || event->after == AFTER_RESTART)
			tracee_retry_call(&task->tracee, task->call.issued);
		else
			tracee_skip_call(&task->tracee, event->result);
		event_publish(event);
		signals_raise(task, &info);
		return;
	}
	if (event->kind == EVENT_CALL && event->call.row &&
		event->call.row->special == SPECIAL_EXIT) {
		if (event->call.nr == SYS_exit_group)
			task->tuple->proc->exiting = true;
		event_publish(event);
		task_enter(task, TASK_ENDING);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (event->gathers && group->followers)
		handover_gather(task, event);
	if (event->settles && group->followers) {
		event_publish(event);
		task->settling = true;
		return;
	}
	if (may_raise(event) && !sig && group->followers) {
		struct user_regs_struct *regs = tracee_regs(&task->tracee);

		task->return_rip = regs ? regs->rip : 0;
		group->unpublished = event;
	} else if (event->kind == EVENT_RESUME) {
		event_free(event);
	} else {
		event_publish(event);
	}
	signals_handled(task, sig);
	task_enter(task, TASK_RUNNING);
	jobs_stop_again(task);
	task_resume(task, RESUME_RUN, sig);
}

static bool make_vetted_calls(struct group *group)
{
	list_for_each (at, &group->tuples) {
		struct task *task = &container_of(at, struct tuple, link)->tasks[group->leader];

		if (task->state != TASK_ASKING || !task->event || task->event->executed ||
			(group->followers & ~(task->event->vetted | task->event->excused)))
			continue;
		make_call(task);
		return true;
	}
	return false;
}

/* The followers have had the event after which the baton's holder waits for them. */
static bool go_on_settled(struct group *group)
{
	struct task *task = group->baton[group->leader];

	if (!task || !task->settling || task->tuple->unconsumed)
		return false;
	task->settling = false;
	if (task->tuple->moves_to) {
		handover_move(task, task->tuple->moves_to);
		return true;
	}
	task_enter(task, TASK_RUNNING);
	task_resume(task, RESUME_RUN, 0);
	return true;
}

bool lead_pump(struct group *group)
{
	struct event *event;
	struct task *task;

	if (group->bereft)
		return false;
	if (make_vetted_calls(group))
		return true;
	if (go_on_settled(group))
		return true;
	if (!event_is_due(group))
		return false;
	event = container_of(group->ready.next, struct event, link);
	task = &event->tuple->tasks[group->leader];
	if (event->kind == EVENT_KILLED) {
		struct tuple *tuple = event->tuple;

		if (group->baton[group->leader])
			return false;
		event_publish(event);
		tuple_drop_if_over(tuple);
		return true;
	}
	if (group->followers) {
		struct task *holder = group->baton[group->leader];

		if (holder && holder != task) {
			if (spins_is_known(holder))
				baton_claim(group, group->leader);
			return false;
		}
		if (group->lag > LAG_EVENTS || group->lag_bytes > LAG_BYTES)
			return false;
	}
	go(task, event);
	return true;
}

/*
 * The leader is being ended in the midst of a call. In the last stop its registers still say
 * whether the kernel had done the work (ptrace(2), PTRACE_EVENT_EXIT); then the follower is given
 * the result as of any event, and makes the call itself otherwise.
 */
void lead_harvest(struct task *task)
{
	const struct sys_row *row = task->call.row;
	struct event *event = task->event;
	struct user_regs_struct *regs = tracee_regs(&task->tracee);
	int64_t result;

	if (task->state == TASK_RUNNING)
		agent_harvest(task);
	if (!event || task->local_call || task->state != TASK_CALLING)
		return;
	if (event->kind != EVENT_CALL || !regs || row->class != SYS_SHARED)
		return;
	result = (int64_t)regs->rax;
	if (call_restarts(result) || result == -EINTR || result == -ENOSYS ||
		regs->orig_rax != task->call.issued)
		return;
	special_restore_args(task);
	task->harvesting = true;
	complete(task, result);
}

void lead_harvest_made(struct task *task, int64_t result)
{
	struct event *event = task->event = event_new(task->tuple, EVENT_CALL);

	event->call = task->call;
	event->executed = event->harvested = true;
	str_append(&event->in, task->in.data, task->in.len);
	task->harvesting = true;
	complete(task, result);
}
