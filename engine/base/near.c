/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

void near_begin(cpu_set_t *ret_cpus)
{
	int cpu = sched_getcpu();
	cpu_set_t one;

	if (cpu < 0 || cpu >= CPU_SETSIZE ||
		sched_getaffinity(0, sizeof(*ret_cpus), ret_cpus) < 0) {
		CPU_ZERO(ret_cpus);
		return;
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

void near_end(const cpu_set_t *cpus)
{
	if (CPU_COUNT(cpus))
		sched_setaffinity(0, sizeof(*cpus), cpus);
}

int near_thread(pthread_t *ret_thread, void *(*run)(void *arg), void *arg)
{
	cpu_set_t cpus;
	int rc;

	near_begin(&cpus);
	rc = pthread_create(ret_thread, NULL, run, arg);
	if (rc == 0 && CPU_COUNT(&cpus))
		(void)pthread_setaffinity_np(*ret_thread, sizeof(cpus), &cpus);
	near_end(&cpus);
	return rc;
}
