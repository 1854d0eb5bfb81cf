/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/posix_timers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/xalloc.h"
#include "mxm/events.h"
#include "mxm/ids.h"

/* Since kernel 6.15: timer_create takes the id that it is to make. */
#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS 77
#endif
/* Before, the kernel counts ids up in each process: so many timers are made and deleted to come to
 * one. */
#define TRIES_MAX 4096

#define EVENT_AT GATEWAY_SCRATCH
#define ID_AT	 (GATEWAY_SCRATCH + 128)
#define VALUE_AT (GATEWAY_SCRATCH + 192)

/* struct sigevent, as the kernel reads it. */
struct notice {
	uint64_t value;
	int signo, notify;
	int tid;
	int pad[11];
};

struct posix_timer {
	struct list link; /* proc->posix_timers */
	int id, clock;
	bool deleted; /* by the leader; a follower has yet to come to it */
	bool plain;   /* made without a struct sigevent */
	bool fired;   /* since it was set; its signal was seen */
	unsigned known;
	struct notice notices[MXM_VERSIONS_MAX];
	int flags;
	struct itimerspec value; /* as it was set, */
	uint64_t set_ns;	 /* then, */
	uint64_t first_ns;	 /* and how long from then on until it first fires */
};

static uint64_t nanos(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec;
}

static struct posix_timer *find(const struct proc *proc, int id)
{
	list_for_each (at, &proc->posix_timers) {
		struct posix_timer *timer = container_of(at, struct posix_timer, link);

		if (timer->id == id)
			return timer;
	}
	return NULL;
}

static void forget(struct posix_timer *timer)
{
	list_remove(&timer->link);
	free(timer);
}

static void learn_notice(struct task *task, struct posix_timer *timer)
{
	uint64_t at = task->call.args[1];

	timer->plain = !at;
	if (!at || tracee_read(&task->tracee, raddr(at), &timer->notices[task->version],
			   sizeof(struct notice)) == 0)
		timer->known |= 1u << task->version;
}

static void created(struct task *task, struct event *event)
{
	struct posix_timer *timer;
	int id;

	if (tracee_read(&task->tracee, raddr(task->call.args[2]), &id, sizeof(id)) < 0)
		return;
	timer = xzalloc(sizeof(*timer));
	timer->id = id;
	timer->clock = (int)task->call.args[0];
	learn_notice(task, timer);
	list_append(&task->tuple->proc->posix_timers, &timer->link);
	if (event)
		event->value = (uint64_t)id;
}

static void set(struct task *task, struct posix_timer *timer)
{
	struct timespec now;

	if (tracee_read(&task->tracee, raddr(task->call.args[2]), &timer->value,
		    sizeof(timer->value)) < 0)
		return;
	timer->fired = false;
	timer->flags = (int)task->call.args[1];
	timer->set_ns = event_clock();
	timer->first_ns = nanos(&timer->value.it_value);
	if ((timer->flags & TIMER_ABSTIME) && clock_gettime(timer->clock, &now) == 0)
		timer->first_ns = timer->first_ns > nanos(&now) ? timer->first_ns - nanos(&now) : 0;
}

void posix_timers_led(struct task *task, struct event *event)
{
	struct posix_timer *timer;

	if (task->call.nr == SYS_timer_create) {
		created(task, event);
		return;
	}
	timer = find(task->tuple->proc, (int)task->call.args[0]);
	if (timer && task->call.nr == SYS_timer_settime)
		set(task, timer);
	if (!timer || task->call.nr != SYS_timer_delete)
		return;
	if (event)
		timer->deleted = true;
	else
		forget(timer);
}

void posix_timers_followed(struct task *task, const struct event *event)
{
	const struct proc *proc = task->tuple->proc;
	struct posix_timer *timer;

	if (task->call.nr == SYS_timer_create) {
		timer = find(proc, (int)event->value);
		if (timer)
			learn_notice(task, timer);
	} else if (task->call.nr == SYS_timer_delete) {
		timer = find(proc, (int)task->call.args[0]);
		if (timer && timer->deleted)
			forget(timer);
	}
}

void posix_timers_fired(struct proc *proc, int id)
{
	struct posix_timer *timer = find(proc, id);

	if (timer)
		timer->fired = true;
}

void posix_timers_fired_by(struct proc *proc, int sig)
{
	list_for_each (at, &proc->posix_timers) {
		struct posix_timer *timer = container_of(at, struct posix_timer, link);
		const int leader = (int)(ffs((int)timer->known) - 1);

		if (leader >= 0 && (timer->plain ? SIGALRM : timer->notices[leader].signo) == sig)
			timer->fired = true;
	}
}

void posix_timers_own_value(const struct task *task, siginfo_t *info)
{
	const struct posix_timer *timer;

	if (info->si_code != SI_TIMER)
		return;
	timer = find(task->tuple->proc, info->si_timerid);
	if (timer && !timer->plain && (timer->known & (1u << task->version)))
		info->si_value.sival_ptr = (void *)timer->notices[task->version].value;
}

int posix_timers_waited(struct task *task)
{
	uint64_t at = task->call.args[1];
	siginfo_t info;
	int rc;

	if (task->call.nr != SYS_rt_sigtimedwait || !at ||
		list_is_empty(&task->tuple->proc->posix_timers))
		return 0;
	rc = tracee_read(&task->tracee, raddr(at), &info, sizeof(info));
	if (rc == 0) {
		posix_timers_own_value(task, &info);
		rc = tracee_write(&task->tracee, raddr(at), &info, sizeof(info));
	}
	return rc == -ESRCH ? rc : 0;
}

