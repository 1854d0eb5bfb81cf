/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that wait for each other's turns without a call: each looks at memory until it is there;
 * one of them counts how often, and begins anew, one asks a function.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "victim.h"

#define THREADS 3
#define ROUNDS	25

static atomic_int turn;
static int sink;

static __attribute__((noinline)) int whose(void)
{
	return atomic_load(&turn) % THREADS;
}

static void wait_for(int self)
{
	switch (self) {
	case 0:
		while (atomic_load(&turn) % THREADS != self) {
		}
		break;
	case 1:
		for (int i = 0; whose() != self; i = i < 1000000 ? i + 1 : 0) {
		}
		break;
	default:
		while (whose() != self)
			__builtin_ia32_pause();
	}
}

static void *take_turns(void *arg)
{
	int self = (int)(unsigned long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		wait_for(self);
		MUST(write(sink, &turn, sizeof(turn)));
		atomic_fetch_add(&turn, 1);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	sink = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));
	for (unsigned long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, take_turns, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%d turns\n", atomic_load(&turn));
	return 0;
}
