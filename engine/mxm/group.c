/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor of a group: one thread that waits for stops and hands them on. */
#include "mxm/group.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/events.h"
#include "mxm/handover.h"
#include "mxm/jobs.h"
#include "mxm/rejoin.h"
#include "mxm/remake.h"
#include "mxm/ring.h"
#include "mxm/rules.h"
#include "mxm/shadows.h"
#include "mxm/spins.h"
#include "mxm/standins.h"
#include "mxm/unheard.h"

/* A version that is coming back gets a step nearer after so many stops at the latest. */
#define STOPS_A_STEP 16

/* What can follow what. An edge that is not here is a bug, and ends the run with a word about it.
 */
#define TO(state) (1u << (state))
static const unsigned edges[TASK_STATES] = {
	[TASK_ABSENT] = TO(TASK_UNBORN),
	[TASK_UNBORN] = TO(TASK_NEWBORN) | TO(TASK_READY) | TO(TASK_ENDING) | TO(TASK_ABSENT) |
			TO(TASK_RUNNING),
	[TASK_NEWBORN] = TO(TASK_RUNNING) | TO(TASK_READY) | TO(TASK_ENDING) | TO(TASK_ABSENT),
	[TASK_RUNNING] = TO(TASK_RUNNING) | TO(TASK_ASKING) | TO(TASK_CALLING) | TO(TASK_READY) |
			 TO(TASK_RAISING) | TO(TASK_FAULTING) | TO(TASK_NEWBORN) | TO(TASK_ENDING) |
			 TO(TASK_ABSENT),
	[TASK_ASKING] = TO(TASK_ASKING) | TO(TASK_CALLING) | TO(TASK_READY) | TO(TASK_RUNNING) |
			TO(TASK_RAISING) | TO(TASK_NEWBORN) | TO(TASK_ENDING) | TO(TASK_ABSENT),
	[TASK_CALLING] = TO(TASK_CALLING) | TO(TASK_AGAIN) | TO(TASK_READY) | TO(TASK_RUNNING) |
			 TO(TASK_NEWBORN) | TO(TASK_RAISING) | TO(TASK_ENDING) | TO(TASK_ABSENT),
	[TASK_AGAIN] = TO(TASK_CALLING) | TO(TASK_READY) | TO(TASK_ENDING) | TO(TASK_ABSENT),
	[TASK_READY] = TO(TASK_RUNNING) | TO(TASK_RAISING) | TO(TASK_ENDING) | TO(TASK_ABSENT),
	[TASK_FAULTING] = TO(TASK_RUNNING) | TO(TASK_ENDING) | TO(TASK_ABSENT),
	[TASK_RAISING] = TO(TASK_RUNNING) | TO(TASK_ENDING) | TO(TASK_ABSENT) | TO(TASK_ASKING) |
			 TO(TASK_CALLING),
	[TASK_ENDING] = TO(TASK_ENDING) | TO(TASK_ABSENT),
};

static const char *const names[TASK_STATES] = {
	[TASK_ABSENT] = "absent",
	[TASK_UNBORN] = "unborn",
	[TASK_NEWBORN] = "newborn",
	[TASK_RUNNING] = "running",
	[TASK_ASKING] = "asking",
	[TASK_CALLING] = "calling",
	[TASK_AGAIN] = "again",
	[TASK_READY] = "ready",
	[TASK_FAULTING] = "faulting",
	[TASK_RAISING] = "raising",
	[TASK_ENDING] = "ending",
};

static int trace_states = -1;

const char *task_state_name(enum task_state state)
{
	return names[state];
}

static void trace(const struct task *task, enum task_state state)
{
	fprintf(stderr, "mx: %s %d: %s -> %s %s\n",
		task->tuple->group->mxm->versions[task->version].name, task->tracee.tid,
		names[task->state], names[state],
		state == TASK_ASKING && task->call.row ? task->call.row->name : "");
}