bool posix_timers_any(const struct proc *proc)
{
	list_for_each (at, &proc->posix_timers) {
		if (!container_of(at, struct posix_timer, link)->deleted)
			return true;
	}
	return false;
}

static int remote(struct task *task, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	long r;
	int rc = tracee_remote(&task->tracee, false, &r, nr, a, b, c, d, 0, 0);

	return rc < 0 ? rc : r < 0 ? -EAGAIN : 0;
}

/* Makes one; which id it has is the kernel's choice, but where ids are restored. */
static int make(struct task *task, const struct posix_timer *timer, int *ret_id)
{
	struct notice notice = timer->notices[task->version];
	int rc;

	if (notice.notify == SIGEV_THREAD_ID)
		notice.tid = ids_to_real(task->tuple->group->mxm, task->version, (pid_t)notice.tid);
	rc = tracee_write(&task->tracee, raddr(EVENT_AT), &notice, sizeof(notice));
	if (rc == 0)
		rc = tracee_write(&task->tracee, raddr(ID_AT), &timer->id, sizeof(timer->id));
	if (rc == 0)
		rc = remote(task, SYS_timer_create, (uint64_t)timer->clock,
			timer->plain ? 0 : EVENT_AT, ID_AT, 0);
	if (rc == 0)
		rc = tracee_read(&task->tracee, raddr(ID_AT), ret_id, sizeof(*ret_id));
	return rc;
}

/* Makes it with the id that the program knows. */
static int make_again(struct task *task, const struct posix_timer *timer)
{
	int restores = remote(task, SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0), rc = 0,
	    id = -1;

	if (restores < 0 && restores != -EAGAIN)
		return restores;
	for (int i = 0; i < TRIES_MAX && id < timer->id; i++) {
		rc = make(task, timer, &id);
		if (rc == 0 && id != timer->id)
			rc = remote(task, SYS_timer_delete, (uint64_t)id, 0, 0, 0);
		if (rc < 0)
			break;
	}
	if (restores == 0) {
		int off = remote(task, SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, 0, 0, 0);

		rc = rc < 0 ? rc : off;
	}
	return rc < 0 ? rc : id == timer->id ? 0 : -EAGAIN;
}

static struct timespec of_nanos(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
}

/*
 * What is left of its time. False: it has fired, and does so no more. One whose signal was not seen
 * (what is read from a signalfd(2) is not looked at) came to nobody: it fires now.
 */
static bool rest_of(const struct proc *proc, const struct posix_timer *timer, int *ret_flags,
	struct itimerspec *ret_rest)
{
	uint64_t passed = event_clock() - timer->set_ns, every = nanos(&timer->value.it_interval);
	bool counts_cpu_time = timer->clock < 0 || timer->clock == CLOCK_PROCESS_CPUTIME_ID ||
			       timer->clock == CLOCK_THREAD_CPUTIME_ID;

	*ret_rest = timer->value;
	*ret_flags = 0;
	if (!timer->set_ns || !nanos(&timer->value.it_value) || (timer->fired && !every))
		return false;
	/* How much CPU time had passed is not known: it counts from here. */
	if (counts_cpu_time) {
		ret_rest->it_value = of_nanos(timer->first_ns ? timer->first_ns : 1);
	} else if (timer->first_ns > passed) {
		*ret_flags = timer->flags & TIMER_ABSTIME;
		if (!*ret_flags)
			ret_rest->it_value = of_nanos(timer->first_ns - passed);
	} else if (every) {
		ret_rest->it_value = of_nanos(every - (passed - timer->first_ns) % every);
	} else if (!timer->fired && !proc->has_signalfd) {
		ret_rest->it_value = of_nanos(1);
	} else {
		return false;
	}
	return true;
}

int posix_timers_carry(struct task *task)
{
	bool lost = false;
	int rc = 0;

	list_for_each_safe (at, &task->tuple->proc->posix_timers) {
		struct posix_timer *timer = container_of(at, struct posix_timer, link);
		struct itimerspec rest;
		int flags;

		if (timer->deleted) {
			forget(timer);
			continue;
		}
		rc = timer->known & (1u << task->version) ? make_again(task, timer) : -EAGAIN;
		if (rc == 0 && rest_of(task->tuple->proc, timer, &flags, &rest)) {
			rc = tracee_write(&task->tracee, raddr(VALUE_AT), &rest, sizeof(rest));
			if (rc == 0)
				rc = remote(task, SYS_timer_settime, (uint64_t)timer->id,
					(uint64_t)flags, VALUE_AT, 0);
		}
		if (rc < 0 && rc != -EAGAIN)
			return rc;
		if (rc < 0) {
			lost = true;
			forget(timer);
		}
	}
	return lost ? -EAGAIN : 0;
}

void posix_timers_copy(struct proc *proc, int from, int version)
{
	list_for_each (at, &proc->posix_timers) {
		struct posix_timer *timer = container_of(at, struct posix_timer, link);

		timer->notices[version] = timer->notices[from];
		timer->known &= ~(1u << version);
		timer->known |= (timer->known >> from & 1) << version;
	}
}

void posix_timers_free(struct proc *proc)
{
	list_for_each_safe (at, &proc->posix_timers)
		forget(container_of(at, struct posix_timer, link));
}
