/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/carry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/late.h"
#include "mxm/posix_timers.h"
#include "mxm/restart.h"
#include "mxm/shadows.h"
#include "mxm/signalfds.h"
#include "mxm/special.h"

struct lock {
	struct list link;
	int fd;
	struct flock flock;
};

static uint64_t micros(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
}

static struct timeval of_micros(uint64_t us)
{
	return (struct timeval){ us / 1000000, us % 1000000 };
}

static struct itimerval rest_of(const struct carried_timer *timer)
{
	uint64_t passed = (event_clock() - timer->set_ns) / 1000;
	uint64_t first = micros(&timer->value.it_value), every = micros(&timer->value.it_interval);
	struct itimerval rest = { .it_interval = timer->value.it_interval };

	if (first > passed)
		rest.it_value = of_micros(first - passed);
	else if (every)
		rest.it_value = of_micros(every - (passed - first) % every);
	return rest;
}

/* As alarm(2) says it. */
static uint64_t seconds_left(const struct carried_timer *timer)
{
	const struct timeval left = rest_of(timer).it_value;

	return (uint64_t)left.tv_sec +
	       (left.tv_usec >= 500000 || (!left.tv_sec && left.tv_usec) ? 1 : 0);
}

void carry_timer_fired(struct proc *proc, const siginfo_t *info)
{
	if (info->si_code == SI_TIMER)
		posix_timers_fired(proc, info->si_timerid);
	else if (info->si_code == SI_KERNEL && info->si_signo == SIGALRM)
		proc->timers[ITIMER_REAL].fired = true;
}

/* Who does not ask what brought the signal may have been brought it by a timer. */
static void waited(struct task *task, int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_KERNEL };
	const uint64_t at = task->call.args[1];

	if (at && tracee_read(&task->tracee, raddr(at), &info, sizeof(info)) < 0)
		return;
	carry_timer_fired(task->tuple->proc, &info);
	if (!at)
		posix_timers_fired_by(task->tuple->proc, sig);
}

static int timer_led(struct task *task, struct event *event, int64_t *result)
{
	struct proc *proc = task->tuple->proc;
	const uint64_t *a = task->call.args;
	struct itimerval value = { 0 };

	if (task->call.nr == SYS_alarm) {
		value.it_value.tv_sec = (uint32_t)a[0];
		proc->timers[ITIMER_REAL] = (struct carried_timer){ value, event_clock(), false };
	} else if (task->call.nr == SYS_setitimer && *result == 0 && a[0] < 3) {
		if (a[1] && tracee_read(&task->tracee, raddr(a[1]), &value, sizeof(value)) < 0)
			return 0;
		if (event && a[0] == ITIMER_REAL)
			event->value = seconds_left(&proc->timers[a[0]]);
		proc->timers[a[0]] = (struct carried_timer){ value, event_clock(), false };
	} else if (task->call.nr == SYS_rt_sigtimedwait) {
		if (*result > 0)
			waited(task, (int)*result);
	} else if (*result == 0) {
		posix_timers_led(task, event);
	}
	return 0;
}

static int timer_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	if (event->result == 0)
		posix_timers_followed(task, event);
	return 0;
}

const struct special special_timer = { .led = timer_led, .follow = timer_follow };

static bool overlaps(const struct flock *a, const struct flock *b)
{
	/* Lengths of 0 reach to the end; what is not measured from the start is taken to overlap.
	 */
	if (a->l_whence != SEEK_SET || b->l_whence != SEEK_SET || a->l_len < 0 || b->l_len < 0)
		return true;
	return (!a->l_len || b->l_start < a->l_start + a->l_len) &&
	       (!b->l_len || a->l_start < b->l_start + b->l_len);
}

static bool covers(const struct flock *a, const struct flock *b)
{
	if (a->l_whence != SEEK_SET || b->l_whence != SEEK_SET)
		return true;
	return a->l_start <= b->l_start &&
	       (!a->l_len || (b->l_len && a->l_start + a->l_len >= b->l_start + b->l_len));
}

static void drop_lock(struct lock *lock)
{
	list_remove(&lock->link);
	free(lock);
}

static int lock_led(struct task *task, struct event *event, int64_t *result)
{
	struct proc *proc = task->tuple->proc;
	const uint64_t *a = task->call.args;
	struct flock flock;
	struct lock *lock;

	if (*result != 0 || (a[1] != F_SETLK && a[1] != F_SETLKW) ||
		tracee_read(&task->tracee, raddr(a[2]), &flock, sizeof(flock)) < 0)
		return 0;
	/* A lock that is cut in two by an unlock is kept whole: taken again, it is more, never
	 * less. */
	list_for_each_safe (at, &proc->locks) {
		lock = container_of(at, struct lock, link);
		if (lock->fd == (int)a[0] && overlaps(&lock->flock, &flock) &&
			covers(&flock, &lock->flock))
			drop_lock(lock);
	}
	if (flock.l_type == F_UNLCK)
		return 0;
	lock = xzalloc(sizeof(*lock));
	lock->fd = (int)a[0];
	lock->flock = flock;
	list_append(&proc->locks, &lock->link);
	return 0;
}

const struct special special_lock = { .led = lock_led };

void carry_closed(struct proc *proc, int fd)
{
	list_for_each_safe (at, &proc->locks) {
		struct lock *lock = container_of(at, struct lock, link);

		if (lock->fd == fd)
			drop_lock(lock);
	}
}

