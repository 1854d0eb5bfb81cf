/* SPDX-License-Identifier: Apache-2.0 */
/* Threads with mutexes, conditions, semaphores, barriers, and files written in turn. */
#include <pthread.h>
#include <semaphore.h>

#include "victim.h"

#define THREADS 4
#define ROUNDS	200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;
static int turn, total;
static __thread int mine;

static void *worker(void *arg)
{
	int id = (int)(long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		total++;
		mine++;
		pthread_mutex_unlock(&lock);
		if (i % 10 == 0) {
			pthread_rwlock_wrlock(&rw);
			total++;
			pthread_rwlock_unlock(&rw);
			usleep(10);
		}
	}
	sem_post(&sem);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&lock);
	while (turn != id)
		pthread_cond_wait(&changed, &lock);
	dprintf(1, "thread %d: %d\n", id, mine);
	turn++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	setvbuf(stdout, NULL, _IOLBF, 0);
	sem_init(&sem, 0, 0);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		sem_wait(&sem);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	SEE(turn == THREADS);
	/* The order in which threads come by is theirs; how often is not. */
	SEE(total >= THREADS * ROUNDS);
	return 0;
}
