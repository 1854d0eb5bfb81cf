/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits that do not ask what became of the child: each takes one away that has ended, and none that
 * has only stopped. It says its id, waits until the file that it is given is there, and then says
 * that no child is left.
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "victim.h"

static pid_t child(bool stops)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {
		if (stops)
			raise(SIGSTOP);
		_exit(3);
	}
	return pid;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return MUST(waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT)) == 0 && info.si_pid;
}

int main(int argc, char **argv)
{
	const struct timespec nap = { 0, 10000000 };
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	SEE(waitid(P_PID, child(false), NULL, WEXITED) == 0);
	child(false);
	SEE(waitid(P_ALL, 0, NULL, WEXITED) == 0);
	pid = child(false);
	while (!has_ended(pid))
		nanosleep(&nap, NULL);
	SEE(waitid(P_ALL, 0, NULL, WEXITED | WNOHANG) == 0);
	pid = child(true);
	SEE(waitpid(pid, NULL, WUNTRACED) == pid && !has_ended(pid));
	MUST(kill(pid, SIGCONT));
	SEE(waitpid(pid, NULL, 0) == pid);
	SEE(wait(NULL) == -1 && errno == ECHILD);
	child(false);
	pid = child(false);
	SEE(wait(NULL) > 0 && waitid(P_ALL, 0, NULL, WEXITED) == 0);
	printf("ready %d\n", getpid());
	while (access(argv[1], F_OK) < 0)
		nanosleep(&nap, NULL);
	SEE(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	puts("none is left");
	return 0;
}
