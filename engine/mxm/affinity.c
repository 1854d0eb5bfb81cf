/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU a group runs on. A wake-up from one CPU to another costs many times one that stays
 * (docs/architecture.md, "Where things run"), so a monitor and the tasks that it serves begin on
 * one CPU; children inherit it. Versions that compute, without calls, are better off on two: then
 * the followers move to the next CPU, and come back when calls are frequent again. The program is
 * told of the CPUs that it would have without the engine: special_ids.c.
 *
 * A version alone has nothing to keep together but its monitor, and its threads run at the same
 * time: while it makes few stops (it computes, or its agent makes its calls) it runs where the
 * program wants to.
 */
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/ring.h"

/* Events between two ticks: at most this many is computing, more than that is talking. */
#define COMPUTES 4
#define TALKS	 64
/* A version alone that makes TALKS stops in this time talks to its monitor. */
#define TALKS_NS 20000000

/* The @skip-th CPU that the engine may use. */
static void nth_cpu(const struct mxm *mxm, unsigned skip, cpu_set_t *ret_one)
{
	unsigned n = (unsigned)CPU_COUNT(&mxm->affinity);

	CPU_ZERO(ret_one);
	skip %= n ? n : 1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &mxm->affinity) && skip-- == 0) {
			CPU_SET(cpu, ret_one);
			return;
		}
	}
}

void affinity_choose(struct group *group)
{
	struct mxm *mxm = group->mxm;
	cpu_set_t one;

	if (!CPU_COUNT(&mxm->affinity))
		return;
	group->cpu = __atomic_fetch_add(&mxm->next_cpu, 1, __ATOMIC_RELAXED);
	nth_cpu(mxm, group->cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

void affinity_join(struct group *group, pid_t tid)
{
	cpu_set_t one;

	if (!CPU_COUNT(&group->mxm->affinity))
		return;
	nth_cpu(group->mxm, group->cpu, &one);
	sched_setaffinity(tid, sizeof(one), &one);
}

static void place(struct group *group, int version, unsigned cpu)
{
	cpu_set_t one;

	nth_cpu(group->mxm, cpu, &one);
	list_for_each (at, &group->tuples) {
		const struct task *task = &container_of(at, struct tuple, link)->tasks[version];

		if (task->state != TASK_ABSENT)
			sched_setaffinity(task->tracee.tid, sizeof(one), &one);
	}
}

/* The leader's tasks go where the program wants them, or back to the monitor. */
static void set_free(struct group *group, bool free)
{
	group->free = free;
	group->stops = 0;
	group->stops_since = event_clock();
	if (!free) {
		place(group, group->leader, group->cpu);
		return;
	}
	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *task = &tuple->tasks[group->leader];

		if (task->state != TASK_ABSENT)
			sched_setaffinity(task->tracee.tid, sizeof(tuple->proc->affinity),
				&tuple->proc->affinity);
	}
}

void affinity_gather(struct group *group)
{
	if (group->free)
		set_free(group, false);
}

void affinity_stopped(struct group *group)
{
	if (++group->stops < TALKS || !group->free)
		return;
	if (event_clock() - group->stops_since < TALKS_NS) {
		set_free(group, false);
		return;
	}
	group->stops = 0;
	group->stops_since = event_clock();
}

bool affinity_is_due(const struct group *group)
{
	return !group->followers && !group->free && CPU_COUNT(&group->mxm->affinity) > 1;
}

static bool computes(const struct group *group, int version)
{
	const struct task *holder = group->baton[version];

	return holder && holder->state == TASK_RUNNING;
}

void affinity_tick(struct group *group)
{
	/* At a barrier agents talk as well. */
	uint64_t published = group->published + ring_asks(group);
	uint64_t events = published - group->published_at_tick;
	unsigned cpu = group->cpu;

	group->published_at_tick = published;
	if (CPU_COUNT(&group->mxm->affinity) < 2)
		return;
	if (affinity_is_due(group)) {
		if (group->stops <= COMPUTES)
			set_free(group, true);
		group->stops = 0;
		return;
	}
	if (group->spread ? events <= TALKS : events > COMPUTES || !computes(group, group->leader))
		return;
	group->spread = !group->spread;
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		if (group->followers & (1u << v))
			place(group, v, group->spread ? ++cpu : group->cpu);
	}
}
