/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll: one set in the kernel for all versions, with the data that its maker put in. Every version
 * is told in its own data, which is an address more often than not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/own.h"
#include "mxm/special.h"

#define EVENTS_MAX 65536

static int read_data(struct task *task, uint64_t *ret_data)
{
	struct epoll_event ev;
	int rc = tracee_read(&task->tracee, raddr(task->call.args[3]), &ev, sizeof(ev));

	if (rc == 0)
		*ret_data = ev.data.u64;
	return rc;
}

/* The events that the set watches @fd for, and the data that the kernel has. */
static bool watched(const struct task *task, int set, int fd, struct epoll_event *ret)
{
	cleanup_str struct str info = STR_INIT;
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", task->tracee.tid, set);
	if (io_read_file(path, 1 << 20, &info, NULL) < 0)
		return false;
	for (at = strstr(str_text(&info), "tfd:"); at; at = strstr(at + 1, "tfd:")) {
		uint64_t data;
		uint32_t events;
		int tfd;

		if (sscanf(at, "tfd: %d events: %x data: %" SCNx64, &tfd, &events, &data) == 3 &&
			tfd == fd) {
			ret->events = events;
			ret->data.u64 = data;
			return true;
		}
	}
	return false;
}

bool special_epoll_watches(struct task *task, int set, int fd, struct epoll_event *ret)
{
	const struct proc *proc = task->tuple->proc;
	uint64_t data;

	if (!watched(task, set, fd, ret))
		return false;
	/* Of a set that the version alone has the kernel's is its own. */
	if (set >= 0 && set < FDS_OWN_MAX && proc->own_fds[task->version][set] == OWN_OBJECT)
		return true;
	if (!fds_epoll_data(task->tuple->group->mxm, proc->fds, set, fd, task->version, &data))
		return false;
	ret->data.u64 = data;
	return true;
}

/*
 * After a take-over the kernel still holds data of the old leader's. Where the new leader puts in
 * the same number for another member, the kernel is first told the new leader's data for the one
 * that has it.
 */
static int epoll_lead(struct task *task, struct event *event)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct fdtab *fds = task->tuple->proc->fds;
	const uint64_t *a = task->call.args;
	int set = (int)a[0], fd = (int)a[2], other, rc;
	bool at_entry = true;
	uint64_t data;
	long r;

	if (task->call.nr != SYS_epoll_ctl || a[1] == EPOLL_CTL_DEL || read_data(task, &data) < 0)
		return 0;
	while ((other = fds_epoll_own(mxm, fds, set, fd, task->version, &data)) >= 0) {
		struct epoll_event ev;

		if (!watched(task, set, other, &ev))
			continue;
		ev.data.u64 = data;
		rc = tracee_write(&task->tracee, raddr(GATEWAY_SCRATCH), &ev, sizeof(ev));
		if (rc == 0)
			rc = tracee_remote(&task->tracee, at_entry, &r, SYS_epoll_ctl,
				(uint64_t)set, EPOLL_CTL_MOD, (uint64_t)other, GATEWAY_SCRATCH, 0,
				0);
		if (rc < 0)
			return -ESRCH;
		at_entry = false;
	}
	if (at_entry)
		return 0;
	rc = tracee_remote(&task->tracee, false, &r, SYS_epoll_ctl, a[0], a[1], a[2], a[3], 0, 0);
	task->made_result = r;
	return rc < 0 ? -ESRCH : SPECIAL_MADE;
}

static int ctl_led(struct task *task, struct event *event)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct fdtab *fds = task->tuple->proc->fds;
	int set = (int)task->call.args[0], fd = (int)task->call.args[2];
	struct epoll_reg *reg;
	uint64_t data = 0;

	if (task->call.args[1] == EPOLL_CTL_DEL) {
		fds_epoll_delete(mxm, fds, set, fd);
		return 0;
	}
	if (read_data(task, &data) < 0)
		return 0;
	reg = fds_epoll_set(mxm, fds, set, fd, task->version, data);
	agent_plain_epoll(task, set);
	if (!event) {
		if (reg)
			fds_epoll_put(mxm, reg);
		return 0;
	}
	event->regs = xmalloc(sizeof(*event->regs));
	event->regs[0] = reg;
	event->nregs = 1;
	return 0;
}

