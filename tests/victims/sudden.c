/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process ends, or executes another program, while its threads are in the midst of calls; again
 * and again, because what they are at is chance.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "victim.h"

static void *work(void *arg)
{
	int fd = open("/dev/null", O_WRONLY);

	for (;;) {
		if (write(fd, "x", 1) < 0 || getppid() < 0)
			break;
	}
	return NULL;
}

static void child(int how, char *self)
{
	char *const args[] = { self, "executed", NULL };
	pthread_t thread;

	for (int i = 0; i < 4; i++)
		pthread_create(&thread, NULL, work, NULL);
	usleep(2000);
	if (how == 0)
		_exit(3);
	if (how == 1)
		execv(self, args);
	kill(getpid(), 9);
}

int main(int argc, char **argv)
{
	int status;

	if (argc > 1)
		return 4;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 15; i++) {
		if (MUST(fork()) == 0)
			child(i % 3, argv[0]);
		MUST(wait(&status));
		printf("%d: %x\n", i, status);
	}
	return 0;
}
