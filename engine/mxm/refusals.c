/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/refusals.h"

#include <errno.h>
#include <string.h>

#include "mxm/group.h"

static bool is_first(struct mxm *mxm, const struct sys_row *row)
{
	bool first = true;

	pthread_mutex_lock(&mxm->lock);
	for (unsigned i = 0; i < mxm->nrefused && first; i++)
		first = mxm->refused[i] != row;
	if (first && mxm->nrefused < ARRAY_SIZE(mxm->refused))
		mxm->refused[mxm->nrefused++] = row;
	else
		first = false;
	pthread_mutex_unlock(&mxm->lock);
	return first;
}

void refusals_note(struct task *task, int error, const char *reason)
{
	struct mxm *mxm = task->tuple->group->mxm;
	cleanup_str struct str text = STR_INIT;

	if (error == ENOSYS || !is_first(mxm, task->call.row))
		return;
	drop_print_task(&text, task);
	str_printf(&text, " = -1 %s: %s", strerrorname_np(error), reason);
	mxm->ops->note(mxm->ops_arg, "refused-syscall", task->version, task->tuple->ids->known,
		str_text(&text));
}
