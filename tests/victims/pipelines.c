/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipelines as a shell with job control makes them: parent and child both put the child into the
 * group of the first, whoever comes first, and the child executes a program.
 */
#include <sys/wait.h>

#include "victim.h"

static pid_t start(pid_t group, char *self)
{
	char *const args[] = { self, "executed", NULL };
	const pid_t pid = MUST(fork());

	if (pid == 0) {
		if (setpgid(0, group) < 0)
			_exit(99);
		execv(self, args);
		_exit(98);
	}
	/* It has executed its program already, and has done it itself. */
	if (setpgid(pid, group) < 0 && errno != EACCES)
		printf("setpgid: %s\n", strerror(errno));
	return pid;
}

int main(int argc, char **argv)
{
	int status, n = 0;

	if (argc > 1)
		return 4;
	for (int i = 0; i < 30; i++) {
		const pid_t first = start(0, argv[0]);

		start(first, argv[0]);
		start(first, argv[0]);
		for (int k = 0; k < 3; k++) {
			MUST(waitpid(-first, &status, 0));
			n += WIFEXITED(status) && WEXITSTATUS(status) == 4;
		}
	}
	printf("%d\n", n);
	return 0;
}
