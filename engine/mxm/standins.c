/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/standins.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "mxm/group.h"
#include "mxm/ids.h"

struct standin {
	struct list link; /* group->standins */
	int version;
	pid_t child; /* that it stands for; 0: it had ended before */
	pid_t known; /* the same, as the program knows it */
	int status;  /* that it had ended with */
	bool ends;   /* it runs to its end */
	int sig;     /* by this signal, or 0 */
	struct tracee tracee;
};

/* Nothing is blocked any more, and the handler is the default. */
static int die_of(struct tracee *t, int sig)
{
	const struct rlimit none = { 0, 0 };
	const uint64_t dfl[4] = { 0 };
	long r;
	int rc = tracee_write(t, raddr(GATEWAY_SCRATCH), dfl, sizeof(dfl));

	/* The core is the child's to leave. */
	(void)prlimit(t->tid, RLIMIT_CORE, &none, NULL);
	if (rc == 0)
		rc = tracee_remote(
			t, false, &r, SYS_rt_sigaction, sig, GATEWAY_SCRATCH, 0, 8, 0, 0);
	if (rc == 0)
		rc = tracee_set_sigmask(t, 0);
	if (rc == 0 && syscall(SYS_tgkill, t->tid, t->tid, sig) < 0)
		rc = -errno;
	return rc < 0 ? rc : tracee_resume(t, RESUME_RUN, 0);
}

/* As the child has. Its stops on the way are standins_stop()'s. */
static void end(struct standin *s, int status)
{
	struct tracee *t = &s->tracee;
	struct user_regs_struct *regs;

	t->regs_known = false;
	s->ends = true;
	s->sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		if (die_of(t, WTERMSIG(status)) == 0)
			return;
	} else if (WIFEXITED(status)) {
		regs = tracee_touch(t);
		if (regs) {
			regs->rip = GATEWAY_SYSCALL;
			regs->orig_rax = (uint64_t)-1;
			regs->rax = SYS_exit_group;
			regs->rdi = (uint64_t)WEXITSTATUS(status);
			if (tracee_resume(t, RESUME_RUN, 0) == 0)
				return;
		}
	}
	syscall(SYS_kill, t->tid, SIGKILL);
}

void standins_end(struct group *group, int version, pid_t child, int status)
{
	list_for_each (at, &group->standins) {
		struct standin *s = container_of(at, struct standin, link);

		if (s->version == version && s->child == child) {
			s->child = 0;
			end(s, status);
			return;
		}
	}
}

void standins_kill(struct group *group, int version)
{
	list_for_each (at, &group->standins) {
		struct standin *s = container_of(at, struct standin, link);

		if (s->version == version)
			syscall(SYS_kill, s->tracee.tid, SIGKILL);
	}
}

static void forget(struct standin *s)
{
	list_remove(&s->link);
	mm_put(s->tracee.mm);
	free(s);
}

bool standins_stop(struct group *group, const struct stop *stop)
{
	list_for_each_safe (at, &group->standins) {
		struct standin *s = container_of(at, struct standin, link);

		if (s->tracee.tid != stop->tid)
			continue;
		if (stop->kind == STOP_GONE)
			forget(s);
		else if (s->ends || stop->kind == STOP_DYING)
			(void)tracee_resume(&s->tracee, RESUME_RUN,
				stop->kind == STOP_SIGNAL && stop->sig == s->sig ? s->sig : 0);
		return true;
	}
	return false;
}

void standins_free(struct group *group)
{
	list_for_each_safe (at, &group->standins)
		forget(container_of(at, struct standin, link));
}

static const struct copy *copy_of(const struct copies *copies, pid_t pid)
{
	for (int i = 0; i < copies->n; i++) {
		if (copy_main(&copies->v[i])->tracee.tgid == pid)
			return &copies->v[i];
	}
	return NULL;
}

/* Whose child it is to the program: where the leader's process is a copy itself, its stand-in's. */
static pid_t parent_of(const struct copy *copy, int leader)
{
	const pid_t standin = copy->proc->ids->standin[leader];

	return thread_parent(standin ? standin : copy_main(copy)->tracee.tgid);
}

/* Waiting for it by its group finds it there, too. */
static int join_group(struct tracee *parent, pid_t standin, pid_t child, struct err *err)
{
	const pid_t group = getpgid(child);
	long r;
	int rc;

	if (group < 0 || group == getpgid(standin))
		return 0;
	rc = tracee_remote(
		parent, false, &r, SYS_setpgid, standin, group == child ? 0 : group, 0, 0, 0, 0);
	return rc < 0 ? err_errno(err, -rc, "putting a stand-in into its group") : 0;
}

