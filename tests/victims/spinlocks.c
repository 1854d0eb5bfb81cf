/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that wait for each other's turns without a call: each looks at memory until it is there.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "victim.h"

#define THREADS 3
#define ROUNDS	2

static atomic_int turn;
static int sink;

static void *take_turns(void *arg)
{
	int self = (int)(unsigned long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		while (atomic_load(&turn) % THREADS != self) {
		}
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
