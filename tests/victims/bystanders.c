/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that share memory: some make hot calls while others execute programs, or are killed. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

#define BYSTANDERS 2
#define ROUNDS	   60

static void make_calls(const volatile int *over)
{
	const int out = MUST(open("/dev/null", O_WRONLY));
	char bytes[100] = { 0 };

	while (!*over) {
		if (write(out, bytes, sizeof(bytes)) < 0)
			_exit(99);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	char *const args[] = { argv[0], "executed", NULL };
	volatile int *over;
	int status, executed = 0, killed = 0;

	if (argc > 1)
		return 4;
	over = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < BYSTANDERS; i++) {
		if (MUST(fork()) == 0)
			make_calls(over);
	}
	for (int i = 0; i < ROUNDS; i++) {
		const pid_t pid = MUST(fork());

		if (pid == 0) {
			if (i % 2)
				kill(getpid(), SIGKILL);
			execv(argv[0], args);
			_exit(98);
		}
		MUST(waitpid(pid, &status, 0));
		executed += WIFEXITED(status) && WEXITSTATUS(status) == 4;
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	}
	*over = 1;
	while (wait(&status) > 0)
		;
	printf("%d executed, %d killed\n", executed, killed);
	return 0;
}
