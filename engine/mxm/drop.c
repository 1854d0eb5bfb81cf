/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letting a version go. Its processes are killed; when it led, what its last calls had done is kept
 * as events, a follower drains the stream, and then leads: its next call is made by itself.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "mxm/agent.h"
#include "mxm/canon.h"
#include "mxm/carry.h"
#include "mxm/clones.h"
#include "mxm/events.h"
#include "mxm/follow.h"
#include "mxm/group.h"
#include "mxm/handover.h"
#include "mxm/jobs.h"
#include "mxm/late.h"
#include "mxm/pieces.h"
#include "mxm/positions.h"
#include "mxm/postmortem.h"
#include "mxm/rejoin.h"
#include "mxm/remake.h"
#include "mxm/ring.h"
#include "mxm/settings.h"
#include "mxm/shadows.h"
#include "mxm/special_limits.h"
#include "mxm/standins.h"
#include "mxm/unheard.h"

void drop_version_locked(struct mxm *mxm, int version)
{
	bool led = mxm->leader == version;

	if (!mxm->versions[version].alive)
		return;
	mxm->versions[version].alive = false;
	for (int v = 0; led && v < mxm->config.nversions; v++) {
		if (mxm->versions[v].alive) {
			mxm->leader = v;
			break;
		}
	}
	list_for_each (at, &mxm->groups)
		group_poke(container_of(at, struct group, link));
	if (mxm->ops->dropped(mxm->ops_arg, version,
		    mxm->versions[mxm->leader].alive ? mxm->leader : -1, led))
		rejoin_want_locked(mxm, version);
}

void drop_version(struct mxm *mxm, int version)
{
	pthread_mutex_lock(&mxm->lock);
	drop_version_locked(mxm, version);
	pthread_mutex_unlock(&mxm->lock);
}

void drop_rest(struct mxm *mxm)
{
	pthread_mutex_lock(&mxm->lock);
	for (int v = 0; v < mxm->config.nversions; v++)
		mxm->versions[v].alive = false;
	list_for_each (at, &mxm->groups)
		group_poke(container_of(at, struct group, link));
	pthread_mutex_unlock(&mxm->lock);
}

void mxm_drop(struct mxm *mxm, int version)
{
	drop_version(mxm, version);
}

int mxm_keep(struct mxm *mxm, int version)
{
	int rc = 0;

	pthread_mutex_lock(&mxm->lock);
	if (!mxm->versions[version].alive)
		rc = -ESRCH;
	for (int v = 0; v < mxm->config.nversions && rc == 0; v++) {
		if (v != version)
			drop_version_locked(mxm, v);
	}
	mxm->for_good |= rc == 0;
	pthread_mutex_unlock(&mxm->lock);
	return rc;
}

static bool is_alone(const struct mxm *mxm, int version)
{
	for (int v = 0; v < mxm->config.nversions; v++) {
		if (v != version && mxm->versions[v].alive)
			return false;
	}
	return true;
}

bool drop_crashed(struct task *task, const siginfo_t *info, bool stopped)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct mxm_crash crash = {
		.version = task->version,
		.sig = info->si_signo,
		.info = *info,
		.tracee = stopped ? &task->tracee : NULL,
		.known = task->tuple->ids->known,
		.seq = mxm->next_seq,
	};
	void *report;

	report = mxm->ops->crashed(mxm->ops_arg, &crash);
	if (is_alone(mxm, task->version)) {
		if (report)
			mxm->ops->crash_told(mxm->ops_arg, report, &crash);
		task->crash_told = true;
		return false;
	}
	if (report)
		postmortem_plan(task, &crash, report);
	drop_version(mxm, task->version);
	return true;
}

static size_t read_of(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return tracee_read_some(ctx, raddr(addr), buf, len);
}

static size_t recall(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return canon_recall(ctx, addr, buf, len);
}

/* The leader may have gone on: its memory is of later, what the stream kept is of the call. */
static void print_event(struct str *out, struct event *event, struct task *leader)
{
	const struct call *call = &event->call;

	if (leader)
		sys_print_call(
			out, call->row, call->nr, call->args, NULL, read_of, &leader->tracee);
	else
		sys_print_call(out, call->row, call->nr, call->args,
			event->pending ? &event->result : NULL, recall, event);
}

