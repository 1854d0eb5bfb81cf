/* SPDX-License-Identifier: Apache-2.0 */
/* clone and its kin, execve, wait: made by each version for its own processes. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "mxm/canon.h"
#include "mxm/children.h"
#include "mxm/clones.h"
#include "mxm/ids.h"
#include "mxm/layout.h"
#include "mxm/program.h"
#include "mxm/refusals.h"
#include "mxm/special.h"

/* The call is made without these flags. */
static int leave_out(struct task *task, uint64_t flags)
{
	uint64_t size = task->call.args[1], w[GATEWAY_SCRATCH_SIZE / 8];
	struct user_regs_struct *regs;
	int rc;

	if (task->call.nr == SYS_clone)
		return special_set_arg(task, 0, task->call.args[0] & ~flags);
	if (task->call.nr == SYS_vfork) {
		regs = tracee_touch(&task->tracee);
		if (regs)
			regs->orig_rax = SYS_fork;
		return regs ? 0 : -ESRCH;
	}
	/* clone3: the flags are the first word, and the kernel takes a page at most. */
	if (size < 8 || size > sizeof(w) ||
		tracee_read(&task->tracee, raddr(task->call.args[0]), w, size) < 0)
		return 0;
	w[0] &= ~flags;
	rc = tracee_write(&task->tracee, raddr(GATEWAY_SCRATCH), w, size);
	return rc < 0 ? rc : special_set_arg(task, 0, GATEWAY_SCRATCH);
}

/* A child that asks not to be traced would run beside the engine, and could not make a call. */
static uint64_t untraced(struct task *task)
{
	struct clone_call c;

	return clones_read(task, &c) ? c.flags & CLONE_UNTRACED : 0;
}

static int clone_lead(struct task *task, struct event *event)
{
	uint64_t flags = untraced(task);

	return flags ? leave_out(task, flags) : 0;
}

static int clone_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	uint64_t flags = untraced(task) | clones_left_out(task, event);

	*ret_how = event->result < 0 ? FOLLOW_SKIP : FOLLOW_TO_EXIT;
	return event->result < 0 || !flags ? 0 : leave_out(task, flags);
}

static int clone_followed(struct task *task, struct event *event, int64_t *result)
{
	/* Only a clone that failed comes here: the others were consumed with their child. */
	return -EBADMSG;
}

const struct special special_clone = {
	.lead = clone_lead,
	.follow = clone_follow,
	.followed = clone_followed,
};

static int exec_lead(struct task *task, struct event *event)
{
	if (program_of_task_is_foreign(task)) {
		refusals_note(task, ENOEXEC, "a program of 32 bits");
		task->made_result = -ENOEXEC;
		return SPECIAL_MADE;
	}
	layout_before_exec(task);
	return 0;
}

/* Only an execve that failed comes here. */
static int exec_led(struct task *task, struct event *event, int64_t *result)
{
	layout_after_exec(task);
	return 0;
}

static int exec_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	*ret_how = event->result < 0 ? FOLLOW_SKIP : FOLLOW_TO_EXIT;
	if (event->result >= 0) {
		layout_before_exec(task);
		task->tuple->proc->own_copy[task->version] = false;
	}
	return 0;
}

static int exec_followed(struct task *task, struct event *event, int64_t *result)
{
	layout_after_exec(task);
	return -EBADMSG;
}

const struct special special_exec = {
	.lead = exec_lead,
	.led = exec_led,
	.follow = exec_follow,
	.followed = exec_followed,
};

static bool is_waitid(const struct task *task)
{
	return task->call.nr == SYS_waitid;
}

/* Its argument that says where to tell how the child has ended. */
static int answer_arg(const struct task *task)
{
	return is_waitid(task) ? 2 : 1;
}

/*
 * Where the answer comes to. One that the program does not want comes below its stack, beyond what
 * a function may use there (System V ABI, AMD64: 128 bytes). 0: nowhere.
 */
