/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/told.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/canon.h"
#include "mxm/pieces.h"

void told_ask(struct task *task)
{
	const struct mxm *mxm = task->tuple->group->mxm;
	const struct sys_row *row = task->call.row;
	struct mxm_asked asked = { .tuple = task->tuple->id,
		.row = row,
		.nr = task->call.nr,
		.issued = task->call.issued,
		.in = &task->in,
		.tracee = &task->tracee };
	uint64_t args[6];

	if (!mxm->ops->asked)
		return;
	memcpy(args, task->call.args, sizeof(args));
	asked.args = args;
	for (int i = 0; row && i < row->nargs; i++) {
		if (row->args[i].kind == ARG_PID || row->args[i].kind == ARG_TID)
			task->call.args[i] = (uint64_t)mxm->ops->steady_id(
				mxm->ops_arg, (int32_t)task->call.args[i]);
	}
	str_reset(&task->in);
	if (row && row->class != SYS_UNSUPPORTED && canon_inputs(task) < 0)
		return; /* it vanished */
	memcpy(task->call.args, args, sizeof(args));
	asked.flow = row ? pieces_flow(task) : '\0';
	mxm->ops->asked(mxm->ops_arg, &asked);
}

/* Does the call draw random bytes? Where they go, else 0. */
static uint64_t drawn_at(const struct task *task)
{
	char path[64], target[32];
	ssize_t n;

	if (task->call.nr == SYS_getrandom)
		return task->call.args[0];
	if (task->call.nr != SYS_read)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tracee.tid, (int)task->call.args[0]);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = '\0';
	return strcmp(target, "/dev/urandom") == 0 || strcmp(target, "/dev/random") == 0
		       ? task->call.args[1]
		       : 0;
}

/*
 * The n-th bytes that a process draws are the same in every run, so that what depends on them is
 * (the order of hash tables, say).
 */
static void make_steady(struct task *task, uint64_t at, size_t len)
{
	struct proc *proc = task->tuple->proc;
	uint64_t x = proc->seed + 0x9e3779b97f4a7c15ul * ++proc->start_draws[task->version];
	uint8_t buf[256];

	for (size_t done = 0, n; done < len; done += n) {
		n = len - done < sizeof(buf) ? len - done : sizeof(buf);
		for (size_t i = 0; i < n; i++) {
			x = x * 6364136223846793005ul + 1442695040888963407ul;
			buf[i] = (uint8_t)(x >> 56);
		}
		if (tracee_write(&task->tracee, raddr(at + done), buf, n) < 0)
			return; /* it vanished */
	}
}

void told_answer(struct task *task, int64_t result)
{
	const struct mxm *mxm = task->tuple->group->mxm;
	uint64_t at;

	if (!mxm->ops->asked || task->tuple->group->followers)
		return;
	at = result > 0 ? drawn_at(task) : 0;
	if (at)
		make_steady(task, at, (size_t)result);
	mxm->ops->answered(mxm->ops_arg, task->tuple->id, result);
}

void told_birth(struct tuple *tuple, const struct tuple *parent, bool thread)
{
	const struct mxm *mxm = tuple->group->mxm;

	if (mxm->ops->asked)
		mxm->ops->born(mxm->ops_arg, tuple->id, parent ? parent->id : 0, thread,
			tuple->ids->known);
}