void task_enter(struct task *task, enum task_state state)
{
	if (trace_states < 0)
		trace_states = getenv("MX_TRACE_STATES") != NULL;
	if (trace_states)
		trace(task, state);
	if (!(edges[task->state] & TO(state))) {
		fprintf(stderr, "mx: bug: %s task %d goes from %s to %s in %s\n",
			task->tuple->group->mxm->versions[task->version].name, task->tracee.tid,
			names[task->state], names[state],
			task->call.row ? task->call.row->name : "no call");
		abort();
	}
	task->state = state;
	task->since_ns = event_clock();
}

bool task_follows(const struct task *task)
{
	return task->version != task->tuple->group->leader;
}

void task_resume(struct task *task, enum resume_how how, int sig)
{
	if (how == RESUME_RUN)
		agent_prepare(task, sig == 0);
	/* -ESRCH: it was killed meanwhile; its last stop is what the loop gets next. */
	(void)tracee_resume(&task->tracee, how, sig);
}

void task_interrupt(struct task *task)
{
	if (!task->tracee.interrupted)
		(void)tracee_interrupt(&task->tracee);
}

struct task *group_find(struct group *group, pid_t tid)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);

		for (int v = 0; v < group->mxm->config.nversions; v++) {
			if (tuple->tasks[v].tracee.tid == tid &&
				tuple->tasks[v].state != TASK_ABSENT)
				return &tuple->tasks[v];
		}
	}
	return NULL;
}

void group_describe(struct group *group, struct str *out)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);

		str_printf(out, "%s%d:", out->len ? "; " : "", tuple->ids ? tuple->ids->known : 0);
		for (int v = 0; v < group->mxm->config.nversions; v++) {
			const struct task *task = &tuple->tasks[v];

			str_printf(out, " %s %s%s%s%s%s", group->mxm->versions[v].name,
				names[task->state], task->call.row ? " " : "",
				task->call.row ? task->call.row->name : "",
				task->preempted ? " preempted" : "",
				group->baton[v] == task ? " (baton)" : "");
		}
	}
	list_for_each (at, &group->stream) {
		const struct event *event = container_of(at, struct event, link);

		str_printf(out, "; next event: %d kind %d %s", event->tuple->ids->known,
			event->kind, event->call.row ? event->call.row->name : "");
		break;
	}
}

bool group_take_orphan(struct group *group, pid_t tid)
{
	for (int i = 0; i < group->norphans; i++) {
		if (group->orphans[i] != tid)
			continue;
		group->orphans[i] = group->orphans[--group->norphans];
		return true;
	}
	return false;
}

void group_stash(struct group *group, const struct stop *stop)
{
	if (group->nstashed < (int)ARRAY_SIZE(group->stash))
		group->stash[group->nstashed++] = *stop;
}

static void count_call(const struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;

	__atomic_add_fetch(&mxm->stats.version_calls[task->version], 1, __ATOMIC_RELAXED);
	if (task->call.issued < CALLS_COUNTED)
		__atomic_add_fetch(
			&mxm->by_ptrace[task->version][task->call.issued], 1, __ATOMIC_RELAXED);
}

static void on_call(struct task *task)
{
	const struct user_regs_struct *regs = tracee_regs(&task->tracee);
	bool was_running = task->state == TASK_RUNNING || task->state == TASK_RAISING;

	if (!regs)
		return;
	task->at_entry_stop = true;
	if (was_running) {
		struct call *c = &task->call;

		c->nr = regs->orig_rax;
		c->args[0] = regs->rdi;
		c->args[1] = regs->rsi;
		c->args[2] = regs->rdx;
		c->args[3] = regs->r10;
		c->args[4] = regs->r8;
		c->args[5] = regs->r9;
		c->issued = c->nr;
		rules_rename(task);
		c->row = sys_resolve(c->nr, c->args);
		agent_return(task);
		task->call_rip = regs->rip;
		if (agent_serves(task))
			return;
		count_call(task);
	}
	if (task_follows(task))
		follow_asks(task);
	else if (was_running)
		lead_asks(task);
	else
		lead_asks_again(task);
}

