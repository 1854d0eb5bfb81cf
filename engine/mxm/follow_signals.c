/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the stream, given to a follower. */
#include <errno.h>
#include <sys/syscall.h>

#include "mxm/events.h"
#include "mxm/follow.h"
#include "mxm/group.h"
#include "mxm/ring.h"
#include "mxm/special.h"

/* A mask that only holds for the call: the signal came because of it. */
static int own_mask(const struct task *task, uint64_t *ret_at)
{
	const struct sys_row *row = task->call.row;
	uint64_t pack = 0;

	for (int i = 0; i < row->nargs; i++) {
		uint64_t at = task->call.args[i];

		if (row->args[i].kind == ARG_SIGSET && at &&
			(row->special == SPECIAL_SIGWAIT || (row->flags & SYS_BLOCKS))) {
			*ret_at = at;
			return 1;
		}
		if (row->args[i].kind == ARG_SIGSET_PACK && at &&
			tracee_read((struct tracee *)&task->tracee, raddr(at), &pack, 8) == 0 &&
			pack) {
			*ret_at = pack;
			return 1;
		}
	}
	return 0;
}

/* The stream has a signal right after this call: the follower gets it there too. */
void follow_go_on_with_signal(struct task *task, struct event *event)
{
	siginfo_t info = event->info;
	uint64_t mask_at;

	if (event->after == AFTER_RESTART) {
		tracee_retry_call(&task->tracee, task->call.issued);
	} else if (task->at_entry_stop && event->result == -EINTR && own_mask(task, &mask_at)) {
		/* rt_sigsuspend takes the same mask, and is broken off at once. */
		struct user_regs_struct *regs = tracee_touch(&task->tracee);

		if (!regs || special_set_arg(task, 0, mask_at) < 0 ||
			special_set_arg(task, 1, 8) < 0) {
			follow_vanish(task);
			return;
		}
		regs->orig_rax = SYS_rt_sigsuspend;
	} else {
		follow_give_result(task, event->result);
	}
	signals_raise(task, &info);
}

void follow_take_signal(struct task *task, struct event *event)
{
	siginfo_t info = event->info;

	if (task->state == TASK_RUNNING) {
		/* Into user mode: the tracee is stopped first, signals_interrupted() gives it. */
		signals_hold(task, &info, 0);
		task_interrupt(task);
		event_consumed(event, task->version);
		return;
	}
	tracee_retry_call(&task->tracee, task->call.issued);
	task->at_entry_stop = false;
	baton_take(task);
	event_consumed(event, task->version);
	signals_raise(task, &info);
}

/*
 * Where the leader's handler ran in user mode cannot be found again. But a program that computes
 * until it has had so many signals counts those that come together as one: they come as far apart
 * as the leader's did.
 */
bool follow_signal_is_due(struct task *task, struct event *event)
{
	uint64_t now = task_cpu_time(task), *since = &event->reached_cpu_ns[task->version];

	if (!*since)
		*since = now;
	if (now - *since >= event->computed_ns || task_proc_state(task) == 'S')
		return true;
	task->tuple->group->wants_ticks = true;
	return false;
}

bool follow_interrupted(struct task *task)
{
	struct event *event = ring_next(task->tuple->group, task->version, follow_cannot_come);
	siginfo_t info;

	if (!event || event->kind != EVENT_SIGNAL || !event->async || event->tuple != task->tuple ||
		!follow_signal_is_due(task, event))
		return false;
	info = event->info;
	event_consumed(event, task->version);
	signals_raise(task, &info);
	return true;
}