static int make(struct group *group, int version, struct tracee *parent, pid_t known, pid_t child,
	int status, struct err *err)
{
	struct standin *s = xzalloc(sizeof(*s));
	int rc = copy_bare_child(parent, &s->tracee, err);

	if (rc == 0 && child) {
		rc = join_group(parent, s->tracee.tid, child, err);
		if (rc < 0)
			copy_kill_one(&s->tracee);
	}
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->version = version;
	s->child = child;
	s->known = known;
	s->status = status;
	list_append(&group->standins, &s->link);
	return 0;
}

/* Of the leader's process: its ended children, which nobody has waited for. */
static int make_for_ended(
	struct group *group, int version, const struct copy *copy, pid_t child, struct err *err)
{
	const int leader = group->leader;
	struct tracee *own = &copy_main(copy)->tracee;
	siginfo_t info = { 0 };
	int status, rc;
	long r;

	rc = tracee_remote(own, false, &r, SYS_waitid, P_PID, child, GATEWAY_SCRATCH,
		WEXITED | WNOWAIT | WNOHANG | __WALL, 0, 0);
	if (rc == 0 && r < 0)
		return 0; /* it is another thread's alone */
	if (rc == 0)
		rc = tracee_read(own, raddr(GATEWAY_SCRATCH), &info, sizeof(info));
	if (rc < 0)
		return err_errno(err, -rc, "asking for a child that has ended");
	if (info.si_pid != child)
		return err_set(err, EAGAIN, "a child that the engine does not know has not ended");
	status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status & 0xff, 0)
					    : W_EXITCODE(0, info.si_status & 0x7f);
	return make(group, version, copy_twin(copy), ids_to_known(group->mxm, leader, child), 0,
		status, err);
}

static bool is_standin(const struct group *group, pid_t tid)
{
	list_for_each (at, &group->standins) {
		const struct standin *s = container_of(at, struct standin, link);

		if (s->tracee.tid == tid && s->child)
			return true;
	}
	return false;
}

static int make_for_all_ended(
	struct group *group, int version, const struct copy *copy, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < copy->n && rc == 0; i++) {
		const struct tracee *t = &copy->threads[i].task->tracee;
		cleanup_str struct str text = STR_INIT;
		char path[64], *rest, *word;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", t->tgid, t->tid);
		if (io_read_file(path, 1u << 20, &text, NULL) < 0)
			continue; /* a kernel without CONFIG_PROC_CHILDREN */
		rest = text.data;
		while (rc == 0 && rest && (word = strsep(&rest, " \n"))) {
			pid_t child = (pid_t)strtol(word, NULL, 10);

			if (child > 0 && !ids_is_own(group->mxm, group->leader, child) &&
				!is_standin(group, child))
				rc = make_for_ended(group, version, copy, child, err);
		}
	}
	return rc;
}

void standins_undo(struct group *group, int version)
{
	list_for_each_safe (at, &group->standins) {
		struct standin *s = container_of(at, struct standin, link);

		if (s->version != version)
			continue;
		list_remove(&s->link);
		copy_kill_one(&s->tracee);
		free(s);
	}
}

int standins_make(struct group *group, int version, const struct copies *copies, struct err *err)
{
	int rc = 0;

	/* What is left of the version's earlier life only has to be buried. */
	list_for_each_safe (at, &group->standins) {
		struct standin *s = container_of(at, struct standin, link);

		if (s->version == version)
			forget(s);
	}
	for (int i = 0; i < copies->n && rc == 0; i++) {
		const struct copy *copy = &copies->v[i];
		const struct copy *parent = copy_of(copies, parent_of(copy, group->leader));

		if (parent)
			rc = make(group, version, copy_twin(parent), copy->proc->ids->known,
				copy_twin(copy)->tgid, 0, err);
		if (rc == 0)
			rc = make_for_all_ended(group, version, copy, err);
	}
	return rc;
}

void standins_enrol(struct group *group, int version)
{
	list_for_each (at, &group->standins) {
		struct standin *s = container_of(at, struct standin, link);

		if (s->version != version)
			continue;
		ids_set_standin(group->mxm, version, s->known, s->tracee.tid);
		if (!s->child)
			end(s, s->status);
	}
}
