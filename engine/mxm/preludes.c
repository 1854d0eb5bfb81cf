/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/preludes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/install.h"

/* The descriptor that would be closed next; -1: it is no such call. */
static int leaves(const struct call *call)
{
	const uint64_t *a = call->args;

	switch (call->nr) {
	case SYS_epoll_ctl:
		return (int)a[1] == EPOLL_CTL_DEL ? (int)a[2] : -1;
	case SYS_shutdown:
		return (int)a[0];
	case SYS_flock:
		return ((int)a[1] & ~LOCK_NB) == LOCK_UN ? (int)a[0] : -1;
	case SYS_fcntl:
		return (int)a[1] == F_SETLK ? (int)a[0] : -1;
	}
	return -1;
}

bool preludes_has(const struct call *call)
{
	return leaves(call) >= 0;
}

static bool closes(const struct call *call, int fd)
{
	return fd >= 0 && call->nr == SYS_close && (int)call->args[0] == fd;
}

/* A message that may hand descriptors on: nobody knows who has them then. */
static bool passes_files(const struct task *task)
{
	const struct call *call = &task->call;
	struct msghdr m;

	return call->nr == SYS_sendmmsg || call->nr == SYS_pidfd_getfd ||
	       (call->nr == SYS_sendmsg &&
		       tracee_read((struct tracee *)&task->tracee, raddr(call->args[1]), &m,
			       sizeof(m)) == 0 &&
		       m.msg_control && m.msg_controllen);
}

void preludes_note(const struct task *task, struct event *event)
{
	struct mxm *mxm = task->tuple->group->mxm;
	const struct call *call = &event->call;
	const int fd = call->nr == SYS_close ? (int)call->args[0] : leaves(call);

	if (passes_files(task))
		preludes_forbid(mxm);
	event->is_member = call->nr == SYS_close && fds_is_member(mxm, task->tuple->proc->fds, fd);
	event->last_fd = fd >= 0 && !__atomic_load_n(&mxm->passes_files, __ATOMIC_RELAXED) &&
			 fds_is_last(mxm, task->tuple->proc->fds, fd);
}

void preludes_forbid(struct mxm *mxm)
{
	__atomic_store_n(&mxm->passes_files, true, __ATOMIC_RELAXED);
}

/* Of fcntl(2)'s locks: does the call let one go? Its lock is the last of its normal form. */
static bool unlocks(const struct str *in)
{
	struct flock lock;

	if (in->len < 2 * sizeof(uint32_t) + sizeof(lock))
		return false;
	memcpy(&lock, in->data + in->len - sizeof(lock), sizeof(lock));
	return lock.l_type == F_UNLCK;
}

/* The leader closes it next, as the last one; -1: that is not known yet. */
static int goes_on_to_close(const struct task *task, const struct event *event, int fd)
{
	const struct group *group = task->tuple->group;

	for (const struct list *at = event->link.next; at != &group->stream; at = at->next) {
		const struct event *next = container_of(at, struct event, link);

		if (next->tuple == event->tuple && (next->pending & (1u << task->version)))
			return next->kind == EVENT_CALL && closes(&next->call, fd) && next->last_fd;
	}
	return group->bereft ? 0 : -1;
}

static enum relation relate_leaders(const struct task *task, const struct event *event)
{
	const int fd = leaves(&event->call);
	int next;

	if (!closes(&task->call, fd) || event->sig)
		return REL_DIFFERENT;
	if (event->call.nr == SYS_fcntl)
		return unlocks(&event->in) ? REL_PASS_OVER : REL_DIFFERENT;
	if (!event->recorded)
		return event->last_fd ? REL_PASS_OVER : REL_DIFFERENT;
	/* Its agent has made the call: nobody has looked. */
	next = goes_on_to_close(task, event, fd);
	return next < 0 ? REL_UNKNOWN : next ? REL_PASS_OVER : REL_DIFFERENT;
}

enum relation preludes_relate(const struct task *task, const struct event *event)
{
	const struct call *ours = &task->call;
	enum relation rel;

	if (event->kind != EVENT_CALL)
		return REL_DIFFERENT;
	rel = relate_leaders(task, event);
	if (rel != REL_DIFFERENT)
		return rel;
	if (!closes(&event->call, leaves(ours)) || event->result < 0)
		return REL_DIFFERENT;
	if (ours->nr == SYS_fcntl)
		return unlocks(&task->in) ? REL_ALONE : REL_DIFFERENT;
	return event->last_fd && (ours->nr != SYS_epoll_ctl || event->is_member) ? REL_ALONE
										 : REL_DIFFERENT;
}

static bool is_connected(const struct task *task)
{
	cleanup_close int copy = install_copy(task, (int)task->call.args[0]);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return copy >= 0 && getpeername(copy, (struct sockaddr *)&peer, &len) == 0;
}

bool preludes_tell(const struct task *task, int64_t *ret_result)
{
	if (!preludes_has(&task->call))
		return false;
	*ret_result = task->call.nr == SYS_shutdown && !is_connected(task) ? -ENOTCONN : 0;
	return true;
}
