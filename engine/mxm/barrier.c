/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/barrier.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "mxm/group.h"
#include "mxm/rules.h"

/* An open that makes a file, or empties one. */
static bool opens_to_change(const struct call *call)
{
	return call->nr == SYS_openat && (call->args[2] & (O_CREAT | O_TRUNC));
}

bool barrier_waits(const struct task *task)
{
	const struct group *group = task->tuple->group;
	const struct sys_row *row = task->call.row;

	/* One that is coming back is waited for where a stream is. */
	switch (group->laggards ? MXM_STREAM : group->mxm->config.sync) {
	case MXM_LOCKSTEP:
		return !rules_is_look(&task->call);
	case MXM_BARRIER:
		return row->class == SYS_PROCESS
			       ? row->special != SPECIAL_WAIT
			       : (row->flags & SYS_BARRIER) != 0 || opens_to_change(&task->call);
	case MXM_STREAM:
		/* A follower reads the file itself, and must not find there what is to come. */
		if ((row->flags & SYS_BARRIER) && task->tuple->proc->maps_written_files)
			return true;
		break;
	}
	return row->special == SPECIAL_EXIT || row->special == SPECIAL_EXEC;
}
