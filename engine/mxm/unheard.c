/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/unheard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "mxm/group.h"

static uint64_t bit_of(int sig)
{
	return 1ul << (sig - 1);
}

static uint64_t mask_in(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoul(at + strlen(name), NULL, 16) : 0;
}

/* Not what is a version's own: a fault, a crash; nor what the engine has sent for an event. */
static uint64_t heard(const struct task *task)
{
	uint64_t mask = task->tuple->group->mxm->config.survive;

	mask |= bit_of(SIGKILL) | bit_of(SIGSEGV) | bit_of(SIGBUS) | bit_of(SIGFPE);
	mask |= bit_of(SIGILL) | bit_of(SIGTRAP) | bit_of(SIGSYS);
	if (task->state == TASK_RAISING)
		mask |= bit_of(task->raise.si_signo);
	return mask;
}

void unheard_note(struct task *task)
{
	cleanup_str struct str status = STR_INIT;
	/* Its children are killed with it. One that had ended before was held. */
	const uint64_t unsent = heard(task) | bit_of(SIGCHLD);
	char path[64];

	for (int i = 0; i < task->nheld; i++)
		unheard_keep(task, task->held[i].info.si_signo);
	task->nheld = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", task->tracee.tid);
	if (io_read_file(path, 65536, &status, NULL) < 0)
		return;
	task->tuple->unheard |= mask_in(str_text(&status), "\nSigPnd:") & ~unsent;
	task->tuple->proc->unheard |= mask_in(str_text(&status), "\nShdPnd:") & ~unsent;
}

void unheard_keep(struct task *task, int sig)
{
	uint64_t *mask = sig == SIGCHLD ? &task->tuple->proc->unheard : &task->tuple->unheard;

	*mask |= bit_of(sig) & ~heard(task);
}

static void send_all(uint64_t *mask, pid_t tgid, pid_t tid)
{
	for (int sig = 1; sig <= 64; sig++) {
		if (!(*mask & bit_of(sig)))
			continue;
		if (tid)
			syscall(SYS_tgkill, tgid, tid, sig);
		else
			syscall(SYS_kill, tgid, sig);
	}
	*mask = 0;
}

static bool has_ended_child(pid_t tgid, pid_t tid)
{
	cleanup_str struct str text = STR_INIT;
	char path[64], *rest, *word;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", tgid, tid);
	if (io_read_file(path, 1u << 20, &text, NULL) < 0)
		return false;
	rest = text.data;
	while (rest && (word = strsep(&rest, " \n"))) {
		pid_t child = (pid_t)strtol(word, NULL, 10);

		if (child > 0 && thread_state(child) == 'Z')
			return true;
	}
	return false;
}

/*
 * That a child has ended is told to each version by the kernel, and passed over in one that
 * follows. It is told again if it has come already, and has not been waited for; else it comes.
 */
static void expect_children(struct group *group, struct proc *proc)
{
	bool ended = false;

	if (!(proc->unheard & bit_of(SIGCHLD)))
		return;
	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *task = &tuple->tasks[group->leader];

		if (tuple->proc == proc && task->state != TASK_ABSENT)
			ended |= has_ended_child(task->tracee.tgid, task->tracee.tid);
	}
	if (!ended)
		proc->unheard &= ~bit_of(SIGCHLD);
}

void unheard_pass_on(struct group *group)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *task = &tuple->tasks[group->leader];

		if (task->state == TASK_ABSENT)
			continue;
		expect_children(group, tuple->proc);
		send_all(&tuple->unheard, task->tracee.tgid, task->tracee.tid);
		send_all(&tuple->proc->unheard, task->tracee.tgid, 0);
	}
}
