/* SPDX-License-Identifier: Apache-2.0 */
/* What the monitor does with threads that stop in their agents, and to have them come to a stop. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "mxm/agent.h"
#include "mxm/agent_arm.h"
#include "mxm/canon.h"
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/restart.h"
#include "mxm/ring.h"

/* How long a task that was taken out of its wait is remembered. */
#define ROUSED_NS 200000000ul

bool agent_is_inside(struct task *task)
{
	const struct user_regs_struct *regs;

	if (task->slot <= AGENT_SLOTS)
		return false;
	regs = tracee_regs(&task->tracee);
	/* Its own code, or the vDSO's on its stack. */
	return regs && (regs->rip - AGENT_CODE < AGENT_CODE_SIZE ||
			       regs->rsp - task->slot < AGENT_SLOT_SIZE);
}

static void bail(struct task *task)
{
	struct user_regs_struct *regs = tracee_touch(&task->tracee);
	const struct agent_header *header = (const struct agent_header *)agent_image;

	if (regs)
		regs->rip = header->bail;
}

static bool is_making(uint32_t in_call)
{
	return in_call == AGENT_MAKING || in_call == AGENT_QUICK;
}

int agent_break(struct task *task)
{
	struct user_regs_struct *regs = tracee_touch(&task->tracee);
	const struct agent_header *header = (const struct agent_header *)agent_image;
	struct ring *ring = task->tuple->group->ring;
	uint32_t in_call;
	int code = 0;

	if (!regs || !ring)
		return 0;
	__atomic_store_n(
		&ring_control(ring, task->version)->attention, AGENT_AT_ONCE, __ATOMIC_SEQ_CST);
	if (tracee_read(
		    &task->tracee, raddr(task->slot + SLOT_IN_CALL), &in_call, sizeof(in_call)) < 0)
		return 0;
	if (regs->rip >= AGENT_ALLOWED && regs->rip < header->gate_end) {
		/* Broken already, it is no call any more: a second signal comes before the next. */
		if (regs->rip == AGENT_ALLOWED && (int64_t)regs->orig_rax >= 0 &&
			call_was_broken_off((int64_t)regs->rax)) {
			/* Its own naps are nothing that the program knows of. */
			code = is_making(in_call) ? (int)-(int64_t)regs->rax : 0;
			regs->rax = (uint64_t)-EINTR;
			regs->orig_rax = (uint64_t)-1;
		}
		return code;
	}
	if (is_making(in_call))
		bail(task);
	return 0;
}

/*
 * A thread can be in user mode since before its version had an agent, and come to a site that
 * another one's stop has had patched: the agent's first step faults. It has its slot when it is
 * resumed, and takes that step again.
 */
static bool came_without_slot(struct task *task)
{
	const struct agent_header *header = (const struct agent_header *)agent_image;
	const struct user_regs_struct *regs = task->slot ? NULL : tracee_regs(&task->tracee);

	return regs && task->tuple->proc->agent_below[task->version] && !task->starting &&
	       regs->rip == header->entry;
}

bool agent_takes_signal(struct task *task, int sig, bool fault)
{
	const struct user_regs_struct *regs;

	if (fault && came_without_slot(task)) {
		task_resume(task, RESUME_RUN, 0);
		return true;
	}
	if (!agent_is_inside(task))
		return false;
	if (fault) {
		/* The program's pointers are wrong: its call says so, by ptrace. Where it does not
		 * come there, the agent's own pages were written over. */
		if (task->bailed)
			return false;
		task->bailed = true;
		bail(task);
		task_resume(task, RESUME_RUN, 0);
		return true;
	}
	regs = tracee_regs(&task->tracee);
	if (regs && regs->rip == AGENT_ALLOWED &&
		((sig == SIGPIPE && (int64_t)regs->rax == -EPIPE) ||
			(sig == SIGXFSZ && (int64_t)regs->rax == -EFBIG))) {
		/* The call is made again by ptrace, and raises it again. */
		task_resume(task, RESUME_RUN, 0);
		return true;
	}
	return false;
}

