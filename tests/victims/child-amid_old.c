/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children end while their parent computes, so that the signal waits for its next call; the new
 * version crashes before that, each time. Says what the handler was told.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CRASHES
#define CRASHES 0
#endif
#define ROUNDS 40

static volatile sig_atomic_t told;

static void on_child(int sig)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		told = told + sig / SIGCHLD;
}

__attribute__((noinline)) static void compute(int round)
{
	for (volatile unsigned i = 0; i < 20000000; i = i + 1)
		;
	if (CRASHES && round % 2)
		*(volatile int *)0 = round;
}

int main(void)
{
	signal(SIGCHLD, on_child);
	for (int round = 1; round <= ROUNDS; round++) {
		if (fork() == 0)
			_exit(0);
		compute(round);
		for (int i = 0; i < 300 && told < round; i++)
			poll(NULL, 0, 10);
		printf("%d: %d\n", round, told);
		fflush(stdout);
	}
	return 0;
}
