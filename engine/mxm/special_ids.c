/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, users, CPUs: what a process is told of itself. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/late.h"
#include "mxm/special.h"
#include "mxm/standins.h"

/*
 * set_tid_address changes the thread and setsid the process, so each makes them; the id that they
 * return is the leader's. (A copy that leads a group of its own is refused a session.)
 */
static int pids_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	const uint64_t nr = task->call.nr;

	*ret_how = nr == SYS_set_tid_address || (nr == SYS_setsid && event->result >= 0)
			   ? FOLLOW_TO_EXIT
			   : FOLLOW_SKIP;
	return 0;
}

static int pids_followed(struct task *task, struct event *event, int64_t *result)
{
	*result = event->result;
	return 0;
}

/* A copy's parent is the engine's, or init; the program knows the one that its stand-in has. */
static int pids_led(struct task *task, struct event *event, int64_t *result)
{
	struct mxm *mxm = task->tuple->group->mxm;
	const pid_t standin = task->tuple->proc->ids->standin[task->version];
	const pid_t parent = standin && task->call.nr == SYS_getppid ? thread_parent(standin) : 0;

	if (parent)
		*result = ids_to_known(mxm, task->version, parent);
	return 0;
}

const struct special special_pids = {
	.led = pids_led,
	.follow = pids_follow,
	.followed = pids_followed,
};

/*
 * A change of user makes a process undumpable, and then its memory is closed to an engine that has
 * no CAP_SYS_PTRACE (ptrace(2), "Ptrace access mode checking"). The process itself may undo that.
 */
static int stay_open(struct task *task)
{
	long r;
	int rc = tracee_remote(&task->tracee, false, &r, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0, 0);

	task->tuple->proc->other_user = true;
	if (!late_is_possible(task))
		late_forbid(task);
	return rc == -ESRCH ? rc : 0;
}

/* Where capset(2) and capget(2) have the id: after the version. */
static struct raddr header_pid(const struct task *task)
{
	return raddr(task->call.args[0] + 4);
}

static int header_to_real(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	pid_t known, real;

	if (task->call.nr != SYS_capset && task->call.nr != SYS_capget)
		return 0;
	/* Where it cannot be read, the kernel says so to the program. */
	if (mxm->versions[task->version].identity ||
		tracee_read(&task->tracee, header_pid(task), &known, sizeof(known)) < 0 ||
		known <= 0)
		return 0;
	real = ids_to_real(mxm, task->version, known);
	if (real == known)
		return 0;
	task->header_known = known;
	return tracee_write(&task->tracee, header_pid(task), &real, sizeof(real));
}

static int header_to_known(struct task *task)
{
	const pid_t known = task->header_known;

	task->header_known = 0;
	return known ? tracee_write(&task->tracee, header_pid(task), &known, sizeof(known)) : 0;
}

static int cred_lead(struct task *task, struct event *event)
{
	return header_to_real(task) == -ESRCH ? -ESRCH : 0;
}

static int cred_led(struct task *task, struct event *event, int64_t *result)
{
	if (header_to_known(task) == -ESRCH)
		return -ESRCH;
	return *result < 0 ? 0 : stay_open(task);
}

static int cred_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	*ret_how = event->result < 0 ? FOLLOW_SKIP : FOLLOW_TO_EXIT;
	return *ret_how == FOLLOW_TO_EXIT && header_to_real(task) == -ESRCH ? -ESRCH : 0;
}

static int cred_followed(struct task *task, struct event *event, int64_t *result)
{
	if (header_to_known(task) == -ESRCH)
		return -ESRCH;
	return *result != event->result ? -EBADMSG : stay_open(task);
}

const struct special special_cred = {
	.lead = cred_lead,
	.led = cred_led,
	.follow = cred_follow,
	.followed = cred_followed,
};

int special_tell_cpus(struct task *task, int64_t *ret_result)
{
	const uint64_t len = task->call.args[1], at = task->call.args[2];
	const long online = sysconf(_SC_NPROCESSORS_CONF);
	const size_t need = ((online > 0 ? online : 1) + 63) / 64 * 8;
	int rc = 0;

	*ret_result = -EINVAL;
	if (len >= need && len % 8 == 0) {
		*ret_result = need;
		rc = tracee_write(&task->tracee, raddr(at), &task->tuple->proc->affinity, need);
		if (rc < 0)
			*ret_result = -EFAULT;
	}
	return rc == -ESRCH ? rc : 0;
}

static int affinity_lead(struct task *task, struct event *event)
{
	struct proc *proc = task->tuple->proc;
	uint64_t len = task->call.args[1], at = task->call.args[2];
	int rc;

	if (task->call.nr == SYS_sched_setaffinity) {
		cpu_set_t set;

		CPU_ZERO(&set);
		if (len > sizeof(set))
			len = sizeof(set);
		rc = tracee_read(&task->tracee, raddr(at), &set, len);
		if (rc == -ESRCH)
			return rc;
		CPU_AND(&set, &set, &task->tuple->group->mxm->affinity);
		task->made_result = rc < 0 ? -EFAULT : CPU_COUNT(&set) ? 0 : -EINVAL;
		if (task->made_result == 0) {
			proc->affinity = set;
			affinity_gather(task->tuple->group);
		}
		return SPECIAL_MADE;
	}
	rc = special_tell_cpus(task, &task->made_result);
	return rc < 0 ? rc : SPECIAL_MADE;
}

const struct special special_affinity = { .lead = affinity_lead };

/*
 * Processes that share no memory come to their calls in an order of their own in each version. So a
 * follower's child can have executed its program before its parent speaks of its group, which is
 * refused then, though the child has done the same for itself; and the group that a process goes
 * to may be there a little later only, or not any more. Nothing asks a follower's kernel for
 * groups: it joins when it takes over.
 */
static int pgid_followed(struct task *task, struct event *event, int64_t *result)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct proc *proc = task->tuple->proc;
	const pid_t pid = (pid_t)task->call.args[0], group = (pid_t)task->call.args[1];
	const bool failed = *result != event->result;
	pid_t child, is_in;

	*result = event->result;
	if (!pid || pid == proc->ids->known) {
		proc->group_due[task->version] = failed ? group ? group : proc->ids->known : 0;
		return 0;
	}
	if (!failed)
		return 0;
	child = ids_to_real(mxm, task->version, pid);
	is_in = getpgid(child);
	return is_in < 0 || is_in == ids_to_real(mxm, task->version, group ? group : pid)
		       ? 0
		       : -EBADMSG;
}

const struct special special_pgid = { .followed = pgid_followed };
