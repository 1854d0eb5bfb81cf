/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/special_limits.h"

#include <errno.h>
#include <sys/syscall.h>

#include "mxm/group.h"
#include "mxm/special.h"

/* What the kernel has counted by ticks may be ahead of what its clock says. */
#define COUNTED_AHEAD_NS 200000000ul

/* Where the call has the new limit of its own process's CPU time; 0: it sets no such. */
static uint64_t new_cpu_limit(const struct task *task)
{
	const uint64_t *a = task->call.args;

	if (task->call.nr == SYS_setrlimit)
		return (int)a[0] == RLIMIT_CPU ? a[1] : 0;
	if ((int)a[1] != RLIMIT_CPU ||
		((pid_t)a[0] && (pid_t)a[0] != task->tuple->proc->ids->known))
		return 0;
	return a[2];
}

static int limit_led(struct task *task, struct event *event, int64_t *result)
{
	struct proc *proc = task->tuple->proc;
	uint64_t at = new_cpu_limit(task), old = task->call.args[3];
	struct rlimit limit;

	if (!at || *result != 0 || tracee_read(&task->tracee, raddr(at), &limit, sizeof(limit)) < 0)
		return 0;
	proc->cpu_limit = limit;
	proc->has_cpu_limit = true;
	if (event && task->call.nr == SYS_prlimit64 && old &&
		tracee_read(&task->tracee, raddr(old), &limit, sizeof(limit)) == 0)
		str_append(&event->extra, (const char *)&limit, sizeof(limit));
	return 0;
}

/* A follower has no limit of its own: it would end at another place. */
static int limit_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	int rc = 0;

	if (!new_cpu_limit(task) || event->result < 0)
		return 0;
	if (event->extra.len)
		rc = tracee_write(&task->tracee, raddr(task->call.args[3]), event->extra.data,
			event->extra.len);
	task->made_result = event->result;
	*ret_how = FOLLOW_MADE;
	return rc == -ESRCH ? rc : 0;
}

const struct special special_limit = { .led = limit_led, .follow = limit_follow };

bool limits_killed(const struct task *task)
{
	struct rlimit limit;
	uint64_t used;

	if (prlimit(task->tracee.tgid, RLIMIT_CPU, NULL, &limit) < 0 ||
		limit.rlim_max > UINT64_MAX / 2000000000ul)
		return false;
	used = task_cpu_time(task);
	return used && used + COUNTED_AHEAD_NS >= limit.rlim_max * 1000000000ul;
}

int limits_take_over(const struct proc *proc, int version)
{
	pid_t pid = proc->ids->real[version];

	if (!proc->has_cpu_limit || pid <= 0)
		return 0;
	if (prlimit(pid, RLIMIT_CPU, &proc->cpu_limit, NULL) < 0 && errno != ESRCH)
		return -errno;
	return 0;
}
