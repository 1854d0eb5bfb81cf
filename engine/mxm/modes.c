/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "mxm/by_fd.h"
#include "mxm/fds.h"
#include "mxm/files.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/rules.h"

/* What F_SETFL changes beside O_NONBLOCK. */
#define OTHER_MODES (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME)

/* A descriptor on which a follower's O_NONBLOCK is not the leader's. */
struct apart {
	struct by_fd of; /* proc->apart */
	bool nonblock;	 /* the follower's */
	int others;	 /* OTHER_MODES, of both */
};

static struct apart *apart_of(const struct proc *proc, int version, int fd)
{
	return (struct apart *)by_fd_find(&proc->apart, version, fd);
}

static void together(struct apart *a)
{
	by_fd_free(&a->of);
}

void modes_forget(struct proc *proc, int version, int fd)
{
	by_fd_forget(&proc->apart, version, fd, by_fd_free);
}

struct setting {
	int fd;
	bool nonblock;
	int others; /* -1: as they are */
};

/* F_SETFL, or ioctl(FIONBIO), whose number stands at the end of the normal form. */
static bool sets(const struct call *call, const struct str *in, struct setting *ret)
{
	uint32_t on;

	ret->fd = (int)call->args[0];
	if (call->nr == SYS_fcntl && call->args[1] == F_SETFL) {
		ret->nonblock = (call->args[2] & O_NONBLOCK) != 0;
		ret->others = (int)(call->args[2] & OTHER_MODES);
		return true;
	}
	if (call->nr != SYS_ioctl || call->args[1] != FIONBIO || in->len < sizeof(on))
		return false;
	memcpy(&on, in->data + in->len - sizeof(on), sizeof(on));
	ret->nonblock = on != 0;
	ret->others = -1;
	return true;
}

/* descriptors being made */

bool modes_may_part(const struct task *task, const struct call *call)
{
	switch (call->nr) {
	case SYS_openat:
		/* It makes no difference to the opening itself, as it would to that of a FIFO. */
		return files_is_plain(task, call);
	case SYS_socket:
	case SYS_socketpair:
	case SYS_accept4:
	case SYS_pipe2:
	case SYS_eventfd2:
	case SYS_timerfd_create:
	case SYS_signalfd4:
	case SYS_inotify_init1:
		return true;
	}
	return false;
}

void modes_share(struct task *task, const struct event *event)
{
	struct proc *proc = task->tuple->proc;
	int i = event->call.row ? event->call.row->cloexec_arg : -1;
	uint64_t ours, theirs;
	struct setting s;

	if (!list_is_empty(&proc->apart) && sets(&event->call, &event->in, &s) &&
		event->result >= 0)
		modes_forget(proc, task->version, s.fd); /* both have set it */
	for (int k = 0; k < event->nfds && !list_is_empty(&proc->apart); k++)
		modes_forget(proc, task->version, event->fds[k].num);
	if (i < 0 || i > 5 || !event->nfds || !modes_may_part(task, &event->call))
		return;
	ours = task->call.args[i];
	theirs = event->call.args[i];
	if (!((ours ^ theirs) & O_NONBLOCK))
		return;
	for (int k = 0; k < event->nfds; k++) {
		struct apart *a =
			by_fd_add(&proc->apart, sizeof(*a), task->version, event->fds[k].num);

		a->nonblock = (ours & O_NONBLOCK) != 0;
		a->others = event->call.nr == SYS_openat ? (int)(theirs & OTHER_MODES) : 0;
	}
}

/* in use */

bool modes_forbid(const struct task *task, const struct event *event)
{
	const struct proc *proc = task->tuple->proc;
	const struct sys_row *row = event->call.row;

	if (list_is_empty(&proc->apart) || event->kind != EVENT_CALL || !row)
		return false;
	/* A child would have them apart, too. */
	if (row->special == SPECIAL_CLONE || row->special == SPECIAL_EXEC)
		return true;
	if (row->special == SPECIAL_DUP)
		return apart_of(proc, task->version, (int)event->call.args[0]) != NULL;
	if (!(row->flags & SYS_BLOCKS))
		return false;
	for (int i = 0; i < row->nargs; i++) {
		if (row->args[i].kind == ARG_FD &&
			apart_of(proc, task->version, (int)event->call.args[i]))
			return true;
	}
	return false;
}

/* being set */

static int present_modes(const struct task *task, int fd)
{
	cleanup_close int copy = install_copy(task, fd);

	return copy < 0 ? -1 : fcntl(copy, F_GETFL);
}

/* The same by two names: what F_SETFL sets beside O_NONBLOCK must be as it is. */
static bool set_the_same(const struct task *task, const struct setting *a, const struct setting *b)
{
	int others = a->others < 0 ? b->others : a->others, now;

	if (a->fd != b->fd || a->nonblock != b->nonblock || (a->others < 0) == (b->others < 0))
		return false;
	now = present_modes(task, a->fd);
	return now >= 0 && (now & OTHER_MODES) == others;
}

enum wanted modes_judge(struct task *task, const struct event *event, struct wanted_verdict *ret)
{
	const struct proc *proc = task->tuple->proc;
	struct setting ours, theirs;
	const struct apart *a;
	bool we_set, they_set;

