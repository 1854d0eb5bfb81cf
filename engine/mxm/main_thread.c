/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/main_thread.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whose it is: not what a thread's own call has caused. NULL: @task's. */
static struct task *meant_for(const struct task *task, int sig, const siginfo_t *info)
{
	const bool to_process = info->si_code == SI_USER || info->si_code == SI_KERNEL;

	if (!to_process || sig == SIGPIPE || sig == SIGXFSZ || info->si_pid == task->tracee.tgid)
		return NULL;
	list_for_each (at, &task->tuple->group->tuples) {
		struct task *main = &container_of(at, struct tuple, link)->tasks[task->version];

		if (main != task && main->tuple->proc == task->tuple->proc &&
			main->state != TASK_ABSENT && main->state != TASK_ENDING &&
			main->tracee.tid == main->tracee.tgid &&
			!(thread_signals(main->tracee.tid, "SigBlk:") >> (sig - 1) & 1))
			return main;
	}
	return NULL;
}

bool main_thread_pass(const struct task *task, int sig, const siginfo_t *info)
{
	struct task *main = meant_for(task, sig, info);

	/* As the kernel does: of one kind, one waits. */
	if (main && main->passed.si_signo == sig && sig < __SIGRTMIN)
		return true;
	if (!main || main->passed.si_signo ||
		syscall(SYS_tgkill, main->tracee.tgid, main->tracee.tid, sig) < 0)
		return false;
	main->passed = *info;
	return true;
}

int main_thread_take(struct task *task, siginfo_t *info)
{
	if (task->passed.si_signo != info->si_signo || info->si_code != SI_TKILL)
		return 0;
	*info = task->passed;
	task->passed.si_signo = 0;
	return tracee_set_siginfo(&task->tracee, info);
}
