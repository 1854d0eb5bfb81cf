/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/special.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/carry.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/preludes.h"
#include "mxm/special_limits.h"
#include "mxm/special_namespaces.h"

const struct special *special_of(const struct sys_row *row)
{
	static const struct special *const families[] = {
		[SPECIAL_MMAP] = &special_mmap,
		[SPECIAL_PGID] = &special_pgid,
		[SPECIAL_SHM] = &special_shm,
		[SPECIAL_CLONE] = &special_clone,
		[SPECIAL_EXEC] = &special_exec,
		[SPECIAL_WAIT] = &special_wait,
		[SPECIAL_SIGACTION] = &special_sigaction,
		[SPECIAL_EPOLL] = &special_epoll,
		[SPECIAL_CLOSE] = &special_close,
		[SPECIAL_DUP] = &special_dup,
		[SPECIAL_CLOEXEC] = &special_cloexec,
		[SPECIAL_PIDS] = &special_pids,
		[SPECIAL_AFFINITY] = &special_affinity,
		[SPECIAL_CRED] = &special_cred,
		[SPECIAL_KILL] = &special_kill,
		[SPECIAL_TIMER] = &special_timer,
		[SPECIAL_LOCK] = &special_lock,
		[SPECIAL_LIMIT] = &special_limit,
		[SPECIAL_UNSHARE] = &special_unshare,
	};

	if (row->nr == SYS_futex)
		return &special_futex;
	return row->special < ARRAY_SIZE(families) ? families[row->special] : NULL;
}

static unsigned long long *arg_register(struct user_regs_struct *regs, int i)
{
	unsigned long long *const at[6] = { &regs->rdi, &regs->rsi, &regs->rdx, &regs->r10,
		&regs->r8, &regs->r9 };

	return at[i];
}

int special_set_arg(struct task *task, int i, uint64_t value)
{
	struct user_regs_struct *regs = tracee_touch(&task->tracee);

	if (!regs)
		return -ESRCH;
	if (!task->args_changed) {
		for (int k = 0; k < 6; k++)
			task->saved_args[k] = *arg_register(regs, k);
		task->args_changed = true;
	}
	*arg_register(regs, i) = value;
	return 0;
}

void special_restore_args(struct task *task)
{
	struct user_regs_struct *regs;

	if (!task->args_changed)
		return;
	task->args_changed = false;
	regs = tracee_touch(&task->tracee);
	for (int k = 0; regs && k < 6; k++)
		*arg_register(regs, k) = task->saved_args[k];
}

int special_received_fds(struct task *task, struct event *event, bool cloexec)
{
	struct mxm *mxm = task->tuple->group->mxm;
	cleanup_free uint8_t *buf = NULL;
	struct msghdr m;
	size_t pos = 0;
	int rc = 0, at = -1;

	for (int i = 0; i < task->call.row->nargs; i++) {
		if (task->call.row->args[i].kind == ARG_MSG_OUT)
			at = i;
	}
	if (at < 0 || tracee_read(&task->tracee, raddr(task->call.args[at]), &m, sizeof(m)) < 0)
		return 0;
	if (!m.msg_control || m.msg_controllen < sizeof(struct cmsghdr) || m.msg_controllen > 65536)
		return 0;
	buf = xmalloc(m.msg_controllen);
	rc = tracee_read(&task->tracee, raddr((uint64_t)m.msg_control), buf, m.msg_controllen);
	while (rc == 0 && pos + sizeof(struct cmsghdr) <= m.msg_controllen) {
		struct cmsghdr h;

		memcpy(&h, buf + pos, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > m.msg_controllen - pos)
			break;
		for (size_t k = sizeof(h);
			h.cmsg_level == SOL_SOCKET && h.cmsg_type == SCM_RIGHTS &&
			k + sizeof(int) <= h.cmsg_len && rc == 0;
			k += sizeof(int)) {
			int fd;

			memcpy(&fd, buf + pos + k, sizeof(fd));
			special_number_taken(task, fd);
			preludes_forbid(mxm);
			fds_open(mxm, task->tuple->proc->fds, fd, cloexec);
			rc = !event ? 0 : install_take(task, event, fd, cloexec);
		}
		pos += (h.cmsg_len + 7) & ~7ul;
	}
	return rc;
}
