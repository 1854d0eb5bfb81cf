/* SPDX-License-Identifier: Apache-2.0 */
/* A follower's call is the event's: it is given what the leader's brought, or makes it too. */
#include <errno.h>
#include <sys/syscall.h>

#include "mxm/canon.h"
#include "mxm/events.h"
#include "mxm/follow.h"
#include "mxm/group.h"
#include "mxm/handover.h"
#include "mxm/jobs.h"
#include "mxm/ids.h"
#include "mxm/install.h"
#include "mxm/late.h"
#include "mxm/masks.h"
#include "mxm/modes.h"
#include "mxm/own.h"
#include "mxm/positions.h"
#include "mxm/posix_timers.h"
#include "mxm/restart.h"
#include "mxm/ring.h"
#include "mxm/rules.h"
#include "mxm/settings.h"
#include "mxm/shadows.h"
#include "mxm/special.h"
#include "mxm/surplus.h"
#include "mxm/synonyms.h"
#include "mxm/waits.h"

void follow_give_result(struct task *task, int64_t result)
{
	struct user_regs_struct *regs = tracee_touch(&task->tracee);

	if (!regs)
		return;
	regs->orig_rax = -1;
	regs->rax = result;
}

static void finish(struct task *task, struct event *event)
{
	/* Before it runs: its agent goes on from there. */
	ring_consumed(task->tuple->group, event, task->version);
	task->event = NULL;
	if (event->gathers && event->child) {
		struct tuple *to = event->child;

		event_consumed(event, task->version);
		handover_move(task, to);
		return;
	}
	if (event->stops) {
		jobs_await(task);
	} else if (event->sig) {
		baton_take(task);
		follow_go_on_with_signal(task, event);
	} else {
		follow_go_on(task);
	}
	event_consumed(event, task->version);
}

static void copy_results(struct task *task, struct event *event)
{
	cleanup_str struct str other = STR_INIT;
	int64_t result = event->result;
	bool runs;
	int rc = waits_translate(task, event, &other, &result);

	if (rc == 0)
		rc = synonyms_translate(task, event, &other, &result);

	if (rc >= 0)
		rc = canon_apply(task, result, rc ? &other : &event->out);
	if (rc == 0 && event->result > 0)
		rc = posix_timers_waited(task);
	if (rc == -EBADMSG || rc == -EFAULT) {
		drop_diverged(task, NULL, event, "result");
		return;
	}
	if (rc == 0 && event->nfds) {
		ring_consumed(task->tuple->group, event, task->version);
		rc = install_give(task, event, &runs);
		if (rc < 0 && rc != -ESRCH) {
			drop_diverged(task, NULL, event, "descriptor");
			return;
		}
		if (rc == 0 && runs) {
			task->event = NULL;
			task->at_entry_stop = false;
			baton_take(task);
			task_enter(task, TASK_RUNNING);
			event_consumed(event, task->version);
			return;
		}
	}
	if (rc == 0 && event->wrote_shadow)
		rc = shadows_repeat_change(task, event, event->result);
	if (rc < 0) {
		follow_vanish(task);
		event_consumed(event, task->version);
		return;
	}
	if (!event->sig)
		follow_give_result(task, result);
	finish(task, event);
}

static enum follow_how how_by_class(const struct event *event)
{
	const struct sys_row *row = event->call.row;

	if (row->class != SYS_MIRRORED)
		return FOLLOW_SKIP;
	if (event->result < 0 && !(row->flags & SYS_ADDR_RESULT))
		return FOLLOW_SKIP; /* it changed nothing */
	/* The leader waits for a close that is noticed until it is done, not only begun. */
	if ((row->flags & SYS_SAME_RESULT) || event->sig || event->settles)
		return FOLLOW_TO_EXIT;
	return FOLLOW_RUN;
}

