/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that concern one version alone, and are no events: what the dynamic loader does before the
 * program's entry, and work on descriptors that a version opened for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/agent.h"
#include "mxm/carry.h"
#include "mxm/fds.h"
#include "mxm/files.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/own.h"
#include "mxm/paths.h"
#include "mxm/restart.h"
#include "mxm/rules.h"
#include "mxm/special.h"
#include "mxm/unforked.h"

/* The call's first descriptor, if it works on one. */
static int first_fd(const struct call *call)
{
	for (int i = 0; call->row && i < call->row->nargs; i++) {
		uint8_t kind = call->row->args[i].kind;

		if (kind == ARG_FD || kind == ARG_DIRFD)
			return (int)call->args[i];
	}
	return -1;
}

/* libc's own signals (pthread_cancel(3), setuid(2) in threads), which no program can use. */
#define SIGCANCEL 32
#define SIGSETXID 33

/* What a loader does that nobody outside can see. */
static bool is_loaders(const struct call *call)
{
	switch (call->nr) {
	case SYS_access:
	case SYS_faccessat:
	case SYS_faccessat2:
	case SYS_stat:
	case SYS_lstat:
	case SYS_newfstatat:
	case SYS_statx:
	case SYS_statfs:
	case SYS_readlink:
	case SYS_readlinkat:
	case SYS_getcwd:
	case SYS_uname:
	case SYS_sysinfo:
	case SYS_getuid:
	case SYS_geteuid:
	case SYS_getgid:
	case SYS_getegid:
	case SYS_getpid:
	case SYS_gettid:
	case SYS_getppid:
	case SYS_getrandom:
	case SYS_clock_gettime:
	case SYS_gettimeofday:
	case SYS_time:
	case SYS_set_tid_address:
	case SYS_rseq:
	case SYS_prlimit64:
	case SYS_getrlimit:
	case SYS_sched_getaffinity:
	case SYS_futex:
	case SYS_rt_sigprocmask: /* of older libpthreads: their own two signals */
		return true;
	case SYS_rt_sigaction:
		return call->args[0] == SIGCANCEL || call->args[0] == SIGSETXID;
	case SYS_prctl:
		return rules_is_look(call);
	}
	return files_opened_to_read(call);
}

/* Deterministic random bytes: the n-th draw before the entry gives the same to every version. */
static void draw(struct task *task)
{
	struct proc *proc = task->tuple->proc;
	uint64_t at = task->call.args[0], len = task->call.args[1];
	uint64_t x = proc->seed + 0x9e3779b97f4a7c15ul * ++proc->start_draws[task->version];
	uint8_t buf[256];

	if (len > sizeof(buf))
		len = sizeof(buf);
	for (size_t i = 0; i < len; i++) {
		x ^= x >> 30;
		x *= 0xbf58476d1ce4e5b9ul;
		x ^= x >> 27;
		buf[i] = (uint8_t)(x >> 32);
	}
	if (tracee_write(&task->tracee, raddr(at), buf, len) < 0)
		tracee_skip_call(&task->tracee, -EFAULT);
	else
		tracee_skip_call(&task->tracee, len);
}

/* What a loader is not told by the kernel. */
static bool answer_loader(struct task *task)
{
	const struct sys_row *row = task->call.row;
	int64_t result;

	if (row->class == SYS_REFUSED)
		tracee_skip_call(&task->tracee, -row->refusal);
	else if (task->call.nr == SYS_getrandom)
		draw(task);
	else if (task->call.nr == SYS_sched_getaffinity && special_tell_cpus(task, &result) == 0)
		tracee_skip_call(&task->tracee, result);
	else
		return false;
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}

static bool makes_fd(const struct call *call)
{
	return (call->row->flags & SYS_NEWFD) || call->row->special == SPECIAL_DUP ||
	       call->nr == SYS_pipe2 || call->nr == SYS_socketpair;
}

void local_own_fd(struct task *task, int fd, bool own)
{
	if (fds_is_private(task->tuple->proc, task->version, fd) == own)
		return;
	if (fd < FDS_OWN_MAX)
		task->tuple->proc->own_fds[task->version][fd] = OWN_NOT;
	fds_set_private(task->tuple->proc, task->version, fd, own);
	agent_private_fd(task, fd);
}

void local_executed(struct task *task)
{
	struct proc *proc = task->tuple->proc;
	char path[64], link[8];

	for (int fd = 0; fd < FDS_OWN_MAX; fd++) {
		if (!fds_is_private(proc, task->version, fd))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tracee.tid, fd);
		if (readlink(path, link, sizeof(link)) < 0)
			fds_set_private(proc, task->version, fd, false);
	}
}

void local_run(struct task *task)
{
	const struct sys_row *row = task->call.row;

	task->at_entry_stop = false;
	if (row->special == SPECIAL_CLOSE && task->call.nr == SYS_close)
		local_own_fd(task, (int)task->call.args[0], false);
	if (!makes_fd(&task->call) && row->special != SPECIAL_PIDS &&
		!(row->flags & SYS_PID_RESULT)) {
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	task->local_call = true;
	task_enter(task, TASK_CALLING);
	task_resume(task, RESUME_TO_EXIT, 0);
}

bool local_call(struct task *task)
{
	const struct call *call = &task->call;
	const struct sys_row *row = call->row;
	int fd;

	if (!row || row->class == SYS_UNSUPPORTED || row->class == SYS_PROCESS)
		return false;
	fd = first_fd(call);
	if (row->class == SYS_LOCAL) {
		if (call->nr == SYS_madvise)
			unforked_note(task);
		local_run(task);
		return true;
	}
	if (fds_is_private(task->tuple->proc, task->version, fd) && own_may_now(task, fd)) {
		local_run(task);
		return true;
	}
	if (task->starting && is_loaders(call)) {
		if (!answer_loader(task))
			local_run(task);
		return true;
	}
	if (paths_are_private(task)) {
		local_run(task);
		return true;
	}
	return false;
}

void local_left(struct task *task)
{
	const struct sys_row *row = task->call.row;
	struct user_regs_struct *regs = tracee_regs(&task->tracee);
	int64_t result;

	if (!regs)
		return;
	result = (int64_t)regs->rax;
	if (call_restarts(result)) {
		/* A signal broke in, and is passed over: the kernel makes the call again. */
		task_enter(task, TASK_AGAIN);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	task->local_call = false;
	if (makes_fd(&task->call) && result >= 0) {
		if (!task->moves_fd) {
			local_own_fd(task, (int)result, true);
		} else {
			if (own_take(task, &result) < 0 || !(regs = tracee_touch(&task->tracee)))
				return; /* it vanished */
			regs->rax = (uint64_t)result;
		}
	}
	task->moves_fd = false;
	if ((row->special == SPECIAL_PIDS || (row->flags & SYS_PID_RESULT)) && result > 0) {
		regs = tracee_touch(&task->tracee);
		regs->rax = ids_to_known(task->tuple->group->mxm, task->version, (pid_t)result);
	}
	task_enter(task, TASK_RUNNING);
	if (carry_is_due(task))
		carry_take_up_running(task);
	if (task->call.nr == SYS_futex && !task->starting && task_follows(task)) {
		/* Out of order: it goes on when the baton is free. */
		baton_lose(task);
		return;
	}
	task_resume(task, RESUME_RUN, 0);
}
