/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that kill. A process that ends by SIGKILL has crashed, unless the program itself asked for
 * it: then every version's process ends, and that is an event like others.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/ids.h"
#include "mxm/special.h"

static int signal_of(const struct call *call)
{
	switch (call->nr) {
	case SYS_tgkill:
	case SYS_rt_tgsigqueueinfo:
		return (int)call->args[2];
	}
	return (int)call->args[1];
}

/* The process behind a pidfd, by the line "Pid:" of its fdinfo; 0: gone, or no pidfd. */
static pid_t pid_of_pidfd(pid_t owner, int fd)
{
	char path[64], line[128];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", owner, fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	}
	if (f)
		fclose(f);
	return pid > 0 ? pid : 0;
}

/* Marks whom the call is going to kill. */
static int kill_lead(struct task *task, struct event *event)
{
	struct mxm *mxm = task->tuple->group->mxm;
	const struct call *call = &task->call;
	pid_t pid = (pid_t)call->args[0];
	pid_t own = task->tracee.tgid;

	if (signal_of(call) != SIGKILL)
		return 0;
	if (call->nr == SYS_pidfd_send_signal)
		pid = ids_to_known(mxm, task->version, pid_of_pidfd(own, pid));
	else if (call->nr == SYS_kill && pid == 0)
		pid = -ids_to_known(mxm, task->version, getpgid(own));
	if (call->nr == SYS_kill && pid < 0)
		ids_expect_kill_of_group(mxm, task->version, pid == -1 ? 0 : -pid);
	else if (pid > 0)
		ids_expect_kill(mxm, pid);
	return 0;
}

const struct special special_kill = { .lead = kill_lead };
