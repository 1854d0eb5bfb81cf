/* SPDX-License-Identifier: Apache-2.0 */
/* A follower that takes too long, or for ever. */
#include "base/str.h"
#include "mxm/events.h"
#include "mxm/follow.h"
#include "mxm/group.h"
#include "mxm/handover.h"
#include "mxm/ring.h"

/* Of the patience: less than this part of it in CPU time is too little, so many times of it are
 * enough. */
#define PART_OF_CPU 4
#define TIMES	    8

static void note_standstill(struct group *group, int version)
{
	struct mxm *mxm = group->mxm;
	cleanup_str struct str text = STR_INIT;

	group_describe(group, &text);
	mxm->ops->note(mxm->ops_arg, "standstill", version, 0, str_text(&text));
}

/*
 * @task is waited for since @since. A version that has work to do and no CPU to do it on is not
 * late, or only after a much longer time. Asked at each look: by the first, what it has had is
 * noted.
 */
static bool is_late(struct task *task, uint64_t since, uint64_t patience, uint64_t now)
{
	struct task *holder = task->tuple->group->baton[task->version];

	if (task->waited_since_ns != since) {
		task->waited_since_ns = since;
		task->waited_cpu_ns = task_cpu_time(task);
	}
	if (now - since < patience)
		return false;
	return now - since >= patience * TIMES ||
	       task_cpu_time(task) - task->waited_cpu_ns >= patience / PART_OF_CPU ||
	       thread_state((holder ? holder : task)->tracee.tid) != 'R';
}

/* The leader waits at a barrier, and a follower does not come. */
static bool keeps_leader_waiting(struct group *group, uint64_t patience, uint64_t now)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *leader = &tuple->tasks[group->leader];
		unsigned late;

		if (leader->state != TASK_ASKING || !leader->event || leader->event->executed)
			continue;
		late = group->followers & ~(leader->event->vetted | leader->event->excused);
		for (int v = 0; v < group->mxm->config.nversions; v++) {
			if (!(late & (1u << v)) ||
				!is_late(&tuple->tasks[v], leader->since_ns, patience, now))
				continue;
			note_standstill(group, v);
			drop_diverged(&tuple->tasks[v], leader, leader->event, "late");
			return true;
		}
	}
	return false;
}

/* A follower's own wait for its child lasts as long as the child does. */
static bool waits_in_kernel(const struct task *task)
{
	return task->state == TASK_CALLING && !task->local_call;
}

/*
 * The leader is gone, and of the version that drains its stream no task can take another step: the
 * one that the next event is for asks for something else, or waits in a futex for those that have
 * no event and are to lead first. Nothing is to be waited for then.
 */
static bool stands_for_good(struct group *group, int version)
{
	bool expects;

	if (!group->bereft || drop_is_at_work(group) || group->baton[version] || group->nstashed)
		return false;
	pthread_mutex_lock(&group->mxm->lock);
	expects = handover_expects_locked(group);
	pthread_mutex_unlock(&group->mxm->lock);
	list_for_each (at, &group->tuples) {
		const struct task *task = &container_of(at, struct tuple, link)->tasks[version];

		expects |= task->state != TASK_ABSENT && task->state != TASK_ASKING &&
			   !follow_is_held_up(task);
	}
	return !expects;
}

/* Events wait for a follower, and it takes none of them. */
static void drop_stuck(struct group *group, uint64_t patience, uint64_t now)
{
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		struct event *event = event_next(group, v);

		if (ring_progress(group, v))
			group->consumed_ns[v] = now;
		if (!event || (!stands_for_good(group, v) &&
				      (!patience ||
					      !is_late(&event->tuple->tasks[v],
						      group->consumed_ns[v], patience, now) ||
					      waits_in_kernel(&event->tuple->tasks[v]))))
			continue;
		note_standstill(group, v);
		drop_diverged(&event->tuple->tasks[v], NULL, event, "late");
		return;
	}
}

void drop_late(struct group *group)
{
	uint64_t patience = group->mxm->config.patience * 1000000000ul, now = event_clock();

	if (!group->followers)
		return;
	if (patience && !group->bereft && keeps_leader_waiting(group, patience, now))
		return;
	drop_stuck(group, patience, now);
}