void drop_print_task(struct str *out, struct task *task)
{
	sys_print_call(
		out, task->call.row, task->call.nr, task->call.args, NULL, read_of, &task->tracee);
}

/* The leader's task, where it still stands at the event's call; else NULL. */
static struct task *asking_leader(const struct event *event)
{
	struct task *leader = &event->tuple->tasks[event->tuple->group->leader];

	return !event->executed && !event->pending && leader->event == event ? leader : NULL;
}

void drop_print_asked(struct str *out, const struct event *event)
{
	struct task *leader = asking_leader(event);

	sys_print_call(out, event->call.row, event->call.nr, event->call.args, NULL,
		leader ? read_of : recall, leader ? (void *)&leader->tracee : (void *)event);
}

void drop_print_event(struct str *out, const struct event *event)
{
	print_event(out, (struct event *)event, asking_leader(event));
}

void drop_diverged(struct task *follower, struct task *leader, struct event *event, const char *why)
{
	struct tuple *tuple = follower->tuple;
	struct mxm *mxm = tuple->group->mxm;
	cleanup_str struct str theirs = STR_INIT, ours = STR_INIT;
	bool asked = follower->state == TASK_ASKING || follower->state == TASK_CALLING;
	struct mxm_divergence d = {
		.follower = follower->version,
		.leader = tuple->group->leader,
		.why = why,
		.pid = tuple->ids->known,
		.seq = event && event->seq ? event->seq : mxm->next_seq + 1,
		.executed = event && event->executed,
		.cannot_lead = !late_is_there(follower),
		.lacks_memory = clones_forbid(follower),
		.lags = (tuple->group->laggards & (1u << follower->version)) != 0,
	};
	uint64_t mask;
	int lost;

	/* One that was killed where it stood is not what it seems: its last stop is what comes
	 * next. */
	if (follower->state == TASK_ASKING &&
		tracee_get_sigmask(&follower->tracee, &mask) == -ESRCH) {
		baton_take(follower);
		task_enter(follower, TASK_RUNNING);
		return;
	}
	if (asked) {
		drop_print_task(&theirs, follower);
		d.follower_call = str_text(&theirs);
	}
	if (event && event->kind == EVENT_CALL) {
		print_event(&ours, event, event->executed ? NULL : leader);
		d.leader_call = str_text(&ours);
	}
	pthread_mutex_lock(&mxm->lock);
	lost = mxm->ops->diverged(mxm->ops_arg, &d);
	pthread_mutex_unlock(&mxm->lock);
	if (lost == d.leader) {
		/* The follower goes its own way from here: what the leader did instead is not its
		 * past. */
		positions_part_ways(follower, event);
		pieces_keep_unread(follower);
		late_part_ways(follower);
		follower->event = NULL;
		event_forget(tuple->group, tuple, follower->version);
		tuple->parted |= 1u << follower->version;
	}
	for (int v = 0; v < mxm->config.nversions; v++) {
		if (lost == v || lost == MXM_STOP)
			drop_version(mxm, v);
	}
}

static unsigned living(const struct group *group, int version)
{
	unsigned n = 0;

	list_for_each (at, &group->tuples)
		n += container_of(at, struct tuple, link)->tasks[version].state != TASK_ABSENT;
	return n;
}

/*
 * A resume can meet the last stop of a thread that was killed meanwhile, and then nothing is heard
 * of that; nor of its end, for a main thread, while another one is kept.
 */
static bool has_ended_unheard(const struct task *task)
{
	return task->tracee.tid == task->tracee.tgid && task_proc_state(task) == 'Z';
}

bool drop_is_at_work(const struct group *group)
{
	const bool until_gone = kept_has_locks(group);

	list_for_each (at, &group->tuples) {
		const struct task *task =
			&container_of(at, struct tuple, link)->tasks[group->leader];

		if (task->state != TASK_ABSENT &&
			(until_gone || (!task->last_stop && !has_ended_unheard(task))))
			return true;
	}
	return false;
}

