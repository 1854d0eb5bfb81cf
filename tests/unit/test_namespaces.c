/* SPDX-License-Identifier: Apache-2.0 */
/* Whose children are born where they are themselves. */
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mxm/copy.h"
#include "tap.h"

static pid_t child(void (*does)(int ready), int ready)
{
	pid_t pid = fork();

	if (pid == 0) {
		does(ready);
		_exit(0);
	}
	return pid;
}

static void end(int ready)
{
	(void)ready;
}

static void move_children(int ready)
{
	char done = unshare(CLONE_NEWPID) == 0;

	if (write(ready, &done, 1) == 1)
		pause();
}

int main(void)
{
	int ready[2];
	char done = 0;
	siginfo_t info;
	pid_t pid;

	ok(copy_stays_in_namespaces(getpid()), "of this process");
	pid = child(end, -1);
	ok(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0, "a child ends");
	ok(copy_stays_in_namespaces(pid), "nothing is said against one that has ended");
	waitpid(pid, NULL, 0);
	ok(copy_stays_in_namespaces(pid), "nor when it has been waited for");
	ok(pipe(ready) == 0, "a pipe");
	pid = child(move_children, ready[1]);
	if (read(ready[0], &done, 1) == 1 && done)
		ok(!copy_stays_in_namespaces(pid), "not of one that has left for its children");
	else
		ok(true, "# SKIP no leave for a namespace");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return tap_done();
}