void carry_free(struct proc *proc)
{
	list_for_each_safe (at, &proc->locks)
		drop_lock(container_of(at, struct lock, link));
	posix_timers_free(proc);
}

bool carry_needed(const struct proc *proc, int version)
{
	for (int i = 0; i < 3; i++) {
		if (proc->timers[i].set_ns && micros(&proc->timers[i].value.it_value))
			return true;
	}
	return proc->group_due[version] || posix_timers_any(proc) || !list_is_empty(&proc->locks) ||
	       proc->has_signalfd;
}

/*
 * One whose time is over, and whose signal was not seen, came to nobody: it fires now. What is read
 * from a signalfd(2) is not looked at.
 */
static int set_timers(struct task *task)
{
	const struct proc *proc = task->tuple->proc;
	int rc = 0;
	long r;

	for (int i = 0; i < 3 && rc == 0; i++) {
		struct itimerval rest;

		if (!proc->timers[i].set_ns || !micros(&proc->timers[i].value.it_value))
			continue;
		/* The timers of CPU time count from here: how much of it had passed is not known.
		 */
		rest = i == ITIMER_REAL ? rest_of(&proc->timers[i]) : proc->timers[i].value;
		if (proc->timers[i].fired && !micros(&rest.it_interval))
			continue;
		if (!micros(&rest.it_value) && !proc->timers[i].fired && !proc->has_signalfd)
			rest.it_value = of_micros(1);
		rc = tracee_write(&task->tracee, raddr(GATEWAY_SCRATCH), &rest, sizeof(rest));
		if (rc == 0)
			rc = tracee_remote(&task->tracee, false, &r, SYS_setitimer, i,
				GATEWAY_SCRATCH, 0, 0, 0, 0);
	}
	return rc;
}

/*
 * Sets and takes it in @task's process. Stopped, with no call pending. -EAGAIN: a timer cannot be
 * made, or a lock was taken by someone else meanwhile.
 */
static int carry_over(struct task *task)
{
	struct proc *proc = task->tuple->proc;
	bool lost = false;
	int rc = set_timers(task);
	long r;

	if (rc == 0)
		rc = posix_timers_carry(task);
	if (rc == -EAGAIN) {
		lost = true;
		rc = 0;
	}
	list_for_each (at, &proc->locks) {
		const struct lock *lock = container_of(at, struct lock, link);

		if (rc < 0)
			break;
		rc = tracee_write(
			&task->tracee, raddr(GATEWAY_SCRATCH), &lock->flock, sizeof(lock->flock));
		if (rc == 0)
			rc = tracee_remote(&task->tracee, false, &r, SYS_fcntl, lock->fd, F_SETLK,
				GATEWAY_SCRATCH, 0, 0, 0);
		lost |= rc == 0 && r < 0;
	}
	return rc < 0 ? rc : lost ? -EAGAIN : 0;
}

/* The process joins the group that it could not join as a follower. */
static int join_group(struct task *task)
{
	pid_t *due = &task->tuple->proc->group_due[task->version];
	const pid_t group = ids_to_real(task->tuple->group->mxm, task->version, *due);
	long r = 0;
	int rc = 0;

	if (*due && getpgid(task->tracee.tgid) != group)
		rc = tracee_remote(&task->tracee, false, &r, SYS_setpgid, 0, group, 0, 0, 0, 0);
	*due = 0;
	return rc < 0 ? rc : (int)r;
}

void carry_take_up_running(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct proc *proc = task->tuple->proc;
	const char *lost = NULL;

	/* It has left the call: what is made in it from here on begins between two calls. */
	task->at_entry_stop = false;
	proc->has_to_carry = false;
	if (proc->has_shadows[task->version] && shadows_move(task) < 0)
		lost = "a shared mapping could not be moved to its file";
	proc->has_shadows[task->version] = false;
	if (proc->has_signalfd && signalfds_renew(task) < 0)
		lost = "a descriptor of signalfd(2) could not be put into its epoll set again";
	if (carry_over(task) < 0)
		lost = "a timer or a lock of the old leader could not be taken over";
	if (join_group(task) < 0)
		lost = "it could not join its process group";
	if (late_take_over(task) < 0)
		lost = "a descriptor that the old leader had opened is lost";
	if (lost)
		mxm->ops->note(mxm->ops_arg, "not-carried-over", task->version,
			task->tuple->ids->known, lost);
}

bool carry_is_due(const struct task *task)
{
	return task->tuple->proc->has_to_carry && !task_follows(task) && !task->starting;
}

void carry_take_up_stopped(struct task *task)
{
	const struct user_regs_struct *regs = tracee_regs(&task->tracee);
	const uint64_t nr = regs ? regs->orig_rax : 0;
	const bool in_call = regs && (int64_t)nr >= 0 && call_was_broken_off((int64_t)regs->rax);

	carry_take_up_running(task);
	if (in_call)
		tracee_retry_call(&task->tracee, nr);
}

void carry_take_up(struct task *task)
{
	long r;

	/* In place of the pending call: from then on none is. */
	if (tracee_remote(&task->tracee, true, &r, SYS_getpid, 0, 0, 0, 0, 0, 0) == 0)
		carry_take_up_running(task);
	tracee_retry_call(&task->tracee, task->call.issued);
	task_resume(task, RESUME_RUN, 0);
}
