/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process is sent comes to its main thread, which does not block it: whatever that is at. A
 * thread that begins, and one that ends, changes its mask, and takes then what waits for the
 * process; and a handler may last, beside other work: so none begins, and none blocks its signal.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "victim.h"

#define CALLS 4000

static __thread int is_main;
static volatile int mine, others;
static pthread_barrier_t begun;

static void tick(int sig)
{
	if (is_main)
		mine++;
	else
		others++;
}

static void *call_often(void *arg)
{
	if (!is_main)
		pthread_barrier_wait(&begun);
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = tick, .sa_flags = SA_RESTART | SA_NODEFER };
	struct itimerval often = { { 0, 3000 }, { 0, 3000 } };
	pthread_t thread;

	is_main = 1;
	MUST(sigaction(SIGALRM, &sa, NULL));
	pthread_barrier_init(&begun, NULL, 2);
	if (pthread_create(&thread, NULL, call_often, NULL))
		return 1;
	pthread_barrier_wait(&begun);
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	while (!mine)
		call_often(NULL);
	pthread_join(thread, NULL);
	SEE(others == 0);
	return 0;
}
