/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Obeys the numbers on its standard input; at 1 it starts a helper, a process that lives until 2
 * comes. At 13 the new version crashes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static long total;
static int pipes[2];
static pid_t helper;

__attribute__((noinline)) static void obey(int n)
{
	char byte;

#ifdef CRASHES
	if (n == 13)
		*(volatile int *)16 = n;
#endif
	if (n == 1 && pipe(pipes) == 0) {
		helper = fork();
		if (helper == 0) {
			close(pipes[1]);
			_exit(read(pipes[0], &byte, 1) == 0 ? 5 : 6);
		}
		close(pipes[0]);
	}
	if (n == 2) {
		int status = 0;

		close(pipes[1]);
		waitpid(helper, &status, 0);
		total += WEXITSTATUS(status);
	}
	total += n;
	printf("%d: %ld\n", n, total);
	fflush(stdout);
}

int main(void)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin))
		obey(atoi(line));
	return 0;
}
