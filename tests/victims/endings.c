/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends of threads and processes that come while others go on: a main thread before the others, an
 * execve while they close pipes, a fault while they are in the midst of calls ("crash").
 */
#include <pthread.h>
#include <sys/wait.h>

#include "victim.h"

static void *use_pipes(void *arg)
{
	const long times = (long)arg;
	char byte = 'x';
	int ends[2];

	for (long i = 0; i != times; i++) {
		MUST(pipe(ends));
		if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
			_exit(99);
		close(ends[0]);
		close(ends[1]);
	}
	return NULL;
}

static void go_on_without_main(void)
{
	pthread_t thread;

	for (int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, use_pipes, (void *)20);
	pthread_exit(NULL);
}

static void run_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 4; i++)
		pthread_create(&thread, NULL, use_pipes, (void *)-1);
	usleep(2000);
}

static void execute(char *self)
{
	char *const args[] = { self, "executed", NULL };

	run_threads();
	execv(self, args);
	_exit(99);
}

int main(int argc, char **argv)
{
	int status;

	if (argc > 1 && strcmp(argv[1], "crash") == 0) {
		run_threads();
		*(volatile int *)8 = 1;
	}
	if (argc > 1)
		return 4;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 12; i++) {
		if (MUST(fork()) == 0) {
			if (i % 3 == 0)
				go_on_without_main();
			execute(argv[0]);
		}
		MUST(wait(&status));
		printf("%d: %x\n", i, status);
	}
	go_on_without_main();
	return 0;
}
