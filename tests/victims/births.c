/* SPDX-License-Identifier: Apache-2.0 */
/* fork, vfork, posix_spawn, waits. */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "victim.h"

extern char **environ;

static void forks(void)
{
	siginfo_t info;
	int status;
	pid_t pid;

	for (int i = 0; i < 20; i++) {
		pid = MUST(fork());
		if (pid == 0)
			_exit(i);
		SEE(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == i);
	}
	pid = MUST(vfork());
	if (pid == 0)
		_exit(7);
	memset(&info, 0, sizeof(info));
	MUST(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	SEE(info.si_pid == pid && info.si_status == 7 && info.si_code == CLD_EXITED);
	SEE(wait4(-1, &status, 0, NULL) == pid);
	SEE(wait(NULL) == -1 && errno == ECHILD);
	pid = MUST(fork());
	if (pid == 0)
		pause();
	SEE(waitpid(pid, &status, WNOHANG) == 0);
	MUST(kill(pid, SIGKILL));
	SEE(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void spawns(void)
{
	char *argv[] = { "sh", "-c", "echo spawned; exit 5", NULL };
	int status, rc;
	pid_t pid;

	fflush(stdout);
	rc = posix_spawnp(&pid, "sh", NULL, NULL, argv, environ);
	SEE(rc == 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
	argv[0] = "missing";
	SEE(posix_spawnp(&pid, "/missing", NULL, NULL, argv, environ) == ENOENT);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	forks();
	spawns();
	return 3;
}
