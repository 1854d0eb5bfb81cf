/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/rejoin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/copy.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/install.h"
#include "mxm/modes.h"
#include "mxm/positions.h"
#include "mxm/posix_timers.h"
#include "mxm/reroot.h"
#include "mxm/restart.h"
#include "mxm/special.h"

#define PAUSE_FIRST_NS 200000ul
#define PAUSE_MOST_NS  100000000ul
/* So long a safe moment is looked for; what keeps a version away after that is said, once. */
#define GIVE_UP_NS 10000000000ul
/* The versions may have to be analysed first, on a machine that has more to do. */
#define ANALYSIS_NS 120000000000ul
#define THREADS_MAX 4096

/* Finer than event_clock(): how long a recovery takes is told. */
static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ul + ts.tv_nsec;
}

void rejoin_want_locked(struct mxm *mxm, int version)
{
	__atomic_store_n(&mxm->versions[version].wanted_ns, now_ns(), __ATOMIC_RELEASE);
	list_for_each (at, &mxm->groups)
		group_poke(container_of(at, struct group, link));
}

void mxm_want_back(struct mxm *mxm, int version)
{
	pthread_mutex_lock(&mxm->lock);
	if (!mxm->versions[version].alive)
		rejoin_want_locked(mxm, version);
	pthread_mutex_unlock(&mxm->lock);
}

static void ask_for_switch(struct mxm *mxm, bool pauses)
{
	pthread_mutex_lock(&mxm->lock);
	mxm->pauses = pauses;
	__atomic_store_n(&mxm->switch_ns, now_ns(), __ATOMIC_RELEASE);
	list_for_each (at, &mxm->groups)
		group_poke(container_of(at, struct group, link));
	pthread_mutex_unlock(&mxm->lock);
}

void mxm_switch(struct mxm *mxm)
{
	ask_for_switch(mxm, false);
}

void mxm_pause(struct mxm *mxm)
{
	ask_for_switch(mxm, true);
}

static int wanted(const struct group *group)
{
	const struct mxm *mxm = group->mxm;

	for (int v = 0; v < mxm->config.nversions; v++) {
		if (__atomic_load_n(&mxm->versions[v].wanted_ns, __ATOMIC_ACQUIRE) &&
			!mxm->versions[v].alive)
			return v;
	}
	return -1;
}

bool rejoin_is_due(const struct group *group)
{
	return wanted(group) >= 0 || __atomic_load_n(&group->mxm->switch_ns, __ATOMIC_ACQUIRE);
}

static bool is_alive_in(const struct group *group, int version)
{
	list_for_each (at, &group->tuples) {
		if (container_of(at, struct tuple, link)->tasks[version].state != TASK_ABSENT)
			return true;
	}
	return false;
}

/* What cannot be copied (yet): NULL where nothing stands against it. */
static const char *obstacle(struct group *group, const struct proc *proc, int leader)
{
	struct mxm *mxm = group->mxm;
	unsigned living = 0;

	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->groups)
		living += !container_of(at, struct group, link)->over;
	pthread_mutex_unlock(&mxm->lock);
	if (living > 1)
		return "the program has several processes";
	list_for_each (at, &group->tuples) {
		if (container_of(at, struct tuple, link)->proc != proc)
			return "the program has several processes";
	}
	if (proc->shares_memory || proc->nshadows || proc->has_shadows[leader])
		return "the program has mapped writable shared memory";
	if (!list_is_empty(&proc->surplus) || proc->has_to_carry)
		return "the old leader's place is still being taken over";
	if (!list_is_empty(&proc->apart))
		return "the mode of a descriptor is still to be set";
	if (positions_differ(proc))
		return "the versions read a file at different places";
	if (!copy_stays_in_namespaces(proc->ids->real[leader]))
		return "the program's children are born into another namespace";
	return NULL;
}

