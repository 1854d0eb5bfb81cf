/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A follower's side of the stream: its calls are compared with the leader's events, in the order of
 * the stream, and it is given the results.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "mxm/awaited.h"
#include "mxm/canon.h"
#include "mxm/children.h"
#include "mxm/closes.h"
#include "mxm/early.h"
#include "mxm/events.h"
#include "mxm/folders.h"
#include "mxm/follow.h"
#include "mxm/fruitless.h"
#include "mxm/group.h"
#include "mxm/late.h"
#include "mxm/masks.h"
#include "mxm/modes.h"
#include "mxm/own.h"
#include "mxm/peeks.h"
#include "mxm/pieces.h"
#include "mxm/positions.h"
#include "mxm/preludes.h"
#include "mxm/reads.h"
#include "mxm/ring.h"
#include "mxm/rules.h"
#include "mxm/settings.h"
#include "mxm/special.h"
#include "mxm/vain.h"
#include "mxm/wanted.h"

void follow_asks(struct task *task)
{
	siginfo_t info;

	if (task->state == TASK_CALLING || task->state == TASK_AGAIN) {
		/* A signal of its own broke into a call that it was making: once more. */
		task->at_entry_stop = false;
		task_enter(task, TASK_CALLING);
		task_resume(task, RESUME_TO_EXIT, 0);
		return;
	}
	/* It came here before it was interrupted for what breaks into its user mode. */
	if (task->state == TASK_RUNNING && signals_take_held(task, &info)) {
		tracee_retry_call(&task->tracee, task->call.issued);
		signals_raise(task, &info);
		return;
	}
	if (local_call(task))
		return;
	if (canon_inputs(task) < 0)
		return;
	if (task->call.nr != SYS_close_range)
		task->covered = 0;
	task->done = 0;
	task->held_back = false;
	task->wait_over = task->wait_found = false;
	if (pieces_serve(task) || wanted_rest(task))
		return;
	baton_give_up(task);
	task_enter(task, TASK_ASKING);
}

void follow_go_on(struct task *task)
{
	baton_take(task);
	task->at_entry_stop = false;
	task_enter(task, TASK_RUNNING);
	task_resume(task, RESUME_RUN, 0);
}

void follow_vanish(struct task *task)
{
	baton_take(task);
	task_enter(task, TASK_RUNNING);
}

/* A call that this version alone needs. It may wait there for another task, without the baton. */
void follow_make_alone(struct task *task, const struct event *event)
{
	int64_t own;

	if (late_fetch(task, event))
		return;
	if (!rules_is_look(&task->call) && reads_rule(task, &task->call)) {
		reads_go_alone(task, event);
		return;
	}
	rules_note(task, event,
		task->call.nr == SYS_close ? closes_rule(task) : rules_alone_name(&task->call));
	task->looks++;
	if (rules_is_look(&task->call))
		early_note(task);
	masks_go_alone(task);
	settings_go_alone(task);
	closes_go_alone(task);
	if (rules_is_sleep(&task->call)) {
		/* The time that the leader's version took is over for this one too. */
		follow_answer(task, rules_end_sleep(task) ? 0 : -EFAULT);
		return;
	}
	if (task->call.nr == SYS_futex) {
		task->at_entry_stop = false;
		task->local_call = true;
		task_enter(task, TASK_CALLING);
		task_resume(task, RESUME_TO_EXIT, 0);
		return;
	}
	if (task->call.nr == SYS_sched_getaffinity && special_tell_cpus(task, &own) == 0) {
		follow_answer(task, own);
		return;
	}
	if (awaited_tell(task, event, &own) || modes_tell(task, &own) ||
		positions_tell(task, event, &own) || vain_tell(task, event, &own) ||
		peeks_tell(task, event, &own) || fruitless_tell(task, event, &own) ||
		preludes_tell(task, &own) || children_tell_none(task, &own)) {
		follow_answer(task, own);
		return;
	}
	if (rules_tell_clock(task)) {
		follow_go_on(task);
		return;
	}
	baton_take(task);
	task_enter(task, TASK_RUNNING);
	local_run(task);
}

