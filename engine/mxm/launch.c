/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/launch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/near.h"
#include "mxm/filter.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/layout.h"
#include "mxm/program.h"
#include "mxm/told.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

/* What the child tells the engine before its program runs. */
struct report {
	int step; /* index into steps[] */
	int code; /* errno; 0: all went well, and the listener comes with it */
};

static const char *const steps[] = {
	"cannot begin",
	"cannot change to its root directory",
	"its memory cannot be merged (CAP_SYS_RESOURCE and Linux 6.4 are needed)",
	"the seccomp filter is refused",
	"cannot execute",
};

enum { STEP_BEGIN, STEP_ROOT, STEP_MERGE, STEP_FILTER, STEP_EXEC };

static void send_report(int sock, int step, int code, int listener)
{
	struct report report = { step, code };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &report, sizeof(report) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (listener >= 0) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &listener, sizeof(listener));
	}
	if (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		_exit(125);
}

static int execute_file(const char *path, char *const argv[])
{
	if (program_is_foreign("", path))
		return ENOEXEC;
	execv(path, argv);
	return errno;
}

/*
 * execvp(3) but for a file that the kernel cannot execute, which is not given to a shell. Returns
 * the errno that says most: a program that may not be executed rather than one that is not there.
 */
static int execute(const struct mxm_version_config *version)
{
	const char *path = getenv("PATH"), *end;
	char full[PATH_MAX];
	int best = ENOENT;

	if (strchr(version->program, '/'))
		return execute_file(version->program, version->argv);
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (;; path = end + 1) {
		end = strchrnul(path, ':');
		if ((size_t)snprintf(full, sizeof(full), "%.*s%s%s", (int)(end - path), path,
			    end > path ? "/" : "./", version->program) < sizeof(full)) {
			int rc = execute_file(full, version->argv);

			if (rc != ENOENT && rc != ENOTDIR)
				best = rc;
		}
		if (!*end)
			return best;
	}
}

/* The child. Nothing here may wait for a lock that another thread of the engine held at the fork.
 */
static void __attribute__((noreturn)) become_program(const struct mxm *mxm,
	const struct mxm_version_config *version, const struct filter *filter, int sock)
{
	int listener = -1, rc;
	char go;

	if (read(sock, &go, 1) != 1)
		_exit(125);
	if (version->root && (chroot(version->root) < 0 || chdir("/") < 0)) {
		send_report(sock, STEP_ROOT, errno, -1);
		_exit(125);
	}
	if (mxm->config.drop_chroot && mxm->config.drop_chroot() < 0) {
		send_report(sock, STEP_ROOT, errno, -1);
		_exit(125);
	}
	if (version->root && mxm->config.cwd && chdir(mxm->config.cwd) < 0) {
		send_report(sock, STEP_ROOT, errno, -1);
		_exit(125);
	}
	if (mxm->config.merge_memory && prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) < 0) {
		send_report(sock, STEP_MERGE, errno, -1);
		_exit(125);
	}
	layout_fix();
	sigprocmask(SIG_SETMASK, &mxm->config.sigmask, NULL);
	rc = filter_load(filter, &listener);
	if (rc < 0) {
		send_report(sock, STEP_FILTER, -rc, -1);
		_exit(125);
	}
	send_report(sock, STEP_BEGIN, 0, listener);
	if (listener >= 0)
		close(listener);
	send_report(sock, STEP_EXEC, execute(version), -1);
	_exit(125);
}

static int receive_report(int sock, struct report *report, int *listener)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { report, sizeof(*report) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(*report))
		return -EAGAIN;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(listener, CMSG_DATA(c), sizeof(int));
	return 0;
}

static int explain(
	const struct mxm_version_config *version, const struct report *report, struct err *err)
{
	if (report->step == STEP_EXEC && report->code == ENOEXEC)
		return err_set(err, ENOEXEC,
			"%s version: %s: not an x86-64 ELF program, nor a script that names one",
			version->name, version->program);
	return err_errno(err, report->code, "%s version: %s: %s", version->name, version->program,
		steps[report->step]);
}

/* Leads the child to the end of its execve. */
static int run_to_exec(struct task *task, int sock, struct version *version,
	const struct mxm_version_config *config, bool least, struct err *err)
{
	pid_t pid = version->root_pid;
	struct tracee t = { .tid = pid, .tgid = pid };
	struct report report = { STEP_BEGIN, EPIPE };
	struct stop stop;
	int rc;

	for (;;) {
		rc = tracee_wait_for(pid, &stop);
		if (rc < 0)
			return err_errno(err, -rc, "waiting for the %s version", config->name);
		t.regs_known = false;
		if (stop.kind == STOP_EXEC)
			break;
		if (stop.kind == STOP_GONE) {
			while (receive_report(sock, &report, &version->listener) == 0) {
			}
			return explain(config, &report, err);
		}
		if (stop.kind == STOP_SECCOMP && tracee_regs(&t) && t.regs.orig_rax == SYS_execve)
			layout_before_exec(task);
		rc = tracee_resume(&t, RESUME_RUN, stop.kind == STOP_SIGNAL ? stop.sig : 0);
		if (rc < 0 && rc != -ESRCH)
			return err_errno(err, -rc, "resuming the %s version", config->name);
	}
	while (receive_report(sock, &report, &version->listener) == 0) {
	}
	if (least && version->listener >= 0) {
		close(version->listener);
		version->listener = -1;
	}
	return 0;
}

