/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/jobs.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/agent.h"
#include "mxm/events.h"
#include "mxm/follow.h"
#include "mxm/group.h"

static void wait_for_turn(struct task *task, enum event_kind kind)
{
	baton_give_up(task);
	task->event = event_new(task->tuple, kind);
	task_enter(task, TASK_READY);
	event_ready(task->event);
}

void jobs_stops_itself(struct task *task)
{
	struct group *group = task->tuple->group;
	struct event *event = group->unpublished;
	const struct user_regs_struct *regs = tracee_regs(&task->tracee);

	if (!event || event->tuple != task->tuple || !regs || regs->rip != task->return_rip)
		return;
	event->stops = task->stopped = true;
	lead_publish_held_back(group);
}

/* What is made in it from here on begins between two calls. */
static int leave_entry(struct task *task)
{
	long r;
	int rc = task->at_entry_stop
			 ? tracee_remote(&task->tracee, true, &r, SYS_getpid, 0, 0, 0, 0, 0, 0)
			 : 0;

	task->at_entry_stop = false;
	return rc;
}

void jobs_await(struct task *task)
{
	if (leave_entry(task) < 0)
		follow_vanish(task);
	else
		task_enter(task, TASK_NEWBORN);
}

void jobs_stopped(struct task *task)
{
	struct group *group = task->tuple->group;

	if (task_follows(task)) {
		task_resume(task, task->state == TASK_CALLING ? RESUME_TO_EXIT : RESUME_RUN, 0);
		return;
	}
	task->tuple->proc->stopped = true;
	if (group->followers && agent_is_inside(task)) {
		/* What it has begun others would wait for: it stops before its next call. */
		agent_break(task);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (task->state == TASK_RUNNING && !task->starting) {
		task->stopped = true;
		if (group->baton[task->version] == task)
			lead_publish_held_back(group);
		baton_give_up(task);
	}
	task_resume(task, RESUME_LISTEN, 0);
}

bool jobs_continued(struct task *task)
{
	bool waits = task->stopped;

	task->tuple->proc->stopped = task->stopped = false;
	waits &= task->state == TASK_RUNNING && !agent_is_inside(task);
	if (waits)
		wait_for_turn(task, task->tuple->group->followers ? EVENT_CONTINUED : EVENT_RESUME);
	return waits;
}

/* SIGCONT has ended the stop, though the task has not come to see it. */
static bool is_continued(const struct task *task)
{
	return thread_signals(task->tracee.tgid, "ShdPnd:") >> (SIGCONT - 1) & 1;
}

void jobs_stop_again(struct task *task)
{
	struct proc *proc = task->tuple->proc;

	if (proc->stopped && !is_continued(task))
		syscall(SYS_tgkill, task->tracee.tgid, task->tracee.tid, SIGSTOP);
}

bool jobs_put_off_call(struct task *task)
{
	if (!task->tuple->proc->stopped || task->starting || leave_entry(task) < 0)
		return false;
	tracee_retry_call(&task->tracee, task->call.issued);
	wait_for_turn(task, EVENT_RESUME);
	return true;
}