void follow_open_alone(struct task *task, const struct event *event, const char *rule)
{
	rules_note(task, event, rule);
	baton_take(task);
	task->moves_fd = true;
	task_enter(task, TASK_RUNNING);
	local_run(task);
}

/* It waits in a futex of its own accord, for a task that may wait for the leader: see
 * follow_pump(). */
bool follow_is_held_up(const struct task *task)
{
	return task->state == TASK_CALLING && task->local_call && task->call.nr == SYS_futex;
}

static bool is_any_held_up(const struct group *group, int version)
{
	list_for_each (at, &group->tuples) {
		if (follow_is_held_up(&container_of(at, struct tuple, link)->tasks[version]))
			return true;
	}
	return false;
}

bool follow_cannot_come(const struct task *task)
{
	return follow_is_held_up(task) ||
	       (task->state == TASK_ABSENT && is_any_held_up(task->tuple->group, task->version));
}

void follow_answer(struct task *task, int64_t result)
{
	follow_give_result(task, result);
	follow_go_on(task);
}

/* The event is for this task's state; else its turn is still to come. */
static bool arrived(struct task *task, struct event *event)
{
	switch (event->kind) {
	case EVENT_CALL:
	case EVENT_TSC:
		return task->state == TASK_ASKING;
	case EVENT_SIGNAL:
		if (task->state == TASK_ASKING)
			return true;
		if (!event->async || task->state != TASK_RUNNING || task->tracee.interrupted ||
			!follow_signal_is_due(task, event))
			return false;
		if (task->mode != AGENT_FOLLOW)
			return true;
		/* It may be in its agent: it is stopped first, and follow_interrupted() looks. */
		task_interrupt(task);
		return false;
	case EVENT_BIRTH:
	case EVENT_RETURN:
	case EVENT_ENTRY:
		return task->state == TASK_NEWBORN;
	case EVENT_KILLED:
		return task->state != TASK_ABSENT;
	case EVENT_CONTINUED:
		return true; /* one that was stopped elsewhere has run on to its next call */
	case EVENT_RESUME:
		break;
	}
	return false;
}

static void consume_tsc(struct task *task, struct event *event)
{
	struct user_regs_struct *regs = tracee_touch(&task->tracee);

	if (task->call.nr != event->call.nr) {
		drop_diverged(task, NULL, event, "call");
		return;
	}
	if (regs) {
		regs->rax = (uint32_t)event->value;
		regs->rdx = event->value >> 32;
		if (event->call.args[0] == 3)
			regs->rcx = event->result;
		regs->rip += event->call.args[0];
	}
	event_consumed(event, task->version);
	follow_go_on(task);
}

/* Verdicts upon which the follower's call is made, or answered, without the event. */
bool follow_alone(struct task *task, const struct event *event, enum wanted wanted,
	const struct wanted_verdict *v)
{
	switch (wanted) {
	case WANTED_ALONE:
		rules_note(task, event, v->rule);
		baton_take(task);
		task_enter(task, TASK_RUNNING);
		local_run(task);
		return true;
	case WANTED_OPENS:
		follow_open_alone(task, event, v->rule);
		return true;
	case WANTED_ANSWER:
		rules_note(task, event, v->rule);
		if (event) {
			modes_settled(task, event, v);
			positions_settled(task, event, v, wanted);
		}
		follow_answer(task, v->result);
		return true;
	default:
		return false;
	}
}

static void carry_mode(struct task *task, struct event *event)
{
	int rc = modes_carry(task, event);

	event_consumed(event, task->version);
	if (rc == 0)
		return;
	follow_vanish(task);
	if (rc > 0)
		task_resume(task, RESUME_RUN, 0);
}

