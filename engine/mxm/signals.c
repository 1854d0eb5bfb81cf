/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals. The leader's asynchronous signals are events: delivered in every version at the same
 * point of the stream, which is a system call. A follower's own are not delivered. Faults are its
 * own affair in every version, and may be a crash.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/canon.h"
#include "mxm/carry.h"
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/jobs.h"
#include "mxm/main_thread.h"
#include "mxm/posix_timers.h"
#include "mxm/restart.h"
#include "mxm/special.h"
#include "mxm/spins.h"
#include "mxm/unheard.h"

/*
 * A held signal breaks into user mode when so much CPU time has gone without a call, in ns. What
 * the task waits for a CPU does not count: a place in user mode cannot be found again in a
 * follower.
 */
#define HOLD_NS 50000000ul

/* So many of one signal wait, unless it is a real-time one: those are the kernel's from 32 on. */
#define HELD_SAME_MAX 16
#define REAL_TIME_MIN 32

/* rdtsc is an event with a number of its own. */
#define NR_TSC (~0ul)

static bool is_fault(int sig, const siginfo_t *info)
{
	switch (sig) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGSYS:
		return info->si_code > 0;
	}
	return false;
}

static bool ignored_by_default(int sig)
{
	return sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH;
}

/* What every CPU says, but for rdrand and rdseed, whose values no version could share. */
static void emulate_cpuid(struct user_regs_struct *regs)
{
	uint32_t a = 0, b = 0, c = 0, d = 0, leaf = (uint32_t)regs->rax;

	__cpuid_count(leaf, (uint32_t)regs->rcx, a, b, c, d);
	if (leaf == 1)
		c &= ~bit_RDRND;
	if (leaf == 7 && (uint32_t)regs->rcx == 0)
		b &= ~bit_RDSEED;
	regs->rax = a;
	regs->rbx = b;
	regs->rcx = c;
	regs->rdx = d;
	regs->rip += 2;
}

