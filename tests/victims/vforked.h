/* SPDX-License-Identifier: Apache-2.0 */
/* A child of vfork(2) executes a program; the old version's crashes before that. */
#include <sys/wait.h>

#include "victim.h"

int main(int argc, char **argv)
{
	char *const args[] = { argv[0], "executed", NULL };
	int status;
	pid_t pid;

	if (argc > 1)
		return 4;
	pid = vfork();
	if (pid == 0) {
		if (CRASHES)
			*(volatile int *)8 = 1;
		execv(argv[0], args);
		_exit(98);
	}
	MUST(waitpid(pid, &status, 0));
	printf("%x\n", status);
	return 0;
}