/* The holder of the baton may sleep in its agent's call while another task needs the baton. */
static void rouse(struct task *holder)
{
	uint32_t in_call;

	/*
	 * Also where it was interrupted before: a call of the engine's in its place may have used
	 * that up (tracee_remote()). But not at once: it would stop again and again where it is.
	 */
	if (holder->slot <= AGENT_SLOTS || !holder->tuple->group->ring ||
		holder->roused_ns == event_clock())
		return;
	__atomic_fetch_or(&ring_control(holder->tuple->group->ring, holder->version)->attention,
		AGENT_SOON, __ATOMIC_SEQ_CST);
	if (tracee_read(&holder->tracee, raddr(holder->slot + SLOT_IN_CALL), &in_call,
		    sizeof(in_call)) == 0 &&
		in_call == AGENT_MAKING) {
		holder->tuple->group->roused_ns = holder->roused_ns = event_clock();
		(void)tracee_interrupt(&holder->tracee);
	}
}

/*
 * Where other tasks have lately needed the baton of one that waited in its agent, waits go by
 * ptrace, without it. Where they have not, that would be two stops for nothing.
 */
static bool waits_are_in_the_way(const struct group *group)
{
	return group->tuples.next != group->tuples.prev && group->roused_ns &&
	       event_clock() - group->roused_ns < ROUSED_NS;
}

/* Does the leader have to come by ptrace? enum agent_attention. */
static uint32_t leader_attention(struct group *group)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);

		if (tuple->tasks[group->leader].nheld)
			return AGENT_AT_ONCE;
		for (int v = 0; v < group->mxm->config.nversions; v++) {
			/* A follower that asks by ptrace is answered at the leader's next stop. */
			if ((group->followers & (1u << v)) && !group->baton[v] &&
				tuple->tasks[v].state == TASK_ASKING)
				return AGENT_AT_ONCE;
		}
	}
	/* Another task needs the baton. */
	return event_is_due(group) ? AGENT_SOON : 0;
}

/* Does the leader wait for what a follower's next call is? */
static uint32_t followers_attention(struct group *group)
{
	if (group->bereft)
		return AGENT_AT_ONCE;
	list_for_each (at, &group->tuples) {
		const struct task *task =
			&container_of(at, struct tuple, link)->tasks[group->leader];

		if (task->state == TASK_ASKING || task->state == TASK_FAULTING)
			return AGENT_AT_ONCE;
	}
	return 0;
}

void agent_attend(struct group *group)
{
	struct ring *ring = group->ring;
	uint32_t follower;
	bool holder;

	if (!ring)
		return;
	ring_control(ring, group->leader)->many = waits_are_in_the_way(group);
	follower = followers_attention(group);
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		struct agent_control *c = ring_control(ring, v);
		uint32_t wants = v == group->leader ? leader_attention(group) : follower;

		__atomic_store_n(&c->attention, wants, __ATOMIC_SEQ_CST);
		if (wants)
			ring_wake(group, v);
	}
	holder = group->baton[group->leader] != NULL;
	if (holder && event_is_due(group) && group->followers)
		rouse(group->baton[group->leader]);
}

void agent_harvest(struct task *task)
{
	const struct agent_header *header = (const struct agent_header *)agent_image;
	struct group *group = task->tuple->group;
	const struct user_regs_struct *regs = tracee_regs(&task->tracee);
	const struct agent_record *record;
	struct agent_slot slot;
	int64_t result;

	if (task->mode != AGENT_LEAD || !group->ring || !regs ||
		tracee_read(&task->tracee, raddr(task->slot), &slot,
			offsetof(struct agent_slot, stack)) < 0)
		return;
	if (slot.in_call == AGENT_IDLE || slot.at != ring_control(group->ring, group->leader)->head)
		return;
	result = slot.result;
	if (slot.in_call == AGENT_MAKING) {
		result = (int64_t)regs->rax;
		if (regs->rip < AGENT_ALLOWED || regs->rip >= header->gate_end)
			return;
	}
	if (call_was_broken_off(result) || result == -ENOSYS)
		return;
	record = ring_record(group->ring, slot.at);
	task->call = (struct call){ .nr = record->item.nr, .issued = record->item.nr };
	memcpy(task->call.args, record->args, sizeof(record->args));
	task->call.row = sys_resolve(task->call.nr, task->call.args);
	if (!task->call.row || canon_inputs(task) < 0)
		return;
	/* It looked without waiting, and would have waited next. */
	if (task->call.row->special == SPECIAL_EPOLL && result == 0)
		return;
	lead_harvest_made(task, result);
}
