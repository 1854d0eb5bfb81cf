/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that wait for each other by sched_yield(2), while the one waited for is in a call. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "victim.h"

#define THREADS 4
#define ROUNDS	100

static atomic_int lock;
static int sink;
static unsigned long turns, order;

static void *take_turns(void *arg)
{
	unsigned long self = (unsigned long)arg, spins = 0;

	for (int i = 0; i < ROUNDS; i++) {
		while (atomic_exchange(&lock, 1)) {
			spins++;
			MUST(sched_yield());
		}
		/* What the versions write depends on who came first, and on how long each waited.
		 */
		order = order * 31 + self;
		turns++;
		MUST(write(sink, &order, sizeof(order)));
		MUST(write(sink, &spins, sizeof(spins)));
		atomic_store(&lock, 0);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	sink = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));
	for (unsigned long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, take_turns, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu turns\n", turns);
	return 0;
}