/* Neither the same nor pieces of the same. False: it waits for what may still come. */
static bool consume_different(struct task *task, struct event *event, const char *why)
{
	struct wanted_verdict v;
	enum wanted wanted = wanted_judge(task, event, true, &v);
	bool answered;
	int64_t result;

	task->held_back = false;
	if (follow_alone(task, event, wanted, &v))
		return true;
	switch (wanted) {
	case WANTED_SAME:
		rules_note(task, event, v.rule);
		follow_consume(task, event);
		return true;
	case WANTED_PASS_OVER:
		rules_note(task, event, v.rule);
		rules_pass_over(task, event);
		modes_settled(task, event, &v);
		positions_settled(task, event, &v, wanted);
		answered = wanted_passed(task, event, &result);
		event_consumed(event, task->version);
		if (answered)
			follow_answer(task, result);
		return true;
	case WANTED_LATER:
		rules_note(task, v.later, v.rule);
		follow_consume(task, v.later);
		return true;
	case WANTED_CARRY:
		rules_note(task, event, v.rule);
		carry_mode(task, event);
		return true;
	case WANTED_HOLD:
		task->held_back = true;
		return false;
	default:
		break;
	}
	drop_diverged(task, NULL, event, why ? why : "arguments");
	return true;
}

/* By which rule; what is done with a descriptor goes with its making. */
static const char *name_passed_over(const struct task *task, const struct event *event)
{
	enum own own = own_unshared(task->tuple->proc, task->version, event);
	const char *read;

	if (own == OWN_NOT)
		own = own_made(event);
	if (own != OWN_NOT)
		return own_rule(own);
	read = rules_is_look(&event->call) ? NULL : reads_rule(task, &event->call);
	return read ? read : rules_alone_name(&event->call);
}

/* A call that the leader has made, where the follower asks for one. */
static bool consume_made(struct task *task, struct event *event)
{
	/* A look that was vetted can have been answered alone since. */
	bool vetted = (event->vetted & (1u << task->version)) && !rules_is_look(&event->call);
	bool midway = task->done || event->given[task->version];
	const char *why = NULL;
	enum relation rel = vetted ? REL_SAME : follow_relate(task, event, &why);

	if (rel != REL_SAME) {
		/* What the leader does next can explain it. */
		ring_unroll(task->tuple->group, task->version);
		rel = follow_relate(task, event, &why);
	}

	if (midway && rel == REL_SAME && !rules_is_look(&event->call))
		rel = REL_DIFFERENT;
	if (task->done)
		rel = follow_relate_midway(task, event);
	switch (rel) {
	case REL_ALONE:
		follow_make_alone(task, event);
		return true;
	case REL_OPENS:
		follow_open_alone(task, event, own_rule(own_makes(task)));
		return true;
	case REL_SAME:
		task->covered = 0;
		follow_consume(task, event);
		return true;
	case REL_PASS_OVER:
		rules_note(task, event, name_passed_over(task, event));
		if (own_unshared(task->tuple->proc, task->version, event) == OWN_NOT)
			reads_pass_over(task, event);
		rules_pass_over(task, event);
		masks_pass_over(task, event);
		settings_pass_over(task, event);
		closes_pass_over(task, event);
		awaited_pass_over(task, event);
		if (event->sig && event->pending == 1u << task->version) {
			/* The call was the leader's own, the signal that broke into it is not. */
			event->kind = EVENT_SIGNAL;
			return true;
		}
		event_consumed(event, task->version);
		return true;
	case REL_UNKNOWN:
		task->held_back = true;
		return false;
	case REL_NEVER:
		drop_diverged(task, NULL, event, why);
		return true;
	case REL_DIFFERENT:
		break;
	}
	if (folders_consume(task, event) || pieces_consume(task, event) != PIECES_NOT)
		return true;
	if (task->done) {
		drop_diverged(task, NULL, event, why ? why : "call");
		return true;
	}
	return consume_different(task, event, why);
}

static bool consume(struct task *task, struct event *event)
{
	switch (event->kind) {
	case EVENT_CALL:
		return consume_made(task, event);
	case EVENT_SIGNAL:
		if (masks_hold_off(task, event))
			drop_diverged(task, NULL, event, "signal-mask");
		else if (settings_hold_off(task, event))
			drop_diverged(task, NULL, event, "setting");
		else
			follow_take_signal(task, event);
		return true;
	case EVENT_TSC:
		consume_tsc(task, event);
		return true;
	case EVENT_BIRTH:
	case EVENT_RETURN:
	case EVENT_ENTRY:
		event_consumed(event, task->version);
		follow_go_on(task);
		return true;
	case EVENT_KILLED:
		task->tuple->proc->exiting = true;
		syscall(SYS_kill, task->tracee.tgid, SIGKILL);
		event_consumed(event, task->version);
		return true;
	case EVENT_CONTINUED:
		event_consumed(event, task->version);
		if (task->state == TASK_NEWBORN)
			follow_go_on(task);
		return true;
	case EVENT_RESUME:
		break;
	}
	return true;
}