/* Versions that led, and have ended since. */
static void forget_former(struct group *group)
{
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		const unsigned bit = 1u << v;

		if (!(group->former & bit) || living(group, v))
			continue;
		group->former &= ~bit;
		group->dropping &= ~bit;
	}
}

static void kill_all(struct group *group, int version)
{
	standins_kill(group, version);
	list_for_each (at, &group->tuples) {
		struct task *task = &container_of(at, struct tuple, link)->tasks[version];

		if (task->state == TASK_ABSENT)
			continue;
		syscall(SYS_kill, task->tracee.tgid, SIGKILL);
	}
}

/* What the leader has completed is published; what it has not made is forgotten at its end. */
static void flush_leader(struct group *group)
{
	lead_publish_held_back(group);
	while (!list_is_empty(&group->ready)) {
		struct event *event = container_of(group->ready.next, struct event, link);

		event->tuple->tasks[group->leader].event = NULL;
		list_remove(&event->link);
		/* An exit that was not made, and a slice that was not run, did not happen. */
		if (event->kind == EVENT_RESUME ||
			(event->kind == EVENT_CALL && event->call.row->special == SPECIAL_EXIT))
			event_free(event);
		else
			event_publish(event);
	}
}

/*
 * What ended @lost may lie before the next call of those that are in user mode now; of those that
 * have not made it yet. What job control has stopped may not come to it for days.
 */
static void note_behind(struct group *group, int leader, int lost)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *task = &tuple->tasks[leader];

		task->behind |= task->state == TASK_RUNNING && !task->stopped &&
				!event_waits(tuple, lost) && !agent_is_calling(task);
	}
}

static void begin(struct group *group, int version)
{
	group->dropping |= 1u << version;
	kill_all(group, version);
	affinity_gather(group);
	if (version == group->leader) {
		group->bereft = true;
		/* Its agents may be writing still: what it has completed comes after that. */
		if (!group->ring || !group->ring->marks)
			flush_leader(group);
		return;
	}
	group->followers &= ~(1u << version);
	group->laggards &= ~(1u << version);
	note_behind(group, group->leader, version);
	list_for_each (at, &group->tuples)
		container_of(at, struct tuple, link)->tasks[version].event = NULL;
	event_forget(group, NULL, version);
	agent_refresh(group);
	ring_forsake(group, version);
}

/*
 * A follower's task stands where the stream ends: from here on it leads. What is stopped has
 * everything that is its process's before it runs on: a store into a shadow would be lost.
 */
static void promote(struct task *task)
{
	switch (task->state) {
	case TASK_ASKING:
		task->event = NULL;
		task_enter(task, TASK_RUNNING);
		if (task->call.nr == ~0ul) {
			/* rdtsc: let it fault again. */
			if (carry_is_due(task))
				carry_take_up_running(task);
			task_resume(task, RESUME_RUN, 0);
			return;
		}
		lead_asks(task);
		return;
	case TASK_FAULTING:
		if (carry_is_due(task)) {
			/* It faults again. */
			carry_take_up_running(task);
			task_enter(task, TASK_RUNNING);
			task_resume(task, RESUME_RUN, 0);
			return;
		}
		if (!drop_crashed(task, &task->raise, true))
			faults_deliver(task);
		return;
	case TASK_NEWBORN:
		if (carry_is_due(task))
			carry_take_up_stopped(task);
		task->event = event_new(task->tuple, EVENT_RESUME);
		task_enter(task, TASK_READY);
		event_ready(task->event);
		return;
	case TASK_RUNNING:
		jobs_stop_again(task);
		if (task->preempted) {
			task->preempted = 0;
			if (carry_is_due(task))
				carry_take_up_stopped(task);
			task_resume(task, RESUME_RUN, 0);
		}
		/* Its next call may be never, where it waits for a timer's signal. */
		if (task->tuple->proc->has_to_carry)
			task_interrupt(task);
		return;
	default:
		return;
	}
}