	if (event->kind != EVENT_CALL)
		return WANTED_NOT;
	we_set = sets(&task->call, &task->in, &ours);
	they_set = sets(&event->call, &event->in, &theirs);
	ret->rule = RULE_FLAGS;
	if (we_set && they_set && set_the_same(task, &ours, &theirs))
		return WANTED_SAME;
	a = they_set ? apart_of(proc, task->version, theirs.fd) : NULL;
	if (a && theirs.nonblock == a->nonblock &&
		(theirs.others < 0 || theirs.others == a->others))
		return WANTED_PASS_OVER;
	a = we_set ? apart_of(proc, task->version, ours.fd) : NULL;
	if (a && ours.nonblock != a->nonblock && (ours.others < 0 || ours.others == a->others)) {
		ret->result = 0;
		return WANTED_ANSWER;
	}
	ret->rule = NULL;
	return WANTED_NOT;
}

void modes_settled(struct task *task, const struct event *event, const struct wanted_verdict *v)
{
	struct setting s;
	struct apart *a = NULL;

	/* Another's rule may have dropped such a call: then they stay apart. */
	if (!v->rule || strcmp(v->rule, RULE_FLAGS) != 0)
		return;
	if (sets(&task->call, &task->in, &s))
		a = apart_of(task->tuple->proc, task->version, s.fd);
	if (!a && sets(&event->call, &event->in, &s))
		a = apart_of(task->tuple->proc, task->version, s.fd);
	if (a)
		together(a);
}

static const struct apart *asked_of(const struct task *task)
{
	if (list_is_empty(&task->tuple->proc->apart) || task->call.nr != SYS_fcntl ||
		task->call.args[1] != F_GETFL)
		return NULL;
	return apart_of(task->tuple->proc, task->version, (int)task->call.args[0]);
}

bool modes_are_asked(const struct task *task)
{
	return asked_of(task) != NULL;
}

bool modes_tell(const struct task *task, int64_t *ret_result)
{
	const struct apart *a = asked_of(task);
	int now = a ? present_modes(task, a->of.fd) : -1;

	if (now < 0)
		return false;
	*ret_result = a->nonblock ? now | O_NONBLOCK : now & ~O_NONBLOCK;
	return true;
}

bool modes_sets_cloexec(const struct call *call)
{
	return call->nr == SYS_fcntl && call->args[1] == F_SETFD;
}

enum wanted modes_judge_cloexec(
	const struct task *task, const struct event *event, struct wanted_verdict *ret)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct fdtab *fds = task->tuple->proc->fds;

	if (event->kind != EVENT_CALL)
		return WANTED_NOT;
	ret->rule = RULE_FLAGS;
	ret->result = 0;
	if (modes_sets_cloexec(&event->call) && fds_is_open(mxm, fds, (int)event->call.args[0]))
		return WANTED_CARRY;
	if (modes_sets_cloexec(&task->call) && fds_is_open(mxm, fds, (int)task->call.args[0]))
		return WANTED_ANSWER;
	ret->rule = NULL;
	return WANTED_NOT;
}

int modes_carry(struct task *task, const struct event *event)
{
	const uint64_t *a = event->call.args;
	long r;
	int rc;

	if (event->result < 0)
		return 0;
	rc = tracee_remote(
		&task->tracee, task->at_entry_stop, &r, SYS_fcntl, a[0], a[1], a[2], 0, 0, 0);
	if (rc < 0)
		return rc;
	task->at_entry_stop = false;
	tracee_retry_call(&task->tracee, task->call.issued);
	return 1;
}

/* What it asked for, and was told it had. */
static int set_nonblock(struct task *task, const struct apart *a)
{
	bool at_entry = task->at_entry_stop;
	long now, r = 0;
	int rc;

	rc = tracee_remote(&task->tracee, at_entry, &now, SYS_fcntl, a->of.fd, F_GETFL, 0, 0, 0, 0);
	task->at_entry_stop = false;
	if (rc == 0 && now >= 0)
		rc = tracee_remote(&task->tracee, false, &r, SYS_fcntl, a->of.fd, F_SETFL,
			a->nonblock ? now | O_NONBLOCK : now & ~O_NONBLOCK, 0, 0, 0);
	return rc < 0 ? rc : now < 0 ? (int)now : (int)r;
}

bool modes_take_over(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	bool set = false;

	list_for_each_safe (at, &task->tuple->proc->apart) {
		struct apart *a = container_of(at, struct apart, of.link);
		int rc = 0;

		if (a->of.version != task->version) {
			/* A follower's, which may have been let go. */
			if (!mxm->versions[a->of.version].alive)
				together(a);
			continue;
		}
		rc = set_nonblock(task, a);
		set = true;
		together(a);
		if (rc == -ESRCH)
			return true;
		if (rc < 0)
			mxm->ops->note(mxm->ops_arg, "not-carried-over", task->version,
				task->tuple->ids->known, "a descriptor's mode could not be set");
	}
	if (set) {
		tracee_retry_call(&task->tracee, task->call.issued);
		task_resume(task, RESUME_RUN, 0);
	}
	return set;
}
