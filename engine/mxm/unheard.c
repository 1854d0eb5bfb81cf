/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/unheard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "mxm/carry.h"
#include "mxm/children.h"
#include "mxm/group.h"
#include "mxm/posix_timers.h"

static uint64_t bit_of(int sig)
{
	return 1ul << (sig - 1);
}

/* Signals that are looked at together. */
#define PEEK 16

struct unheard {
	struct list link;
	siginfo_t info;
};

/* Not what is a version's own: a fault, a crash. */
static bool is_its_own(const struct task *task, int sig)
{
	uint64_t mask = task->tuple->group->mxm->config.survive;

	mask |= bit_of(SIGKILL) | bit_of(SIGSEGV) | bit_of(SIGBUS) | bit_of(SIGFPE);
	mask |= bit_of(SIGILL) | bit_of(SIGTRAP) | bit_of(SIGSYS);
	return mask & bit_of(sig);
}

static void keep(const struct task *task, struct list *unheard, const siginfo_t *info)
{
	struct unheard *kept;

	if (is_its_own(task, info->si_signo))
		return;
	carry_timer_fired(task->tuple->proc, info);
	kept = xzalloc(sizeof(*kept));
	kept->info = *info;
	list_append(unheard, &kept->link);
}

/* Those that are @sig, or (@others) all that are not. */
static void forget(struct list *unheard, int sig, bool others)
{
	list_for_each_safe (at, unheard) {
		struct unheard *kept = container_of(at, struct unheard, link);

		if ((kept->info.si_signo == sig) == others)
			continue;
		list_remove(at);
		free(kept);
	}
}

/* Its children are killed with it: one that had ended before was held. */
static void note_pending(struct task *task, bool shared)
{
	struct list *unheard = shared ? &task->tuple->proc->unheard : &task->tuple->unheard;
	siginfo_t infos[PEEK];
	unsigned from = 0;
	int n;

	do {
		n = tracee_peek_signals(&task->tracee, shared, from, infos, PEEK);
		for (int i = 0; i < n; i++) {
			if (infos[i].si_signo != SIGCHLD && !signals_was_raised(task, &infos[i]))
				keep(task, unheard, &infos[i]);
		}
		from += PEEK;
	} while (n == PEEK);
}

void unheard_note(struct task *task)
{
	for (int i = 0; i < task->nheld; i++)
		unheard_keep(task, &task->held[i].info);
	task->nheld = 0;
	note_pending(task, false);
	/* Each thread sees those of its process: the last one's look is what holds. */
	forget(&task->tuple->proc->unheard, SIGCHLD, true);
	note_pending(task, true);
}

void unheard_keep(struct task *task, const siginfo_t *info)
{
	struct tuple *tuple = task->tuple;

	keep(task, info->si_signo == SIGCHLD ? &tuple->proc->unheard : &tuple->unheard, info);
}

void unheard_stopped(struct task *task, int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_TKILL };

	/* It may be on its way to its last stop, and say no more. */
	if (tracee_get_siginfo(&task->tracee, &info) < 0 || info.si_signo != sig)
		info = (siginfo_t){ .si_signo = sig, .si_code = SI_TKILL };
	if (!signals_was_raised(task, &info))
		unheard_keep(task, &info);
}

void unheard_forget(struct list *unheard)
{
	forget(unheard, 0, true);
}

/* What only a process may say to itself is said as kill(2) says it. */
static void send_all(struct list *unheard, const struct task *task, bool to_process)
{
	const pid_t tgid = task->tracee.tgid, tid = task->tracee.tid;
	struct mxm *mxm = task->tuple->group->mxm;
	long r;

	list_for_each (at, unheard) {
		siginfo_t *info = &container_of(at, struct unheard, link)->info;
		const bool as_it_was = info->si_code < 0 && info->si_code != SI_TKILL;

		posix_timers_own_value(task, info);
		if (as_it_was && to_process)
			r = syscall(SYS_rt_sigqueueinfo, tgid, info->si_signo, info);
		else if (as_it_was)
			r = syscall(SYS_rt_tgsigqueueinfo, tgid, tid, info->si_signo, info);
		else if (to_process)
			r = syscall(SYS_kill, tgid, info->si_signo);
		else
			r = syscall(SYS_tgkill, tgid, tid, info->si_signo);
		if (r < 0)
			mxm->ops->note(mxm->ops_arg, "signal-failed", task->version,
				task->tuple->ids->known, strerror(errno));
	}
	unheard_forget(unheard);
}

/*
 * That a child has ended is told to each version by the kernel, and passed over in one that
 * follows. It is told again if it has come already, and has not been waited for; else it comes.
 */
static void expect_children(struct group *group, struct proc *proc)
{
	if (!list_is_empty(&proc->unheard) &&
		children_look(group, proc, group->leader, 0) != BROOD_ENDED)
		forget(&proc->unheard, SIGCHLD, false);
}

void unheard_pass_on(struct group *group)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *task = &tuple->tasks[group->leader];

		if (task->state == TASK_ABSENT)
			continue;
		expect_children(group, tuple->proc);
		send_all(&tuple->unheard, task, false);
		send_all(&tuple->proc->unheard, task, true);
	}
}
