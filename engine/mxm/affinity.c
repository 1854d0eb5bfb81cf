/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU a group runs on. A wake-up from one CPU to another costs many times one that stays
 * (docs/performance.md), so a monitor and the tasks that it serves begin on one CPU; children
 * inherit it. The program is told of the CPUs that it would have without the engine: special_ids.c.
 */
#include "mxm/group.h"

void affinity_choose(struct group *group)
{
	struct mxm *mxm = group->mxm;
	int n = CPU_COUNT(&mxm->affinity), skip;
	cpu_set_t one;

	if (n < 1)
		return;
	skip = (int)(__atomic_fetch_add(&mxm->next_cpu, 1, __ATOMIC_RELAXED) % (unsigned)n);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &mxm->affinity) && skip-- == 0) {
			CPU_SET(cpu, &one);
			break;
		}
	}
	sched_setaffinity(0, sizeof(one), &one);
}
