/* SPDX-License-Identifier: Apache-2.0 */
/* One thread sleeps in a call that its agent makes, and another one wants its turn meanwhile. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5

static int pipes[2];

static void *wake(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		/* Longer than the engine remembers that the last one was in the way. */
		nanosleep(&(struct timespec){ 0, 300000000 }, NULL);
		if (write(pipes[1], "x", 1) != 1)
			exit(1);
	}
	return arg;
}

int main(void)
{
	pthread_t thread;
	char c = 0;

	if (pipe(pipes) < 0)
		return 1;
	for (int i = 0; i < 200; i++) {
		if (write(pipes[1], "w", 1) != 1 || read(pipes[0], &c, 1) != 1)
			return 1;
	}
	pthread_create(&thread, NULL, wake, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		if (read(pipes[0], &c, 1) != 1)
			return 1;
	}
	pthread_join(thread, NULL);
	printf("the last was %c\n", c);
	return 0;
}
