/* SPDX-License-Identifier: Apache-2.0 */
/* close, dup and close-on-exec: every version changes its own table, MXM follows. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mxm/carry.h"
#include "mxm/fds.h"
#include "mxm/install.h"
#include "mxm/group.h"
#include "mxm/rules.h"
#include "mxm/signalfds.h"
#include "mxm/special.h"

#define STALE_MAX 64
#define FD_MAX	  (1u << 20)

/* Does the call take the descriptor @fd away? */
static bool frees(const struct call *call, int fd)
{
	const uint64_t *a = call->args;

	switch (call->nr) {
	case SYS_close:
		return (int)a[0] == fd;
	case SYS_dup2:
	case SYS_dup3:
		return (int)a[1] == fd;
	case SYS_close_range:
		return (unsigned)a[0] <= (unsigned)fd && (unsigned)fd <= (unsigned)a[1] &&
		       !(a[2] & CLOSE_RANGE_CLOEXEC);
	}
	return false;
}

void special_number_taken(struct task *task, int fd)
{
	struct group *group = task->tuple->group;

	list_for_each_safe (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *other = &tuple->tasks[task->version];

		if (other != task && other->state == TASK_CALLING && !other->local_call &&
			tuple->proc->fds == task->tuple->proc->fds && frees(&other->call, fd))
			group_serve_one(group, other->tracee.tid);
	}
}

/*
 * The last descriptor of a pipe, a socket or a device: its other end notices the close. It is
 * closed only when every version has closed it, so the leader goes on after that, and sees what it
 * would see alone.
 */
static bool is_noticed(const struct task *task, int fd)
{
	struct stat st;
	char path[64];

	if (!fds_is_last(task->tuple->group->mxm, task->tuple->proc->fds, fd))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tracee.tid, fd);
	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/*
 * The last descriptor of a file leaves the epoll sets with it. Not so while a follower still has a
 * copy: the leader would be told of a descriptor that it has closed. So it is deleted first.
 */
static int close_lead(struct task *task, struct event *event)
{
	struct fds_stale stale[STALE_MAX];
	struct proc *proc = task->tuple->proc;
	bool at_entry = true;
	long r;
	int n, rc;

	if (!event || task->call.nr != SYS_close)
		return 0;
	event->settles = is_noticed(task, (int)task->call.args[0]);
	n = fds_stale_members(
		task->tuple->group->mxm, proc->fds, (int)task->call.args[0], stale, STALE_MAX);
	if (!n)
		return 0;
	for (int i = 0; i < n; i++) {
		rc = tracee_remote(&task->tracee, at_entry, &r, SYS_epoll_ctl, stale[i].set_fd,
			EPOLL_CTL_DEL, stale[i].fd, 0, 0, 0);
		if (rc < 0)
			return -ESRCH;
		at_entry = false;
	}
	rc = tracee_remote(&task->tracee, false, &r, SYS_close, task->call.args[0], 0, 0, 0, 0, 0);
	task->made_result = r;
	return rc < 0 ? -ESRCH : SPECIAL_MADE;
}

/* A range may hold descriptors that the version opened for itself. */
static void close_own(struct task *task, int64_t result)
{
	const uint64_t *a = task->call.args;

	if (task->call.nr != SYS_close_range || result < 0 || (a[2] & CLOSE_RANGE_CLOEXEC))
		return;
	for (unsigned fd = (unsigned)a[0]; fd <= (unsigned)a[1] && fd < FDS_OWN_MAX; fd++)
		local_own_fd(task, (int)fd, false);
}

static int close_led(struct task *task, struct event *event, int64_t *result)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct fdtab *fds = task->tuple->proc->fds;
	unsigned first = (unsigned)task->call.args[0], last = first;

	close_own(task, *result);
	if (task->call.nr == SYS_close_range && *result == 0) {
		last = (unsigned)task->call.args[1];
		if (last >= (unsigned)fds->nslots)
			last = fds->nslots ? fds->nslots - 1 : 0;
		for (unsigned fd = first; fd <= last && fd < FD_MAX; fd++) {
			if (task->call.args[2] & CLOSE_RANGE_CLOEXEC)
				fds_set_cloexec(mxm, fds, (int)fd, true);
			else
				fds_close(mxm, fds, (int)fd);
		}
		return 0;
	}
	if (*result != -EBADF) {
		carry_closed(task->tuple->proc, (int)first);
		fds_close(mxm, fds, (int)first);
	}
	return 0;
}

static int close_followed(struct task *task, struct event *event, int64_t *result)
{
	close_own(task, *result);
	return *result == event->result ? 0 : -EBADMSG;
}

