/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/clones.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ul
#endif

#define OWN_MEMORY (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)

/* struct clone_args; kernels before 5.7 know the first eight words. */
static bool read_clone3(struct task *task, struct clone_call *ret)
{
	enum { FLAGS, PIDFD, CHILD_TID, PARENT_TID, SIGNAL, SET_TIDS = 9, CGROUP, NWORDS };
	uint64_t w[NWORDS] = { 0 }, size = task->call.args[1];

	if (size > sizeof(w))
		size = sizeof(w);
	if (tracee_read(&task->tracee, raddr(task->call.args[0]), w, size) < 0)
		return false;
	*ret = (struct clone_call){
		.flags = w[FLAGS],
		.signal = w[SIGNAL],
		.pidfd = w[PIDFD],
		.child_tid = w[CHILD_TID],
		.parent_tid = w[PARENT_TID],
		.set_tids = w[SET_TIDS],
		.cgroup = w[FLAGS] & CLONE_INTO_CGROUP ? w[CGROUP] : 0,
	};
	return true;
}

bool clones_read(struct task *task, struct clone_call *ret)
{
	const uint64_t *a = task->call.args;

	*ret = (struct clone_call){ .signal = SIGCHLD };
	switch (task->call.nr) {
	case SYS_fork:
		return true;
	case SYS_vfork:
		ret->flags = CLONE_VM | CLONE_VFORK;
		return true;
	case SYS_clone:
		*ret = (struct clone_call){
			.flags = (uint32_t)a[0] & ~(uint64_t)CSIGNAL,
			.signal = a[0] & CSIGNAL,
			.pidfd = a[2],
			.parent_tid = a[2],
			.child_tid = a[3],
		};
		return true;
	case SYS_clone3:
		return read_clone3(task, ret);
	}
	return false;
}

void clones_put(struct task *task, struct str *s)
{
	struct clone_call c;
	uint64_t words[4];

	if (!clones_read(task, &c))
		return;
	words[0] = c.flags & ~(uint64_t)(OWN_MEMORY | CLONE_DETACHED);
	words[1] = c.signal;
	words[2] = c.set_tids;
	words[3] = c.cgroup;
	str_append(s, words, sizeof(words));
}

bool clones_are_same(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b)
{
	return a->row && b->row && a->row->special == SPECIAL_CLONE &&
	       b->row->special == SPECIAL_CLONE && in_a->len && in_a->len == in_b->len &&
	       memcmp(in_a->data, in_b->data, in_a->len) == 0;
}

struct birth {
	uint64_t flags, rest[3]; /* as clones_put() has them */
};

static bool birth_of(const struct call *call, const struct str *in, struct birth *ret)
{
	if (!call->row || call->row->special != SPECIAL_CLONE || in->len != sizeof(*ret))
		return false;
	memcpy(ret, in->data, sizeof(*ret));
	return true;
}

#define BORROWS (CLONE_VM | CLONE_VFORK)

/* Do they differ in that @b borrows, and @a does not? */
static bool borrows(const struct birth *a, const struct birth *b)
{
	return !(a->flags & (BORROWS | CLONE_THREAD)) && b->flags == (a->flags | BORROWS) &&
	       memcmp(a->rest, b->rest, sizeof(a->rest)) == 0;
}

bool clones_are_alike(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b)
{
	struct birth ours, theirs;

	return birth_of(a, in_a, &ours) && birth_of(b, in_b, &theirs) &&
	       (borrows(&ours, &theirs) || borrows(&theirs, &ours));
}

uint64_t clones_left_out(const struct task *task, const struct event *event)
{
	struct birth ours, theirs;

	return birth_of(&task->call, &task->in, &ours) &&
			       birth_of(&event->call, &event->in, &theirs) &&
			       borrows(&theirs, &ours)
		       ? BORROWS
		       : 0;
}

bool clones_forbid(const struct task *task)
{
	return task->call.row && task->call.row->special == SPECIAL_EXIT &&
	       task->tuple->proc->own_copy[task->version];
}