/* In user mode, or in a call that can be broken off and made again. */
static bool can_be_stopped(const struct task *task)
{
	const struct sys_row *row = task->call.row;

	if (task->behind || task->starting || task->interrupted || task->nheld || task->done ||
		task->ahead.bytes.len || task->sequence.rule || task->settling || task->returns ||
		task->preempted || task->deliver || task->tracee.mm->no_gateway)
		return false;
	if (task->state == TASK_READY)
		return task->event && task->event->kind == EVENT_RESUME;
	if (task->state == TASK_CALLING)
		return row && row->special != SPECIAL_CLONE && row->special != SPECIAL_EXEC &&
		       row->special != SPECIAL_EXIT;
	return task->state == TASK_RUNNING;
}

/*
 * Stopped: it goes on by making the call that it was in once more, from the start. An interrupt
 * that is pending is used up on the way.
 */
static int rewind_call(struct task *task, bool at_entry)
{
	struct user_regs_struct *regs = tracee_touch(&task->tracee);
	uint64_t nr;
	long r;
	int rc;

	if (!regs)
		return -ESRCH;
	nr = regs->orig_rax;
	rc = tracee_remote(&task->tracee, at_entry, &r, SYS_getpid, 0, 0, 0, 0, 0, 0);
	if (rc == 0)
		tracee_retry_call(&task->tracee, nr);
	return rc;
}

/* From its stop to a place between two calls. -EAGAIN: it was at something else; served later. */
static int settle(struct task *task, const struct stop *stop)
{
	struct user_regs_struct *regs;
	bool in_call;

	task->tracee.regs_known = false;
	regs = tracee_regs(&task->tracee);
	if (!regs)
		return -ESRCH;
	in_call = (int64_t)regs->orig_rax >= 0 && call_was_broken_off((int64_t)regs->rax);
	if (task->state == TASK_CALLING && (stop->kind != STOP_EXIT_CALL || !in_call))
		return -EAGAIN;
	if (task->state == TASK_RUNNING && stop->kind != STOP_SECCOMP && stop->kind != STOP_NEW)
		return -EAGAIN;
	if (stop->kind == STOP_SECCOMP)
		return rewind_call(task, true);
	if (!in_call)
		return 0;
	if (task->state == TASK_CALLING)
		special_restore_args(task);
	return rewind_call(task, false);
}

/*
 * Stopped inside its agent: the agent gives the call up that it is in, and the call comes by
 * ptrace. What comes in between is served later.
 */
static int leave_agent(struct task *task, struct stop *stop)
{
	int rc = 0;

	task->tracee.regs_known = false;
	if (stop->kind != STOP_NEW || !agent_is_inside(task))
		return 0;
	agent_break(task);
	rc = tracee_resume(&task->tracee, RESUME_RUN, 0);
	return rc < 0 ? rc : tracee_wait_for(task->tracee.tid, stop);
}

/* Stops it, and holds it as a task that waits for its turn to go on. */
static int hold(struct group *group, struct task *task)
{
	struct stop stop;
	int rc;

	if (task->state == TASK_READY)
		return 0;
	rc = tracee_interrupt(&task->tracee);
	if (rc == 0)
		rc = tracee_wait_for(task->tracee.tid, &stop);
	if (rc == 0)
		rc = leave_agent(task, &stop);
	if (rc < 0)
		return rc;
	rc = settle(task, &stop);
	if (rc < 0) {
		if (rc == -EAGAIN)
			group_stash(group, &stop);
		return rc;
	}
	if (task->event)
		event_free(task->event);
	task->local_call = task->at_entry_stop = false;
	baton_give_up(task);
	task->event = event_new(task->tuple, EVENT_RESUME);
	task_enter(task, TASK_READY);
	event_ready(task->event);
	return 0;
}

/* All threads of the leader, the main one first. NULL: they cannot be stopped now. */
static struct copy_thread *hold_all(struct group *group, int *ret_n)
{
	cleanup_free struct copy_thread *threads = NULL;
	int n = 0;

