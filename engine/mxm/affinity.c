/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU a group runs on. A wake-up from one CPU to another costs many times one that stays
 * (docs/architecture.md, "Where things run"), so a monitor and the tasks that it serves begin on
 * one CPU; children inherit it. Versions that compute, without calls, are better off on two: then
 * the followers move to the next CPU, and come back when calls are frequent again. The program is
 * told of the CPUs that it would have without the engine: special_ids.c.
 */
#include "mxm/group.h"

/* Events between two ticks: at most this many is computing, more than that is talking. */
#define COMPUTES 4
#define TALKS	 64

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

static bool computes(const struct group *group, int version)
{
	const struct task *holder = group->baton[version];

	return holder && holder->state == TASK_RUNNING;
}

void affinity_tick(struct group *group)
{
	uint64_t events = group->published - group->published_at_tick;
	unsigned cpu = group->cpu;

	group->published_at_tick = group->published;
	if (CPU_COUNT(&group->mxm->affinity) < 2)
		return;
	if (group->spread ? events <= TALKS : events > COMPUTES || !computes(group, group->leader))
		return;
	group->spread = !group->spread;
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		if (group->followers & (1u << v))
			place(group, v, group->spread ? ++cpu : group->cpu);
	}
}
