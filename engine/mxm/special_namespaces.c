/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/clones.h"
#include "mxm/special_namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "mxm/install.h"
#include "mxm/special.h"

/* In the order in which they are joined: the user namespace has the right to the others. */
static const struct {
	uint64_t flag;
	const char *name;
} kinds[] = {
	{ CLONE_NEWUSER, "user" },
	{ CLONE_NEWUTS, "uts" },
	{ CLONE_NEWIPC, "ipc" },
	{ CLONE_NEWNET, "net" },
	{ CLONE_NEWCGROUP, "cgroup" },
	{ CLONE_NEWNS, "mnt" },
};

const char *namespaces_unsupported(struct task *task)
{
	struct clone_call c;
	uint64_t flags = 0;

	if (task->call.nr == SYS_unshare)
		flags = task->call.args[0];
	else if (task->call.nr == SYS_setns)
		flags = task->call.args[1];
	else if (clones_read(task, &c))
		flags = c.flags;
	return flags & CLONE_NEWPID ? "the ids of another PID namespace are not translated" : NULL;
}

static bool makes_namespaces(const struct task *task)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (task->call.args[0] & kinds[i].flag)
			return true;
	}
	return false;
}

/* The leader stays where it is until every follower is there as well. */
static int unshare_led(struct task *task, struct event *event, int64_t *result)
{
	if (event && *result == 0 && makes_namespaces(task))
		event->settles = true;
	return 0;
}

/* Opens what the leader's process has under @name in /proc. */
static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The call @nr(@fd, @arg) in the follower, with the engine's @fd. */
static int call_with(struct task *task, int fd, long nr, uint64_t arg)
{
	int there, rc = install_send(task, fd, &there);
	long r = 0, closed;

	if (rc == 0)
		rc = tracee_remote(&task->tracee, false, &r, nr, there, arg, 0, 0, 0, 0);
	if (rc == 0)
		rc = tracee_remote(&task->tracee, false, &closed, SYS_close, there, 0, 0, 0, 0, 0);
	return rc < 0 ? rc : (int)r;
}

/* To join a mount namespace is to be in its root. */
static int go_back(struct task *task, pid_t leader)
{
	static const char here[] = ".";
	cleanup_close int root = open_of(leader, "root", O_PATH);
	cleanup_close int cwd = open_of(leader, "cwd", O_PATH);
	long r = 0;
	int rc;

	if (root < 0 || cwd < 0)
		return root < 0 ? root : cwd;
	rc = call_with(task, root, SYS_fchdir, 0);
	if (rc == 0)
		rc = tracee_write(&task->tracee, raddr(GATEWAY_SCRATCH), here, sizeof(here));
	if (rc == 0)
		rc = tracee_remote(
			&task->tracee, false, &r, SYS_chroot, GATEWAY_SCRATCH, 0, 0, 0, 0, 0);
	if (rc == 0)
		rc = (int)r;
	return rc < 0 ? rc : call_with(task, cwd, SYS_fchdir, 0);
}

/*
 * Mounts, names of the host and maps of users are made once, by the leader: a follower joins the
 * leader's namespaces instead of making its own. With roots of their own they cannot: each keeps
 * its own then.
 */
static int unshare_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	const struct group *group = task->tuple->group;
	pid_t leader = task->tuple->tasks[group->leader].tracee.tid;
	int rc = 0;

	if (event->result < 0 || group->mxm->has_roots || !makes_namespaces(task) || leader <= 0)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds) && rc == 0; i++) {
		cleanup_close int fd = -1;
		char name[32];

		if (!(task->call.args[0] & kinds[i].flag))
			continue;
		snprintf(name, sizeof(name), "ns/%s", kinds[i].name);
		fd = open_of(leader, name, O_RDONLY);
		rc = fd < 0 ? fd : call_with(task, fd, SYS_setns, kinds[i].flag);
	}
	if (rc == 0 && (task->call.args[0] & CLONE_NEWNS))
		rc = go_back(task, leader);
	task->made_result = rc < 0 ? rc : event->result;
	*ret_how = FOLLOW_MADE;
	if (rc < 0 && rc != -ESRCH) {
		cleanup_str struct str text = STR_INIT;

		str_printf(&text, "a follower cannot join the leader's namespaces: error %d", -rc);
		group->mxm->ops->note(group->mxm->ops_arg, "replication-failed", task->version,
			task->tuple->ids->known, str_text(&text));
	}
	return rc == -ESRCH ? rc : 0;
}

const struct special special_unshare = { .led = unshare_led, .follow = unshare_follow };
