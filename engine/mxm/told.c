/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/told.h"

#include <string.h>

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

void told_answer(struct task *task, int64_t result)
{
	const struct mxm *mxm = task->tuple->group->mxm;

	if (mxm->ops->asked && !task->tuple->group->followers)
		mxm->ops->answered(mxm->ops_arg, task->tuple->id, result);
}

void told_birth(struct tuple *tuple, const struct tuple *parent, bool thread)
{
	const struct mxm *mxm = tuple->group->mxm;

	if (mxm->ops->asked)
		mxm->ops->born(mxm->ops_arg, tuple->id, parent ? parent->id : 0, thread,
			tuple->ids->known);
}