/*
 * The member that the kernel reports with @data. It can be reported before the call that makes it a
 * member has stopped at its exit: that stop is served first, and so comes first in the stream.
 */
static struct epoll_reg *member_of(struct task *task, uint64_t data)
{
	struct group *group = task->tuple->group;
	struct fdtab *fds = task->tuple->proc->fds;
	struct epoll_reg *reg = fds_epoll_find(group->mxm, fds, (int)task->call.args[0], data);

	if (reg || task->harvesting)
		return reg;
	list_for_each_safe (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *other = &tuple->tasks[task->version];

		if (other != task && other->state == TASK_CALLING && !other->local_call &&
			tuple->proc->fds == fds && other->call.nr == SYS_epoll_ctl)
			group_serve_one(group, other->tracee.tid);
	}
	return fds_epoll_find(group->mxm, fds, (int)task->call.args[0], data);
}

static int wait_led(struct task *task, struct event *event, int64_t n)
{
	struct mxm *mxm = task->tuple->group->mxm;
	cleanup_free struct epoll_event *got = NULL;
	struct epoll_reg **regs;
	bool changed = false;
	int rc;

	if (n > EVENTS_MAX)
		return -EINVAL;
	got = xreallocarray(NULL, n, sizeof(*got));
	rc = tracee_read(&task->tracee, raddr(task->call.args[1]), got, n * sizeof(*got));
	if (rc < 0)
		return rc;
	regs = xreallocarray(NULL, n, sizeof(struct epoll_reg *));
	for (int64_t i = 0; i < n; i++) {
		regs[i] = member_of(task, got[i].data.u64);
		if (!regs[i] || regs[i]->kernel == regs[i]->data[task->version])
			continue;
		got[i].data.u64 = regs[i]->data[task->version];
		changed = true;
	}
	if (changed)
		rc = tracee_write(&task->tracee, raddr(task->call.args[1]), got, n * sizeof(*got));
	if (!event) {
		for (int64_t i = 0; i < n; i++) {
			if (regs[i])
				fds_epoll_put(mxm, regs[i]);
		}
		free(regs);
		return rc;
	}
	event->regs = regs;
	event->nregs = (int)n;
	str_append(&event->extra, got, n * sizeof(*got));
	return rc;
}

static int epoll_led(struct task *task, struct event *event, int64_t *result)
{
	if (*result < 0)
		return 0;
	if (task->call.nr == SYS_epoll_ctl)
		return ctl_led(task, event);
	return *result > 0 ? wait_led(task, event, *result) : 0;
}

static void epoll_told(struct task *task, struct epoll_reg *reg, uint64_t data)
{
	reg->data[task->version] = data;
	reg->known |= 1u << task->version;
	agent_plain_epoll(task, (int)task->call.args[0]);
}

static int epoll_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	struct epoll_event *out = (struct epoll_event *)event->extra.data;
	uint64_t data;

	*ret_how = FOLLOW_SKIP;
	if (event->result < 0)
		return 0;
	if (task->call.nr == SYS_epoll_ctl) {
		if (event->nregs && event->regs[0] && read_data(task, &data) == 0)
			epoll_told(task, event->regs[0], data);
		return 0;
	}
	if (!event->nregs)
		return 0;
	for (int i = 0; i < event->nregs; i++) {
		if (event->regs[i])
			out[i].data.u64 = event->regs[i]->data[task->version];
	}
	return tracee_write(&task->tracee, raddr(task->call.args[1]), out, event->extra.len) ==
			       -ESRCH
		       ? -ESRCH
		       : 0;
}

const struct special special_epoll = {
	.lead = epoll_lead, .led = epoll_led, .follow = epoll_follow
};
