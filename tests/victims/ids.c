/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of processes and threads are one program's: what one call says, others confirm. */
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

/* A thread may set its own capabilities only, and may be named for that. */
static void same_rights(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, gettid() };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	SEE(syscall(SYS_capget, &header, data) == 0);
	SEE(syscall(SYS_capset, &header, data) == 0);
	SEE(header.pid == gettid());
}

static void *thread(void *arg)
{
	same_rights();
	SEE(getpid() == *(pid_t *)arg);
	SEE(gettid() != getpid());
	SEE(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0);
	return NULL;
}

int main(void)
{
	pid_t pid = getpid(), parent = getpid(), child;
	char path[64], target[64] = "";
	pthread_t t;
	int p[2];

	SEE(gettid() == pid);
	same_rights();
	SEE(kill(pid, 0) == 0);
	SEE(getpgid(pid) == getpgrp());
	SEE(getsid(pid) == getsid(0));
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	SEE(access(path, F_OK) == 0);
	MUST(readlink("/proc/self", target, sizeof(target) - 1));
	SEE(atoi(target) == pid);
	pthread_create(&t, NULL, thread, &pid);
	pthread_join(t, NULL);
	MUST(pipe(p));
	fflush(stdout);
	child = MUST(fork());
	if (child == 0) {
		SEE(getppid() == parent);
		pid = getpid();
		MUST(write(p[1], &pid, sizeof(pid)));
		fflush(stdout);
		_exit(0);
	}
	MUST(read(p[0], &pid, sizeof(pid)));
	SEE(pid == child);
	SEE(setpgid(child, child) == 0 || errno == EACCES || errno == ESRCH);
	SEE(wait(NULL) == child);
	SEE(kill(child, 0) == -1 && errno == ESRCH);
	return 0;
}
