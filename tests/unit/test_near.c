/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"
#include "tap.h"

struct seen {
	int cpu;
	cpu_set_t cpus; /* at its end */
	pthread_barrier_t barrier;
};

static void *look(void *arg)
{
	struct seen *seen = arg;

	seen->cpu = sched_getcpu();
	pthread_barrier_wait(&seen->barrier);
	sched_getaffinity(0, sizeof(seen->cpus), &seen->cpus);
	return NULL;
}

static void test_thread(void)
{
	cpu_set_t before, pinned, after;
	struct seen seen = { .cpu = -1 };
	pthread_t thread;

	pthread_barrier_init(&seen.barrier, NULL, 2);
	sched_getaffinity(0, sizeof(before), &before);
	near_begin(&after);
	ok(CPU_EQUAL(&after, &before), "near_begin() tells the CPUs that its caller had");
	sched_getaffinity(0, sizeof(pinned), &pinned);
	is_int(CPU_COUNT(&pinned), 1, "the caller has one CPU then");
	ok(CPU_ISSET(sched_getcpu(), &pinned), "which it runs on");
	is_int(near_thread(&thread, look, &seen), 0, "a thread begins");
	pthread_barrier_wait(&seen.barrier);
	pthread_join(thread, NULL);
	ok(CPU_ISSET(seen.cpu, &pinned), "on its maker's CPU");
	ok(CPU_EQUAL(&seen.cpus, &pinned), "and may go where its maker could");
	near_end(&before);
	sched_getaffinity(0, sizeof(after), &after);
	ok(CPU_EQUAL(&after, &before), "after near_end() the caller has its CPUs again");
	is_int(near_thread(&thread, look, &seen), 0, "another thread begins");
	pthread_barrier_wait(&seen.barrier);
	pthread_join(thread, NULL);
	ok(CPU_EQUAL(&seen.cpus, &before), "and has all CPUs that its maker has");
	sched_getaffinity(0, sizeof(after), &after);
	ok(CPU_EQUAL(&after, &before), "which has kept them");
	CPU_ZERO(&after);
	near_end(&after);
	sched_getaffinity(0, sizeof(after), &after);
	ok(CPU_EQUAL(&after, &before), "where the CPUs are not known nothing is changed");
}

int main(void)
{
	test_thread();
	return tap_done();
}