static void on_exit_call(struct task *task)
{
	if (task->state == TASK_ENDING) {
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (task->state != TASK_CALLING) {
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (task->local_call)
		local_left(task);
	else if (task_follows(task))
		follow_left(task);
	else
		lead_left(task);
}

static void on_new(struct group *group, struct task *task, pid_t tid)
{
	if (!task || task->state == TASK_UNBORN)
		births_new_stop(group, tid);
	else
		signals_interrupted(task);
}

/* A task of a version that is being let go only has to end. */
static bool is_being_dropped(const struct task *task, enum stop_kind kind)
{
	return (task->tuple->group->dropping & (1u << task->version)) && kind != STOP_DYING &&
	       kind != STOP_GONE;
}

static void dispatch(struct group *group, const struct stop *stop)
{
	struct task *task = group_find(group, stop->tid);

	__atomic_add_fetch(&group->mxm->stats.stops, 1, __ATOMIC_RELAXED);
	if (!task) {
		if (standins_stop(group, stop))
			return;
		if (stop->kind == STOP_NEW)
			births_new_stop(group, stop->tid);
		else if (stop->kind != STOP_GONE) {
			struct tracee stray = { .tid = stop->tid };

			(void)tracee_resume(&stray, RESUME_RUN, 0);
		}
		return;
	}
	task->tracee.regs_known = task->tracee.interrupted = false;
	if (stop->kind != STOP_NEW)
		task->roused_ns = 0;
	affinity_stopped(group);
	if (is_being_dropped(task, stop->kind)) {
		/*
		 * SIGKILL ends every stop by itself. A resume could hit the last stop, in which is
		 * seen what the leader's call has done.
		 */
		if (stop->kind == STOP_FORK)
			syscall(SYS_kill, stop->child, SIGKILL);
		if (stop->kind == STOP_SIGNAL && task->version == group->leader)
			unheard_stopped(task, stop->sig);
		return;
	}
	switch (stop->kind) {
	case STOP_SECCOMP:
		on_call(task);
		break;
	case STOP_EXIT_CALL:
		on_exit_call(task);
		break;
	case STOP_SIGNAL:
		signals_stop(task, stop->sig);
		break;
	case STOP_GROUP:
		if (task->state == TASK_UNBORN)
			births_new_stop(group, stop->tid);
		else
			jobs_stopped(task);
		break;
	case STOP_NEW:
		on_new(group, task, stop->tid);
		break;
	case STOP_FORK:
		births_forked(task, stop->child);
		break;
	case STOP_VFORK_DONE:
		task_resume(task, RESUME_TO_EXIT, 0);
		break;
	case STOP_EXEC:
		births_executed(task, stop->former);
		break;
	case STOP_DYING:
		births_dying(task, stop->status);
		break;
	case STOP_GONE:
		births_gone(task, stop->status);
		break;
	}
}

static void pump(struct group *group)
{
	bool more;

	do {
		drop_check(group);
		rejoin_attend(group);
		remake_attend(group);
		more = lead_pump(group);
		if (group->faults)
			more |= faults_pump(group);
		for (int v = 0; v < group->mxm->config.nversions; v++) {
			if ((group->followers & (1u << v)) && !remake_holds(group, v))
				more |= follow_pump(group, v);
		}
	} while (more);
	agent_attend(group);
}

/* Does something here depend on time? */
static void want_ticks(struct group *group)
{
	bool wants = group->wants_ticks || group->faults || group->bereft || group->keeps ||
		     rejoin_is_due(group) || group->laggards || affinity_is_due(group) ||
		     !list_is_empty(&group->stream) ||
		     (group->followers && (group->baton[group->leader] || group->spread));

	list_for_each (at, &group->tuples) {
		const struct task *task =
			&container_of(at, struct tuple, link)->tasks[group->leader];

		wants |= task->nheld || (task->state == TASK_ASKING && group->followers);
	}
	if (!wants)
		return;
	__atomic_store_n(&group->wants_ticks, true, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&group->mxm->ticker_sleeps, __ATOMIC_SEQ_CST))
		return;
	/* With the lock, so that it is not between its look and its sleep: no stop need ever come
	 * at which a wake-up that was missed here could be made up for. */
	pthread_mutex_lock(&group->mxm->lock);
	pthread_cond_signal(&group->mxm->changed);
	pthread_mutex_unlock(&group->mxm->lock);
}

void group_serve_one(struct group *group, pid_t tid)
{
	struct stop stop;

	if (tracee_wait_for(tid, &stop) == 0)
		dispatch(group, &stop);
}

/* Are there events for a version that is to come, or is someone on the way? */
static bool awaits_arrival(struct group *group)
{
	bool awaits;

	pthread_mutex_lock(&group->mxm->lock);
	awaits = !list_is_empty(&group->stream) || handover_expects_locked(group);
	pthread_mutex_unlock(&group->mxm->lock);
	return awaits;
}

void group_over_locked(struct group *group)
{
	group->over = true;
	group->over_ns = event_clock();
	group->mxm->ngroups--;
	rejoin_group_over_locked(group->mxm);
	pthread_cond_broadcast(&group->mxm->ended);
}

/* False: someone has come after all. */
static bool end_group(struct group *group)
{
	struct mxm *mxm = group->mxm;
	bool over;

	pthread_mutex_lock(&mxm->lock);
	over = !handover_expects_locked(group);
	if (over) {
		standins_free(group);
		ring_end(group);
		shadows_rehome_locked(mxm, group, NULL);
		group_over_locked(group);
	}
	pthread_mutex_unlock(&mxm->lock);
	return over;
}

/*
 * A version that is coming back is made ready while the one that leads does not need the monitor:
 * that one is given the CPU first, and has come to its next stop then, or waits. -EAGAIN: there is
 * none now.
 */
static int next_stop(struct group *group, struct stop *ret)
{
	int rc;

	if (!remake_is_busy(group)) {
		if (group->wants_break)
			spins_break_wait(group);
		group->wants_break = false;
		return tracee_wait(ret);
	}
	sched_yield();
	rc = tracee_poll_for(-1, ret);
	if (rc == -EAGAIN || ++group->unmade == STOPS_A_STEP) {
		group->unmade = 0;
		remake_go_on(group);
	}
	return rc;
}

static void serve_until_over(struct group *group)
{
	struct stop stop;
	int rc;

	for (;;) {
		handover_receive(group);
		pump(group);
		if (list_is_empty(&group->tuples) && !awaits_arrival(group))
			break;
		if (group->nstashed) {
			stop = group->stash[--group->nstashed];
			dispatch(group, &stop);
			continue;
		}
		want_ticks(group);
		rc = next_stop(group, &stop);
		if (rc == -EAGAIN)
			continue;
		if (rc == -ECHILD) {
			/* The leader's tasks are over, a follower's are still to be handed over. */
			if (!awaits_arrival(group))
				break;
			rc = -EINTR;
			nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		}
		if (rc == -EINTR) {
			group->poked = false;
			baton_tick(group);
			signals_tick(group);
			affinity_tick(group);
			drop_late(group);
			kept_tick(group);
			continue;
		}
		if (rc < 0)
			continue;
		/* Of a version that was let go meanwhile: what happened since may be the doing of
		 * that, a child's death for one, and is no part of the stream. */
		drop_check(group);
		dispatch(group, &stop);
		kept_count_stop(group);
	}
}

void group_serve(struct group *group)
{
	do
		serve_until_over(group);
	while (!end_group(group));
}

struct group *group_new(struct mxm *mxm, int leader, unsigned followers)
{
	struct group *group = xzalloc(sizeof(*group));

	group->mxm = mxm;
	group->leader = leader;
	group->followers = followers;
	list_init(&group->tuples);
	list_init(&group->stream);
	list_init(&group->ready);
	list_init(&group->arrivals);
	list_init(&group->standins);
	pthread_mutex_lock(&mxm->lock);
	list_append(&mxm->groups, &group->link);
	mxm->ngroups++;
	pthread_mutex_unlock(&mxm->lock);
	return group;
}

void group_poke(struct group *group)
{
	group->poked = true;
	pthread_cond_broadcast(&group->mxm->changed);
	/* Now; and the ticker's, where this one comes before the monitor waits. */
	if (group->started && !group->over && !pthread_equal(group->thread, pthread_self()))
		pthread_kill(group->thread, SIGRTMIN);
}