static uint64_t answer_place(struct task *task)
{
	const uint64_t at = task->call.args[answer_arg(task)];
	const struct user_regs_struct *regs = at ? NULL : tracee_regs(&task->tracee);

	return regs ? (regs->rsp - 128 - sizeof(siginfo_t)) & ~15ul : at;
}

/* Which child it was, and whether that is gone, not every call says by its result. */
static int wait_lead(struct task *task, struct event *event)
{
	const siginfo_t none = { 0 };
	const uint64_t at = answer_place(task);

	if (task->call.args[answer_arg(task)] ||
		tracee_write(&task->tracee, raddr(at), &none, sizeof(none)) < 0)
		return 0;
	return special_set_arg(task, answer_arg(task), at);
}

/* Which child the leader's wait has taken away; 0: none. */
static pid_t reaped(struct task *task, const struct event *event, int64_t result)
{
	uint64_t at = answer_place(task);
	siginfo_t info;
	int status;

	if (!is_waitid(task)) {
		if (result <= 0)
			return 0;
		if (at && tracee_read(&task->tracee, raddr(at), &status, sizeof(status)) == 0 &&
			!WIFEXITED(status) && !WIFSIGNALED(status))
			return 0;
		return (pid_t)result;
	}
	if (result < 0 || !at || (task->call.args[3] & WNOWAIT) ||
		tracee_read(&task->tracee, raddr(at), &info, 128) < 0)
		return 0;
	return info.si_code == CLD_STOPPED || info.si_code == CLD_CONTINUED ? 0 : info.si_pid;
}

static int wait_led(struct task *task, struct event *event, int64_t *result)
{
	struct mxm *mxm = task->tuple->group->mxm;
	pid_t real, known;
	int rc = 0;

	if (*result < 0)
		return 0;
	real = reaped(task, event, *result);
	known = real ? ids_to_known(mxm, task->version, real) : 0;
	if (event)
		event->value = known;
	if (!is_waitid(task))
		*result = *result > 0 ? ids_to_known(mxm, task->version, (pid_t)*result) : *result;
	else if (real && known != real)
		rc = tracee_write(&task->tracee,
			raddr(answer_place(task) + offsetof(siginfo_t, si_pid)), &known,
			sizeof(known));
	return rc;
}

/* The follower takes its own child away, whose end may still be to come. */
static int wait_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	struct mxm *mxm = task->tuple->group->mxm;
	pid_t real = ids_to_waited(mxm, task->version, (pid_t)event->value);
	uint64_t flags;
	int rc;

	/* It came back after the child's end: the child was the leader's alone. */
	if (!event->value || !ids_is_pid(real)) {
		*ret_how = FOLLOW_SKIP;
		return 0;
	}
	*ret_how = FOLLOW_TO_EXIT;
	if (is_waitid(task)) {
		flags = (task->call.args[3] & ~(uint64_t)WNOHANG) | __WALL;
		rc = special_set_arg(task, 0, P_PID);
		if (rc == 0)
			rc = special_set_arg(task, 1, real);
		return rc < 0 ? rc : special_set_arg(task, 3, flags);
	}
	flags = (task->call.args[2] & ~(uint64_t)WNOHANG) | __WALL;
	rc = special_set_arg(task, 0, real);
	return rc < 0 ? rc : special_set_arg(task, 2, flags);
}

/* Does it want to know how the child has ended, where the leader did not? */
static bool asks_more(const struct task *task, const struct event *event)
{
	const int at = answer_arg(task);

	return task->call.args[at] && !event->call.args[at];
}

static int wait_followed(struct task *task, struct event *event, int64_t *result)
{
	int rc;

	if (*result < 0)
		return -EBADMSG;
	if (event->value && (task->call.nr != event->call.nr || asks_more(task, event)))
		return children_tell(task, event, result);
	rc = canon_apply(task, event->result, &event->out);
	*result = event->result;
	return rc;
}

const struct special special_wait = {
	.lead = wait_lead,
	.led = wait_led,
	.follow = wait_follow,
	.followed = wait_followed,
};
