/* SPDX-License-Identifier: Apache-2.0 */
/* A child that is made with CLONE_UNTRACED, as leak checkers do, by either of the calls. */
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static void child_of(const char *name, long pid)
{
	int status;

	MUST(pid);
	if (pid == 0) {
		MUST(write(1, name, strlen(name)));
		_exit(3);
	}
	MUST(waitpid((pid_t)pid, &status, 0));
	printf("status %d\n", WEXITSTATUS(status));
	fflush(stdout);
}

int main(void)
{
	struct clone_args args = { .flags = CLONE_UNTRACED, .exit_signal = SIGCHLD };

	child_of("clone\n", syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0));
	child_of("clone3\n", syscall(SYS_clone3, &args, sizeof(args)));
	return 0;
}