/* Of those whose slice was over, the one that has waited longest; NULL: there is none. */
static struct task *longest_preempted(const struct group *group, int version)
{
	struct task *found = NULL;

	list_for_each (at, &group->tuples) {
		struct task *task = &container_of(at, struct tuple, link)->tasks[version];

		if (task->preempted && task->state != TASK_RUNNING)
			task->preempted = 0; /* it was ended meanwhile */
		if (task->preempted && (!found || task->preempted < found->preempted))
			found = task;
	}
	return found;
}

static bool resume_preempted(struct group *group, int version)
{
	struct task *task = longest_preempted(group, version);

	if (!task)
		return false;
	task->preempted = 0;
	follow_go_on(task);
	return true;
}

/*
 * A task is held up, and another one asks for a look that the leader has not made: it may be the
 * wake, and the leader need not ever make it. Answered now, unless the leader is on its way to it;
 * should it make it later, it is passed over.
 */
static bool answer_look_for_held_up(struct group *group, int version)
{
	if (!is_any_held_up(group, version))
		return false;
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *task = &tuple->tasks[version];

		if (task->state != TASK_ASKING || !rules_is_look(&task->call) ||
			event_waits(tuple, version) || !ring_is_drained(group, version) ||
			!early_may(task))
			continue;
		follow_make_alone(task, NULL);
		return true;
	}
	return false;
}

/*
 * No event can be given now. Where no task runs, one may that is not bound to wait for an event;
 * one that runs may be spinning, until a task has done something whose slice was over: then they
 * take turns.
 */
static bool let_others_run(struct group *group, int version)
{
	if (!group->baton[version])
		return resume_preempted(group, version) || answer_look_for_held_up(group, version);
	if (longest_preempted(group, version))
		baton_claim(group, version);
	return false;
}

/*
 * The leader's thread has come to wait in a futex, or wakes one that has, where the follower's
 * still looks at memory: it waits already. Nor is it sure to come there ever, where nobody holds
 * the lock that it takes and gives back between its looks. See rules.h for why it need not.
 */
static bool pass_over_for_spinner(struct task *task, struct event *event)
{
	if (event->kind != EVENT_CALL || event->call.nr != SYS_futex ||
		task->state != TASK_RUNNING || event->sig)
		return false;
	if (!task->spin.lost_turn) {
		if (task->tuple->group->baton[task->version] == task)
			baton_claim(task->tuple->group, task->version);
		return false;
	}
	rules_note(task, event, rules_alone_name(&event->call));
	rules_pass_over(task, event);
	event_consumed(event, task->version);
	return true;
}

bool follow_pump(struct group *group, int version)
{
	/*
	 * The events of a task that waits in a futex of its own accord are passed over, and those
	 * of one that it is still to make: the wake may have to come from a task whose events stand
	 * behind them.
	 */
	struct event *event = ring_next(group, version, follow_cannot_come);
	struct task *holder = group->baton[version], *task;
	bool due;

	if (!group->bereft && group->leader != version && vet_calls(group, version))
		return true;
	if (!event)
		return !group->stands && let_others_run(group, version);
	task = &event->tuple->tasks[version];
	due = late_is_due(event, version);
	if (!due && pieces_settle(task, event))
		return true;
	if (!due && pass_over_for_spinner(task, event))
		return true;
	if (due ? task->state != TASK_ASKING : !arrived(task, event))
		return let_others_run(group, version);
	if (holder && event->kind != EVENT_KILLED && !(event->async && holder == task)) {
		baton_claim(group, version);
		return false;
	}
	if (due) {
		late_give(task, event);
		return true;
	}
	return consume(task, event);
}