static void ask_tsc(struct task *task, unsigned insn_len)
{
	struct group *group = task->tuple->group;
	uint64_t now = __rdtsc();

	task->call = (struct call){ .nr = NR_TSC, .args = { insn_len } };
	str_reset(&task->in);
	if (task->starting || (!group->followers && !task_follows(task))) {
		struct user_regs_struct *regs = tracee_touch(&task->tracee);

		regs->rax = (uint32_t)now;
		regs->rdx = now >> 32;
		if (insn_len == 3)
			regs->rcx = 0;
		regs->rip += insn_len;
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	baton_give_up(task);
	if (task_follows(task)) {
		task_enter(task, TASK_ASKING);
		return;
	}
	lead_publish_held_back(group);
	task->event = event_new(task->tuple, EVENT_TSC);
	task->event->call = task->call;
	task->event->value = now;
	task_enter(task, TASK_READY);
	event_ready(task->event);
}

/* Instructions that were made to fault, arch_prctl(2) ARCH_SET_CPUID and prctl(2) PR_SET_TSC. */
static bool emulate(struct task *task)
{
	struct user_regs_struct *regs = tracee_regs(&task->tracee);
	uint8_t insn[3] = { 0 };

	if (!regs || !tracee_read_some(&task->tracee, raddr(regs->rip), insn, sizeof(insn)))
		return false;
	if (insn[0] != 0x0f)
		return false;
	if (insn[1] == 0xa2) {
		emulate_cpuid(tracee_touch(&task->tracee));
		task_resume(task, RESUME_RUN, 0);
		return true;
	}
	if (insn[1] == 0x31 || (insn[1] == 0x01 && insn[2] == 0xf9)) {
		ask_tsc(task, insn[1] == 0x31 ? 2 : 3);
		return true;
	}
	return false;
}

static void go_on_without(struct task *task)
{
	bool in_call = task->state == TASK_CALLING;

	task_resume(task, in_call ? RESUME_TO_EXIT : RESUME_RUN, 0);
}

void signals_raise(struct task *task, const siginfo_t *info)
{
	task->raise = *info;
	posix_timers_own_value(task, &task->raise);
	task->at_entry_stop = false;
	if (syscall(SYS_tgkill, task->tracee.tgid, task->tracee.tid, info->si_signo) < 0) {
		struct mxm *mxm = task->tuple->group->mxm;

		mxm->ops->note(mxm->ops_arg, "signal-failed", task->version,
			task->tuple->ids->known, strerror(errno));
		task_enter(task, TASK_RUNNING);
	} else {
		task_enter(task, TASK_RAISING);
	}
	task_resume(task, RESUME_RUN, 0);
}

bool signals_was_raised(const struct task *task, const siginfo_t *info)
{
	return task->state == TASK_RAISING && task->raise.si_signo == info->si_signo &&
	       info->si_code == SI_TKILL;
}

/*
 * As the kernel queues signals: those that are not real-time ones coalesce. But not all, for what
 * comes by a timer would be counted too rarely by a program that computes.
 */
static bool coalesces(const struct task *task, const siginfo_t *info)
{
	int same = 0;

	for (int i = 0; i < task->nheld; i++)
		same += task->held[i].info.si_signo == info->si_signo;
	return info->si_signo < REAL_TIME_MIN && same >= HELD_SAME_MAX && !task_follows(task);
}

void signals_hold(struct task *task, const siginfo_t *info, int broke)
{
	task->tuple->group->wants_ticks = true;
	if (!broke && coalesces(task, info))
		return;
	if (task->nheld == task->held_room) {
		task->held_room = task->held_room ? 2 * task->held_room : 4;
		task->held = xreallocarray(task->held, task->held_room, sizeof(*task->held));
	}
	task->held[task->nheld++] =
		(struct held_signal){ *info, broke, event_clock(), task_cpu_time(task) };
}

/*
 * Which of those that are held is next, -1: none. A leader's that is blocked by now, since the
 * handler of another one runs, waits as it would in the kernel. What broke into a call, and what
 * the stream has, comes where it came.
 */
static int next_held(struct task *task)
{
	uint64_t mask;

	if (!task->nheld || task_follows(task) || task->held[0].broke)
		return task->nheld ? 0 : -1;
	if (tracee_get_sigmask(&task->tracee, &mask) < 0)
		return -1;
	for (int i = 0; i < task->nheld; i++) {
		if (!(mask >> (task->held[i].info.si_signo - 1) & 1))
			return i;
	}
	return -1;
}

static bool take_held(struct task *task, struct held_signal *ret)
{
	int i = next_held(task);

	if (i < 0)
		return false;
	*ret = task->held[i];
	memmove(task->held + i, task->held + i + 1, (--task->nheld - i) * sizeof(task->held[0]));
	return true;
}

bool signals_take_held(struct task *task, siginfo_t *ret_info)
{
	struct held_signal held;

	if (!take_held(task, &held))
		return false;
	*ret_info = held.info;
	return true;
}

/*
 * A wait that a signal ends, whatever its handler says. A program that looks at what its handlers
 * have set, and waits then, is safe but from one that comes in between; here all that have come
 * since the last call would come there. So they are said to have come a little later.
 */
static bool ends_by_signal(const struct call *call)
{
	switch (call->nr) {
	case SYS_poll:
		return call->args[2] != 0;
	case SYS_epoll_wait:
		return call->args[3] != 0;
	case SYS_select:
		return !call->args[4];
	case SYS_pselect6: /* select(2), as the library makes it */
		return !call->args[4] && !call->args[5];
	case SYS_pause:
		return true;
	default:
		return false;
	}
}

static void come_before(struct task *task, const siginfo_t *info)
{
	struct event *event = event_new(task->tuple, EVENT_SIGNAL);

	baton_give_up(task);
	event->info = *info;
	event->sig = info->si_signo;
	event->call = task->call;
	task->event = event;
	task_enter(task, TASK_READY);
	event_ready(event);
}

/* As if the kernel had made the call, and the signal had broken into it. */
static void break_off(struct task *task, const siginfo_t *info, int code)
{
	task->broken_off = code;
	if (canon_inputs(task) < 0)
		return;
	baton_give_up(task);
	task->event = event_new(task->tuple, EVENT_CALL);
	task->event->call = task->call;
	task->event->executed = true;
	str_append(&task->event->in, task->in.data, task->in.len);
	task_enter(task, TASK_ASKING);
	lead_interrupted(task, info);
}

bool signals_come(struct task *task)
{
	struct held_signal held;

	if (!take_held(task, &held))
		return false;
	if (!held.broke && ends_by_signal(&task->call))
		held.broke = EINTR;
	/* Else it broke in when its agent made the call, which then came here. */
	if (held.broke)
		break_off(task, &held.info, held.broke);
	else
		come_before(task, &held.info);
	return true;
}

static void translate_info(struct task *task, siginfo_t *info)
{
	struct mxm *mxm = task->tuple->group->mxm;

	if (mxm->versions[task->version].identity)
		return;
	if (info->si_code == SI_USER || info->si_code == SI_TKILL || info->si_code == SI_QUEUE ||
		info->si_signo == SIGCHLD)
		info->si_pid = ids_to_known(mxm, task->version, info->si_pid);
}

void signals_handled(struct task *task, int sig)
{
	struct sigaction_known *known = sig ? &task->tuple->proc->sig[sig - 1] : NULL;

	if (known && (known->flags & SA_RESETHAND))
		known->handler = (uint64_t)SIG_DFL;
}

/* A signal for which the leading program has a handler. */
static void leader_handled(struct task *task, int sig, siginfo_t *info)
{
	struct group *group = task->tuple->group;
	struct event *event = group->unpublished;
	struct user_regs_struct *regs;

	if (main_thread_pass(task, sig, info)) {
		go_on_without(task);
		return;
	}
	translate_info(task, info);
	__atomic_add_fetch(&group->mxm->stats.signals, 1, __ATOMIC_RELAXED);
	if (task->state == TASK_AGAIN) {
		lead_interrupted(task, info);
		return;
	}
	if (agent_is_inside(task)) {
		signals_hold(task, info, agent_break(task));
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (!group->followers) {
		signals_handled(task, sig);
		if (tracee_set_siginfo(&task->tracee, info) == 0)
			task_resume(task, RESUME_RUN, sig);
		return;
	}
	regs = tracee_regs(&task->tracee);
	if (event && event->tuple == task->tuple && regs && regs->rip == task->return_rip) {
		event->sig = sig;
		event->info = *info;
		lead_publish_held_back(group);
		signals_handled(task, sig);
		task_resume(task, RESUME_RUN, sig);
		return;
	}
	signals_hold(task, info, 0);
	task_resume(task, RESUME_RUN, 0);
}

static void leader_signal(struct task *task, int sig, siginfo_t *info)
{
	struct proc *proc = task->tuple->proc;
	uint64_t handler = proc->sig[sig - 1].handler;

	if (task->state == TASK_RAISING || is_fault(sig, info)) {
		/* Another one than was raised comes first: it has to wait like any other. */
		if (is_fault(sig, info)) {
			task_resume(task, RESUME_RUN, sig);
			return;
		}
		signals_hold(task, info, 0);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (handler == (uint64_t)SIG_IGN ||
		(handler == (uint64_t)SIG_DFL && ignored_by_default(sig))) {
		go_on_without(task);
		return;
	}
	if (handler == (uint64_t)SIG_DFL) {
		/* It stops or ends the process, or continues it: nothing runs that could see where.
		 */
		if (sig == SIGSTOP)
			jobs_stops_itself(task);
		task_resume(task, RESUME_RUN, sig);
		return;
	}
	leader_handled(task, sig, info);
}

/*
 * A fault, or a signal from outside, of those that are survived. What the program sends itself is
 * its own decision, as abort(3) is.
 */
static bool is_crash(const struct task *task, int sig, const siginfo_t *info)
{
	struct mxm *mxm = task->tuple->group->mxm;

	if (!(mxm->config.survive & (1ul << (sig - 1))))
		return false;
	return info->si_code > 0 || !ids_is_own(mxm, task->version, info->si_pid);
}

bool signals_is_crash(struct task *task, int sig)
{
	siginfo_t info;

	return tracee_get_siginfo(&task->tracee, &info) == 0 && !signals_was_raised(task, &info) &&
	       is_crash(task, sig, &info);
}

void signals_stop(struct task *task, int sig)
{
	siginfo_t info;

	if (tracee_get_siginfo(&task->tracee, &info) < 0)
		return;
	if (signals_was_raised(task, &info)) {
		special_restore_args(task);
		if (tracee_set_siginfo(&task->tracee, &task->raise) < 0)
			return;
		task_enter(task, TASK_RUNNING);
		if (!task_follows(task))
			signals_handled(task, sig);
		/* Another one came while this was on its way. */
		if (task_follows(task) && task->nheld)
			task_interrupt(task);
		task_resume(task, RESUME_RUN, sig);
		return;
	}
	if (main_thread_take(task, &info) < 0)
		return;
	if (!task_follows(task))
		carry_timer_fired(task->tuple->proc, &info);
	if (sig == SIGTRAP && births_at_entry(task))
		return;
	if (agent_takes_signal(task, sig, info.si_code > 0 && (sig == SIGSEGV || sig == SIGBUS)))
		return;
	if (sig == SIGSEGV && info.si_code == SI_KERNEL && emulate(task))
		return;
	if (is_crash(task, sig, &info) &&
		(faults_hold(task, &info) || drop_crashed(task, &info, true)))
		return;
	if (task_follows(task)) {
		if (is_fault(sig, &info)) {
			task_resume(task, RESUME_RUN, sig);
			return;
		}
		if (task->tuple->group->bereft)
			unheard_keep(task, &info);
		go_on_without(task);
		return;
	}
	leader_signal(task, sig, &info);
}

/* In user mode, and not in a call of its version's own, which would not go on. */
static bool must_carry(struct task *task)
{
	const struct user_regs_struct *regs;

	if (task_follows(task) || !task->tuple->proc->has_to_carry || task->starting)
		return false;
	regs = tracee_regs(&task->tracee);
	return regs && ((int64_t)regs->orig_rax < 0 || !call_restarts((int64_t)regs->rax));
}

/* What was held breaks into the leader's user mode. */
static void publish_break_in(struct task *task, const struct held_signal *held)
{
	struct event *event = event_new(task->tuple, EVENT_SIGNAL);
	uint64_t now = task_cpu_time(task), since = held->since_cpu_ns;

	if (since < task->signalled_cpu_ns)
		since = task->signalled_cpu_ns;
	task->signalled_cpu_ns = now;
	lead_publish_held_back(task->tuple->group);
	event->sig = held->info.si_signo;
	event->info = held->info;
	event->async = true;
	event->computed_ns = now - since;
	event_publish(event);
}

/* It waits for another task, and is to pass the baton on; else it runs on. */
static bool is_to_pass(struct task *task)
{
	enum spins verdict = spins_look(task);

	if (verdict == SPINS_NOT)
		task_resume(task, RESUME_RUN, 0);
	if (verdict != SPINS)
		return false;
	task->spin.lost_turn = true;
	__atomic_add_fetch(&task->tuple->group->mxm->stats.spins, 1, __ATOMIC_RELAXED);
	return true;
}

void signals_interrupted(struct task *task)
{
	bool slice_over = task->slice_over, look = task->looked_at && !slice_over;
	struct held_signal held;

	task->tracee.interrupted = task->slice_over = task->looked_at = false;
	if (!task_follows(task) && jobs_continued(task))
		return;
	if (task->state != TASK_RUNNING) {
		go_on_without(task);
		return;
	}
	if (agent_is_inside(task)) {
		agent_break(task);
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (task_follows(task) && follow_interrupted(task))
		return;
	if (must_carry(task))
		carry_take_up_running(task);
	if (take_held(task, &held)) {
		if (!task_follows(task))
			publish_break_in(task, &held);
		signals_raise(task, &held.info);
		return;
	}
	if (drop_wants_still(task)) {
		baton_give_up(task);
		task->preempted = true;
		return;
	}
	/* Stopped for a signal that it has met by itself meanwhile: no place to lose its turn at.
	 */
	if (!(slice_over || look) || task->starting ||
		task->tuple->group->baton[task->version] != task) {
		task_resume(task, RESUME_RUN, 0);
		return;
	}
	if (look && !is_to_pass(task))
		return;
	/* Another task's turn. */
	if (slice_over)
		baton_end_slice(task);
	else
		baton_give_up(task);
	if (task_follows(task)) {
		baton_lose(task);
		return;
	}
	lead_publish_held_back(task->tuple->group);
	task->event = event_new(task->tuple, EVENT_RESUME);
	task_enter(task, TASK_READY);
	event_ready(task->event);
}

/* Or asleep: in a call of its version's own, which was let go without a stop. */
static bool held_for_long(const struct task *task)
{
	const struct held_signal *held = &task->held[0];

	if (event_clock() - held->since_ns < HOLD_NS)
		return false;
	return task_cpu_time(task) - held->since_cpu_ns > HOLD_NS || task_proc_state(task) == 'S';
}

void signals_tick(struct group *group)
{
	struct task *holder = group->baton[group->leader];

	group->wants_ticks = false;
	list_for_each (at, &group->tuples) {
		struct task *task = &container_of(at, struct tuple, link)->tasks[group->leader];

		if (!task->nheld)
			continue;
		group->wants_ticks = true;
		if (task->state == TASK_RUNNING && held_for_long(task))
			task_interrupt(task);
	}
	if (holder && event_is_due(group))
		baton_claim(group, group->leader);
}
