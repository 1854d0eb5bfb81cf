/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Irregular calls. A family's special_<family>.c says only where a call differs from what its row
 * says; an absent function means "as the row says".
 */
#ifndef MX_MXM_SPECIAL_H
#define MX_MXM_SPECIAL_H

#include "mxm/state.h"

enum follow_how {
	FOLLOW_BY_CLASS, /* as the row's class says */
	FOLLOW_SKIP,	 /* not made: results and outputs are copied */
	FOLLOW_RUN,	 /* made by the follower; its own result stands */
	FOLLOW_MADE,	 /* follow() has made it, with the result in task->made_result */
	FOLLOW_TO_EXIT,	 /* made by the follower; follow_left() looks at the result */
};

#define SPECIAL_MADE 1

struct special {
	/*
	 * Leader, before the call is made. @event is NULL where no version follows. May change
	 * registers by special_set_arg(), which are put back at the exit. Returns SPECIAL_MADE when
	 * it has made the call itself, with the result in task->made_result; 0; or -ESRCH.
	 */
	int (*lead)(struct task *task, struct event *event);
	/* Leader, after it; *@result may be changed, for the program and for the stream. */
	int (*led)(struct task *task, struct event *event, int64_t *result);
	/* Follower, the inputs being equal. */
	int (*follow)(struct task *task, struct event *event, enum follow_how *ret_how);
	/* Follower, after its own call; *@result is what it will see. -EBADMSG: a divergence. */
	int (*followed)(struct task *task, struct event *event, int64_t *result);
};

const struct special *special_of(const struct sys_row *row);

/* Has the set @set of the task's process the member @fd, and what for? As the task knows it. */
struct epoll_event;
bool special_epoll_watches(struct task *task, int set, int fd, struct epoll_event *ret);

extern const struct special special_mmap, special_clone, special_exec, special_wait,
	special_sigaction, special_epoll, special_close, special_dup, special_cloexec, special_pids,
	special_affinity, special_cred, special_kill, special_futex, special_shm, special_pgid;

/*
 * sched_getaffinity(2) of its own: the engine places tasks on CPUs, and the program is told those
 * that it would have without it. -ESRCH: it vanished.
 */
MUST_CHECK int special_tell_cpus(struct task *task, int64_t *ret_result);

/* Changes argument @i in the task's registers until the call's exit. */
MUST_CHECK int special_set_arg(struct task *task, int i, uint64_t value);
/* Puts changed arguments back. Stopped. */
void special_restore_args(struct task *task);

/*
 * The leader's @task has made the descriptor @fd. Where the number was free because another task's
 * call has just closed it, that call's end is served first, and so comes first in the stream.
 */
void special_number_taken(struct task *task, int fd);

/* What the leader's call has made: known from here on, and taken for the followers (@event may be
 * NULL). */
MUST_CHECK int special_new_fds(struct task *task, struct event *event, int64_t result);

/* Are the descriptors that its call makes closed on exec? */
bool special_makes_cloexec(struct task *task);

/* Descriptors in a received message's control data (SCM_RIGHTS). */
MUST_CHECK int special_received_fds(struct task *task, struct event *event, bool cloexec);

#endif