const struct special special_close = {
	.lead = close_lead,
	.led = close_led,
	.followed = close_followed,
};

/* dup2 and dup3 close what was there. */
static int dup_lead(struct task *task, struct event *event)
{
	if (event && (task->call.nr == SYS_dup2 || task->call.nr == SYS_dup3) &&
		task->call.args[0] != task->call.args[1])
		event->settles = is_noticed(task, (int)task->call.args[1]);
	return 0;
}

static int dup_led(struct task *task, struct event *event, int64_t *result)
{
	const uint64_t *a = task->call.args;
	bool cloexec = rules_copy_cloexec(&task->call);

	if (*result < 0)
		return 0;
	special_number_taken(task, (int)*result);
	local_own_fd(task, (int)*result, false);
	fds_dup(task->tuple->group->mxm, task->tuple->proc->fds, (int)a[0], (int)*result, cloexec);
	return 0;
}

/*
 * The number is the leader's, and not the lowest that is free: another thread may have changed that
 * meanwhile, in the kernel, where no order is kept.
 */
static int dup_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	bool cloexec =
		rules_copy_cloexec(&event->call); /* as the leader asked: rules_same_copy() */
	struct user_regs_struct *regs;
	int rc;

	*ret_how = event->result < 0 ? FOLLOW_SKIP : FOLLOW_TO_EXIT;
	if (event->result < 0 ||
		(task->call.nr != SYS_fcntl && rules_copy_cloexec(&task->call) == cloexec))
		return 0;
	rc = special_set_arg(task, 1, event->result);
	if (rc == 0)
		rc = special_set_arg(task, 2, cloexec ? O_CLOEXEC : 0);
	regs = rc == 0 ? tracee_touch(&task->tracee) : NULL;
	if (!regs)
		return -ESRCH;
	regs->orig_rax = SYS_dup3;
	return 0;
}

static int dup_followed(struct task *task, struct event *event, int64_t *result)
{
	if (*result != event->result)
		return -EBADMSG;
	if (*result >= 0)
		local_own_fd(task, (int)*result, false);
	return 0;
}

const struct special special_dup = {
	.lead = dup_lead,
	.led = dup_led,
	.follow = dup_follow,
	.followed = dup_followed,
};

static int cloexec_led(struct task *task, struct event *event, int64_t *result)
{
	const uint64_t *a = task->call.args;
	bool on = task->call.nr == SYS_fcntl ? a[2] & FD_CLOEXEC : a[1] == FIOCLEX;

	if (*result >= 0)
		fds_set_cloexec(task->tuple->group->mxm, task->tuple->proc->fds, (int)a[0], on);
	return 0;
}

const struct special special_cloexec = { .led = cloexec_led };

bool special_makes_cloexec(struct task *task)
{
	const struct sys_row *row = task->call.row;
	uint64_t how = 0;

	switch (row->cloexec_arg) {
	case SYS_CLOEXEC_NEVER:
		return false;
	case SYS_CLOEXEC_ALWAYS:
		return true;
	case SYS_CLOEXEC_HOW:
		return tracee_read(&task->tracee, raddr(task->call.args[2]), &how, sizeof(how)) ==
			       0 &&
		       (how & row->cloexec);
	}
	return task->call.args[(int)row->cloexec_arg] & row->cloexec;
}

int special_new_fds(struct task *task, struct event *event, int64_t result)
{
	const struct sys_row *row = task->call.row;
	struct mxm *mxm = task->tuple->group->mxm;
	struct proc *proc = task->tuple->proc;
	const uint64_t *args = task->call.args;
	bool cloexec = special_makes_cloexec(task);
	int rc = 0;

	if (result < 0)
		return 0;
	if ((row->flags & SYS_NEWFD) && row->special != SPECIAL_DUP) {
		special_number_taken(task, (int)result);
		fds_open(mxm, proc->fds, (int)result, cloexec);
		signalfds_note(task);
		return event ? install_take(task, event, (int)result, cloexec) : 0;
	}
	for (int i = 0; i < row->nargs && rc == 0; i++) {
		int pair[2];

		if (row->args[i].kind == ARG_MSG_OUT)
			rc = special_received_fds(task, event, cloexec);
		if (row->args[i].kind != ARG_FDS_OUT)
			continue;
		rc = tracee_read(&task->tracee, raddr(args[i]), pair, sizeof(pair));
		for (int k = 0; k < 2 && rc == 0; k++) {
			special_number_taken(task, pair[k]);
			fds_open(mxm, proc->fds, pair[k], cloexec);
			if (event)
				rc = install_take(task, event, pair[k], cloexec);
		}
	}
	return rc;
}