static int launch_version(struct task *task, const struct filter *filter, struct err *err)
{
	struct mxm *mxm = task->tuple->group->mxm;
	const int v = task->version;
	const struct mxm_version_config *config = &mxm->config.versions[v];
	struct version *version = &mxm->versions[v];
	int pair[2];
	cleanup_close int ours = -1;
	pid_t pid;
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, errno, "socketpair");
	ours = pair[0];
	pid = fork();
	if (pid < 0) {
		close(pair[1]);
		return err_errno(err, errno, "fork");
	}
	if (pid == 0) {
		close(pair[0]);
		become_program(mxm, config, filter, pair[1]);
	}
	close(pair[1]);
	version->root_pid = task->tracee.tid = task->tracee.tgid = pid;
	rc = tracee_seize(pid, err);
	if (rc == 0)
		rc = io_write_all(ours, "", 1);
	if (rc < 0) {
		syscall(SYS_kill, pid, SIGKILL);
		waitpid(pid, NULL, __WALL);
		return rc;
	}
	return run_to_exec(task, ours, version, config, mxm->config.lock_memory_ways, err);
}

static int give_up_chroot(const struct mxm *mxm, struct err *err)
{
	int rc = mxm->config.drop_chroot ? mxm->config.drop_chroot() : 0;

	return rc < 0 ? err_errno(err, -rc, "give CAP_SYS_CHROOT up") : 0;
}

static int launch_all(struct group *group, struct err *err)
{
	struct mxm *mxm = group->mxm;
	struct filter filter = { 0 };
	struct tuple *tuple;
	struct proc *proc;
	int rc = filter_build(&filter, err);

	if (rc < 0)
		return rc;
	proc = proc_new(mxm);
	proc->is_root = true;
	proc->affinity = mxm->affinity;
	tuple = tuple_new(group, proc);
	for (int v = 0; v < mxm->config.nversions && rc == 0; v++)
		rc = launch_version(&tuple->tasks[v], &filter, err);
	filter_free(&filter);
	if (rc == 0)
		rc = give_up_chroot(mxm, err);
	if (rc < 0)
		return rc;
	if (!layout_is_fixed(mxm->versions[group->leader].root_pid))
		mxm->ops->note(mxm->ops_arg, "layout-differs", group->leader, 0,
			"personality(ADDR_NO_RANDOMIZE) is refused: programs that use addresses as "
			"random numbers may diverge");
	proc_known_signals(proc, mxm->versions[group->leader].root_pid);
	tuple->ids = proc->ids = ids_new(mxm, mxm->versions[group->leader].root_pid);
	for (int v = 0; v < mxm->config.nversions; v++) {
		pid_t pid = mxm->versions[v].root_pid;

		ids_set(mxm, tuple->ids, v, pid);
		if (v == group->leader)
			told_birth(tuple, NULL, false);
		task_born(tuple, v, pid, pid, NULL);
		births_executed(&tuple->tasks[v], pid);
	}
	return 0;
}

struct order {
	struct group *group;
	struct err *err;
	int rc;
	bool done;
};

static void *monitor_launch(void *arg)
{
	struct order *order = arg;
	struct group *group = order->group;
	struct mxm *mxm = group->mxm;
	int rc;

	affinity_choose(group);
	rc = launch_all(group, order->err);
	pthread_mutex_lock(&mxm->lock);
	order->rc = rc;
	order->done = true;
	if (rc < 0)
		mxm->ngroups--;
	pthread_cond_broadcast(&mxm->ended);
	pthread_mutex_unlock(&mxm->lock);
	if (rc == 0)
		group_serve(group);
	return NULL;
}

int launch(struct mxm *mxm, struct group *group, struct err *err)
{
	struct order order = { .group = group, .err = err };
	struct err own = { 0 };
	cpu_set_t cpus;
	int rc;

	/* With the lock, so that the ticker does not look past it: nothing would wake that later.
	 */
	pthread_mutex_lock(&mxm->lock);
	near_begin(&cpus);
	rc = pthread_create(&group->thread, NULL, monitor_launch, &order);
	near_end(&cpus);
	group->started = rc == 0;
	pthread_mutex_unlock(&mxm->lock);
	if (rc)
		return err_errno(err, rc, "cannot start a monitor thread");
	/* Capabilities are a thread's: only the one that launches needs it, and not for long. */
	rc = give_up_chroot(mxm, &own);
	pthread_mutex_lock(&mxm->lock);
	while (!order.done)
		pthread_cond_wait(&mxm->ended, &mxm->lock);
	pthread_mutex_unlock(&mxm->lock);
	if (order.rc == 0 && rc < 0)
		return err_set(err, own.code, "%s", own.text);
	return order.rc;
}