/* One in vfork(2) may wait for a child that is to lead first. */
static bool is_busy(struct group *group, int version)
{
	list_for_each (at, &group->tuples) {
		const struct task *task = &container_of(at, struct tuple, link)->tasks[version];

		if (task->state == TASK_CALLING && !task->local_call && !task->returns)
			return true;
	}
	return false;
}

/* Only what has a shadow has to: it stores there what nobody would read. */
static bool must_stand(const struct task *task)
{
	return task->tuple->proc->has_shadows[task->version] && !task->starting;
}

bool drop_wants_still(const struct task *task)
{
	const struct group *group = task->tuple->group;

	return group->stands && task->version == group->mxm->leader && must_stand(task);
}

/* Stops those of the heir's tasks that have to stand. False: one is still on its way to a stop. */
static bool stands_still(struct group *group, int heir)
{
	bool all = true;

	group->stands = true;
	list_for_each (at, &group->tuples) {
		struct task *task = &container_of(at, struct tuple, link)->tasks[heir];

		if (!must_stand(task))
			continue;
		if (task->state == TASK_RAISING) {
			all = false; /* its handler is next */
		} else if (task->state == TASK_RUNNING && !task->preempted) {
			task_interrupt(task);
			all = false;
		}
	}
	return all;
}

/* The old leader is gone here and the stream is drained: the next one leads. */
static void succeed(struct group *group, int heir)
{
	int former = group->leader;

	group->bereft = group->stands = false;
	group->leader = heir;
	group->followers &= ~(1u << heir);
	group->laggards &= ~(1u << heir);
	list_for_each (at, &group->tuples)
		container_of(at, struct tuple, link)->parted = 0;
	group->former |= 1u << former;
	shadows_write_back(group, heir);
	list_for_each_safe (at, &group->ready)
		event_free(container_of(at, struct event, link));
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct proc *proc = tuple->proc;

		if (limits_take_over(proc, heir) < 0)
			group->mxm->ops->note(group->mxm->ops_arg, "not-carried-over", heir,
				proc->ids->known, "the limit of CPU time");
		proc->has_to_carry |= proc->has_shadows[heir] || carry_needed(proc, heir) ||
				      late_is_left(&tuple->tasks[heir]);
	}
	note_behind(group, heir, heir);
	agent_succeeded(group);
	settings_succeeded(group);
	list_for_each_safe (at, &group->tuples)
		promote(&container_of(at, struct tuple, link)->tasks[heir]);
	unheard_pass_on(group);
	kept_put_off(group);
	list_for_each_safe (at, &group->tuples)
		tuple_drop_if_over(container_of(at, struct tuple, link));
}

/* The ring is the old leader's: it goes with it. */
static bool all_drained(struct group *group)
{
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		if ((group->followers & (1u << v)) && !ring_is_drained(group, v))
			return false;
	}
	return true;
}

void drop_check(struct group *group)
{
	struct mxm *mxm = group->mxm;

	for (int v = 0; v < mxm->config.nversions; v++) {
		bool concerned = v == group->leader || (group->followers & (1u << v));

		if (!mxm->versions[v].alive && concerned && !(group->dropping & (1u << v)))
			begin(group, v);
	}
	if (group->bereft && kept_has_locks(group))
		kept_look(group);
	if (group->former)
		forget_former(group);
	if (!group->bereft)
		return;
	if (drop_is_at_work(group)) {
		if (!group->ring || !group->ring->marks)
			flush_leader(group); /* what was harvested since */
		return;
	}
	flush_leader(group);
	if (!mxm->versions[mxm->leader].alive) {
		/* None is left. */
		if (!group->followers)
			group->bereft = false;
		return;
	}
	group->stands &= !event_next(group, mxm->leader);
	if (remake_holds(group, mxm->leader))
		return;
	if (!event_next(group, mxm->leader) && !is_busy(group, mxm->leader) && all_drained(group) &&
		stands_still(group, mxm->leader)) {
		mxm->versions[mxm->leader].identity = false;
		succeed(group, mxm->leader);
	}
}