/* A call that the follower makes needs the ids that its kernel knows. */
static int own_ids(struct task *task)
{
	const struct sys_row *row = task->call.row;

	for (int i = 0; i < row->nargs && row->class == SYS_MIRRORED; i++) {
		pid_t known = (pid_t)task->call.args[i], real;
		int rc;

		if (row->args[i].kind != ARG_PID && row->args[i].kind != ARG_TID)
			continue;
		real = ids_to_real(task->tuple->group->mxm, task->version, known);
		rc = real == known ? 0 : special_set_arg(task, i, (uint64_t)(int64_t)real);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A rule of its own was named for others that are taken for the same. */
static bool is_renamed(const struct task *task, const struct event *event)
{
	const int more = canon_unasked(task->call.row);

	if (task->call.issued != event->call.issued)
		return task->call.nr == event->call.nr ||
		       waits_rule(&task->call, &task->in, &event->call, &event->in);
	return more >= 0 && !task->call.args[more] != !event->call.args[more];
}

void follow_forget(struct task *task, int fd)
{
	surplus_forget(task->tuple->proc, task->version, fd);
	modes_forget(task->tuple->proc, task->version, fd);
	positions_forget(task->tuple->proc, task->version, fd);
}

void follow_consume(struct task *task, struct event *event)
{
	const struct special *special = special_of(task->call.row);
	enum follow_how how = FOLLOW_BY_CLASS;

	if (is_renamed(task, event))
		rules_note(task, event, RULE_SAME_CALL);
	own_share(task, event);
	modes_share(task, event);
	masks_share(task, event);
	settings_share(task, event);
	positions_settled(task, event, NULL, WANTED_SAME);
	if (task->call.nr == SYS_close || task->call.nr == SYS_dup2 || task->call.nr == SYS_dup3)
		follow_forget(task, (int)task->call.args[task->call.nr == SYS_close ? 0 : 1]);
	if (task->call.row->special == SPECIAL_EXIT) {
		baton_take(task);
		event_consumed(event, task->version);
		task_enter(task, TASK_ENDING);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	task->event = event;
	rules_learn_clock(task, event);
	/* Nobody but the leader ever held what its agent has closed. */
	if (event->call.nr == SYS_close && (event->recorded || event->harvested) &&
		(event->harvested || late_is(task, (int)event->call.args[0])))
		how = FOLLOW_SKIP;
	late_note(task, event);
	if (special && special->follow && special->follow(task, event, &how) < 0) {
		follow_vanish(task);
		return;
	}
	if (how == FOLLOW_BY_CLASS)
		how = how_by_class(event);
	if (how != FOLLOW_SKIP && own_ids(task) < 0) {
		follow_vanish(task);
		return;
	}
	if (how == FOLLOW_RUN && (task->args_changed || event->child))
		how = FOLLOW_TO_EXIT;
	if (how == FOLLOW_MADE) {
		follow_give_result(task, task->made_result);
		finish(task, event);
		return;
	}
	if (how == FOLLOW_SKIP) {
		copy_results(task, event);
		return;
	}
	baton_take(task);
	task->at_entry_stop = false;
	if (how == FOLLOW_RUN) {
		task->event = NULL;
		event_consumed(event, task->version);
		follow_go_on(task);
		return;
	}
	task_enter(task, TASK_CALLING);
	task_resume(task, RESUME_TO_EXIT, 0);
}

void follow_left(struct task *task)
{
	struct user_regs_struct *regs = tracee_regs(&task->tracee);
	struct event *event = task->event;
	const struct special *special = special_of(task->call.row);
	int64_t result;
	int rc = 0;

	if (!regs)
		return;
	result = (int64_t)regs->rax;
	if (call_restarts(result)) {
		task_enter(task, TASK_AGAIN);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	special_restore_args(task);
	if (!event) {
		/* Its clone was consumed when the child was made: it waits for its turn to go on.
		 */
		task->forked = NULL;
		task->returns = false;
		follow_give_result(task, task->child_known);
		task_enter(task, TASK_NEWBORN);
		return;
	}
	if ((task->call.row->flags & SYS_PID_RESULT) && result > 0)
		result = ids_to_known(task->tuple->group->mxm, task->version, (pid_t)result);
	if (special && special->followed)
		rc = special->followed(task, event, &result);
	else if ((task->call.row->flags & SYS_SAME_RESULT) && result != event->result)
		rc = -EBADMSG;
	if (rc == -EBADMSG) {
		drop_diverged(task, NULL, event, "result");
		if (!task->tuple->group->mxm->versions[task->version].alive)
			return;
		/* The other one was let go: it goes on with what its own call has brought. */
		follow_give_result(task, result);
		task_enter(task, TASK_RUNNING);
		baton_lose(task);
		return;
	}
	if (rc < 0)
		return;
	follow_give_result(task, result);
	finish(task, event);
}