	list_for_each (at, &group->tuples) {
		struct task *task = &container_of(at, struct tuple, link)->tasks[group->leader];

		if (task->state == TASK_ABSENT)
			continue;
		if (!can_be_stopped(task) || n == THREADS_MAX)
			return NULL;
		threads = xreallocarray(threads, n + 1, sizeof(*threads));
		threads[n] = (struct copy_thread){ .task = task };
		if (task->tracee.tid == task->tracee.tgid) {
			threads[n].task = threads[0].task;
			threads[0].task = task;
		}
		n++;
	}
	if (!n || threads[0].task->tracee.tid != threads[0].task->tracee.tgid)
		return NULL;
	for (int i = 0; i < n; i++) {
		if (hold(group, threads[i].task) < 0)
			return NULL;
		agent_hold(threads[i].task);
	}
	*ret_n = n;
	return take_ptr(threads);
}

/*
 * A file that the leader opened for itself gets a file offset of its own in the copy. It is the
 * engine that opens it anew: the program's root need not have a /proc.
 */
static int part_private_fd(
	struct tuple *tuple, int version, struct tracee *copy, int fd, struct err *err)
{
	struct task task = { .tuple = tuple, .version = version, .tracee = *copy };
	cleanup_close int own = -1;
	char path[64];
	long flags, at, cloexec, r = 0;
	int there, rc;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", copy->tgid, fd);
	rc = tracee_remote(&task.tracee, false, &flags, SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
	if (rc == 0)
		rc = tracee_remote(
			&task.tracee, false, &cloexec, SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0);
	if (rc == 0)
		rc = tracee_remote(&task.tracee, false, &at, SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
	if (rc == 0 && (flags < 0 || cloexec < 0))
		rc = (int)(flags < 0 ? flags : cloexec);
	if (rc == 0) {
		/* Not for ever, where it is a pipe that nobody has at its other end. */
		own = open(path, ((int)flags & ~(O_CREAT | O_EXCL | O_TRUNC)) | O_CLOEXEC |
					 O_NOCTTY | O_NONBLOCK);
		if (own < 0 || fcntl(own, F_SETFL, (int)flags) < 0 ||
			(at > 0 && lseek(own, at, SEEK_SET) < 0))
			rc = -errno;
	}
	if (rc == 0)
		rc = install_send(&task, own, &there);
	if (rc == 0)
		rc = tracee_remote(&task.tracee, false, &r, SYS_dup3, there, fd,
			cloexec & FD_CLOEXEC ? O_CLOEXEC : 0, 0, 0, 0);
	if (rc == 0 && r >= 0)
		rc = tracee_remote(&task.tracee, false, &r, SYS_close, there, 0, 0, 0, 0, 0);
	*copy = task.tracee;
	if (rc == 0 && r < 0)
		rc = (int)r;
	return rc < 0 ? err_errno(err, -rc, "opening descriptor %d again in the copy", fd) : 0;
}

static int part_private_fds(
	struct tuple *tuple, int leader, int version, struct tracee *copy, struct err *err)
{
	for (int fd = 0; fd < FDS_OWN_MAX; fd++) {
		int rc = fds_is_private(tuple->proc, leader, fd)
				 ? part_private_fd(tuple, version, copy, fd, err)
				 : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What is known of the version's process is what is known of the leader's. */
static void copy_proc(struct mxm *mxm, struct proc *proc, int leader, int version)
{
	memcpy(proc->private_fds[version], proc->private_fds[leader], sizeof(proc->private_fds[0]));
	memset(proc->unshared_fds[version], 0, sizeof(proc->unshared_fds[0]));
	memcpy(proc->clocks[version], proc->clocks[leader], sizeof(proc->clocks[0]));
	proc->start_draws[version] = proc->start_draws[leader];
	proc->execs[version] = proc->execs[leader];
	proc->has_shadows[version] = false;
	modes_forget(proc, version, -1);
	positions_forget(proc, version, -1);
	fds_epoll_copy(mxm, proc->fds, leader, version);
	posix_timers_copy(proc, leader, version);
	ids_forget_version(mxm, version);
}

static void copy_listener(struct version *from, struct version *to)
{
	if (to->listener >= 0)
		close(to->listener);
	to->listener = from->listener < 0 ? -1 : fcntl(from->listener, F_DUPFD_CLOEXEC, 0);
}

/* The copy becomes the version's process, and follows. */
static void enrol(struct group *group, int version, struct copy_thread *threads, int n)
{
	struct mxm *mxm = group->mxm;
	struct proc *proc = threads[0].task->tuple->proc;
	struct version *v = &mxm->versions[version];
	const uint64_t since = v->wanted_ns;

	copy_proc(mxm, proc, group->leader, version);
	for (int i = 0; i < n; i++) {
		struct tuple *tuple = threads[i].task->tuple;
		struct tracee *twin = &threads[i].twin;
		struct task *task = &tuple->tasks[version];

		ids_set(mxm, tuple->ids, version, twin->tid);
		task_born(tuple, version, twin->tid, twin->tgid, twin->mm);
		task->tracee = *twin;
		task->clear_tid_at = threads[i].task->clear_tid_at;
		task->slot = threads[i].task->slot;
		tuple->parted &= ~(1u << version);
		tuple->masks[version].apart = false;
		affinity_join(group, twin->tid);
		task_enter(task, TASK_RUNNING);
		task->preempted = true;
	}
	affinity_gather(group);
	group->followers |= 1u << version;
	group->dropping &= ~(1u << version);
	group->baton[version] = NULL;
	group->consumed_ns[version] = event_clock();
	agent_copied(group, proc, version);
	pthread_mutex_lock(&mxm->lock);
	copy_listener(&mxm->versions[group->leader], v);
	v->identity = false;
	v->alive = true;
	v->wanted_ns = 0;
	if (proc->is_root)
		v->root_pid = threads[0].twin.tid;
	pthread_mutex_unlock(&mxm->lock);
	mxm->ops->rejoined(mxm->ops_arg, version, now_ns() - since, NULL);
}

static int try_with(
	struct group *group, int version, struct copy_thread *threads, int n, struct err *err)
{
	struct mxm *mxm = group->mxm;
	cleanup_free struct tracee **list = xreallocarray(NULL, n, sizeof(*list));
	int rc;

	for (int i = 0; i < n; i++)
		list[i] = &threads[i].task->tracee;
	rc = mxm->ops->rejoin_safe(mxm->ops_arg, version, group->leader, list, n, err);
	if (rc == 0)
		rc = copy_process(threads, n, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < n; i++)
		list[i] = &threads[i].twin;
	rc = agent_part(threads[0].task->tuple->proc, group->leader, version,
		&threads[0].task->tracee, list[0], err);
	if (rc == 0)
		rc = part_private_fds(threads[0].task->tuple, group->leader, version, list[0], err);
	if (rc == 0)
		rc = reroot(threads[0].task->tuple, version, list[0], err);
	if (rc == 0)
		rc = mxm->ops->rejoin_made(mxm->ops_arg, version, group->leader, list, n, err);
	if (rc < 0)
		copy_kill(threads, n);
	return rc;
}

static void give_up(struct mxm *mxm, int version, const char *why)
{
	const uint64_t since = mxm->versions[version].wanted_ns;

	mxm->versions[version].wanted_ns = 0;
	mxm->ops->rejoined(mxm->ops_arg, version, now_ns() - since, why);
}

/* The next try comes later and later. */
static void postpone(struct group *group, int version, uint64_t now, const char *why)
{
	snprintf(group->rejoin.why, sizeof(group->rejoin.why), "%s", why);
	if (now - group->rejoin.begun_ns > GIVE_UP_NS) {
		give_up(group->mxm, version, why);
		group->rejoin.pause_ns = 0;
		return;
	}
	group->rejoin.pause_ns = group->rejoin.pause_ns * 2 < PAUSE_MOST_NS
					 ? group->rejoin.pause_ns * 2 + PAUSE_FIRST_NS
					 : PAUSE_MOST_NS;
	group->rejoin.next_ns = now + group->rejoin.pause_ns;
}

/* For now, or for good. */
static void put_off(struct group *group, int version, uint64_t now, int rc, const struct err *err)
{
	if (rc == -EAGAIN || rc == -ESRCH)
		postpone(group, version, now, err->text);
	else
		give_up(group->mxm, version, err->text);
}

void rejoin_over(struct group *group)
{
	const int version = wanted(group);
	cleanup_free char *why = NULL;

	if (version < 0)
		return;
	why = xasprintf("the program ended before%s%s", group->rejoin.why[0] ? ": " : "",
		group->rejoin.why);
	give_up(group->mxm, version, why);
}

/* While @from runs on. */
static int prepare(struct group *group, int version, int from, struct err *err)
{
	struct mxm *mxm = group->mxm;

	list_for_each (at, &group->tuples) {
		struct tracee *t = &container_of(at, struct tuple, link)->tasks[from].tracee;

		if (t->tid && t->tid == t->tgid)
			return mxm->ops->rejoin_prepare(mxm->ops_arg, version, from, t, err);
	}
	return err_set(err, EAGAIN, "the program has no main thread");
}

/* Could @lost come back as a copy of @stays? -EAGAIN: not yet. */
static int check_switch(struct group *group, int lost, int stays, struct err *err)
{
	const struct proc *proc = container_of(group->tuples.next, struct tuple, link)->proc;
	const char *why;

	if (lost < 0 || stays < 0)
		return err_set(err, ESRCH, "only one version runs");
	why = obstacle(group, proc, stays);
	if (why)
		return err_set(err, ENOTSUP, "%s", why);
	return prepare(group, lost, stays, err);
}

static void attend_switch(struct group *group)
{
	struct mxm *mxm = group->mxm;
	const uint64_t since = __atomic_load_n(&mxm->switch_ns, __ATOMIC_ACQUIRE);
	const uint64_t now = since ? now_ns() : 0;
	const int follower = group->followers ? __builtin_ctz(group->followers) : -1;
	const int lost = mxm->pauses ? follower : group->leader;
	struct err err = { 0 };
	int rc;

	if (!since || group->bereft || now < group->rejoin.next_ns || list_is_empty(&group->tuples))
		return;
	rc = check_switch(group, lost, mxm->pauses ? group->leader : follower, &err);
	if (rc == -EAGAIN && now - since < ANALYSIS_NS) {
		group->rejoin.next_ns = now + PAUSE_MOST_NS;
		return;
	}
	mxm->switch_ns = 0;
	if (rc < 0)
		mxm->ops->not_switched(mxm->ops_arg, err.text);
	else
		drop_version(mxm, lost);
}

void rejoin_attend(struct group *group)
{
	cleanup_free struct copy_thread *threads = NULL;
	const int version = wanted(group);
	const uint64_t now = version < 0 ? 0 : now_ns();
	const struct proc *proc;
	struct err err = { 0 };
	const char *why;
	int n, rc;

	attend_switch(group);
	if (version < 0 || now < group->rejoin.next_ns || group->followers ||
		list_is_empty(&group->tuples) || group->nstashed)
		return;
	if (group->rejoin.want_ns != group->mxm->versions[version].wanted_ns) {
		group->rejoin.want_ns = group->mxm->versions[version].wanted_ns;
		group->rejoin.begun_ns = group->rejoin.want_ns;
		group->rejoin.why[0] = '\0';
	}
	if (group->bereft || !list_is_empty(&group->stream) || is_alive_in(group, version)) {
		postpone(group, version, now, "what was left of the lost version has not ended");
		return;
	}
	proc = container_of(group->tuples.next, struct tuple, link)->proc;
	why = obstacle(group, proc, group->leader);
	if (why) {
		postpone(group, version, now, why);
		return;
	}
	rc = prepare(group, version, group->leader, &err);
	if (rc < 0) {
		/* An analysis may take its time: that does not count. */
		if (rc == -EAGAIN && now - group->rejoin.want_ns < ANALYSIS_NS)
			group->rejoin.begun_ns = now;
		put_off(group, version, now, rc, &err);
		return;
	}
	threads = hold_all(group, &n);
	if (!threads) {
		postpone(group, version, now, "its threads cannot be stopped between two calls");
		return;
	}
	rc = try_with(group, version, threads, n, &err);
	if (rc == 0) {
		enrol(group, version, threads, n);
		group->rejoin.pause_ns = 0;
	} else {
		put_off(group, version, now, rc, &err);
	}
}
