/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "mxm/agent_arm.h"
#include "mxm/agent_table.h"
#include "mxm/canon.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/patch.h"
#include "mxm/restart.h"
#include "mxm/ring.h"

/* Calls that an agent could have taken before a process is given one. */
#define AGENT_HOT 16

#define SLOTS_BEGIN (AGENT_SLOTS + AGENT_SLOT_SIZE) /* the first one is off for ever */

/* Until it executes another program, a child of vfork(2) lives in its parent's memory. */
static bool borrows_memory(const struct task *task)
{
	list_for_each (at, &task->tuple->group->tuples) {
		const struct tuple *other = container_of(at, struct tuple, link);
		const struct task *twin = &other->tasks[task->version];

		if (other->proc != task->tuple->proc && twin->state != TASK_ABSENT &&
			twin->tracee.mm == task->tracee.mm)
			return true;
	}
	return false;
}

/* Calls that change mapped files, of which followers have copies (shadows.h), go by ptrace. */
static bool maps_files(const struct group *group)
{
	list_for_each (at, &group->tuples) {
		if (container_of(at, struct tuple, link)->proc->maps_written_files)
			return true;
	}
	return !list_is_empty(&group->mxm->shadows);
}

/* A version that is let go has processes here still. */
static bool is_ending_one(const struct group *group)
{
	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);

		for (int v = 0; v < group->mxm->config.nversions; v++) {
			if ((group->dropping & (1u << v)) && tuple->tasks[v].state != TASK_ABSENT)
				return true;
		}
	}
	return false;
}

static bool may_have(const struct task *task)
{
	const struct group *group = task->tuple->group;
	const struct mxm *mxm = group->mxm;
	const struct proc *proc = task->tuple->proc;

	if (proc->no_agent || task->starting || task->tracee.mm->no_gateway || group->bereft ||
		(group->dropping && is_ending_one(group)) || borrows_memory(task))
		return false;
	/* Alone it has nobody to agree with. */
	if (!group->followers)
		return true;
	return mxm->config.sync != MXM_LOCKSTEP && !maps_files(group);
}

static bool leading_agent(const struct task *task)
{
	const struct group *group = task->tuple->group;

	return task->tuple->proc->agents[group->leader] != NULL;
}

static uint32_t wanted_mode(const struct task *task)
{
	const struct group *group = task->tuple->group;
	const struct proc *proc = task->tuple->proc;

	if (!group->ring || task->starting || proc->no_agent)
		return AGENT_OFF;
	/* Its next call is the engine's to see: until then it may come to what ended the other one.
	 */
	if (task->behind)
		return AGENT_OFF;
	/* Bytes that were matched in part, or are kept for it: pieces.h. */
	if (task->done || task->ahead.bytes.len || !list_is_empty(&proc->surplus) ||
		!list_is_empty(&proc->apart) || !list_is_empty(&proc->parted) ||
		(group->followers && !list_is_empty(&proc->settings)))
		return AGENT_OFF;
	if (task_follows(task) && (task->tuple->masks[task->version].apart || task->aside))
		return AGENT_OFF;
	/* What belongs to a process is taken over at a call by ptrace. */
	if (proc->has_to_carry && !task_follows(task))
		return AGENT_OFF;
	if (!group->followers && !group->bereft)
		return group->mxm->for_good ? AGENT_FREE : AGENT_ALONE;
	if (maps_files(group) || group->mxm->config.sync == MXM_LOCKSTEP)
		return AGENT_OFF;
	if (task_follows(task))
		return group->ring->live & (1u << task->version) ? AGENT_FOLLOW : AGENT_OFF;
	/* An event that is held back comes before all that its agent would record. */
	if (group->unpublished || !group->ring->marks || !agent_is_complete(group, proc))
		return AGENT_OFF;
	return AGENT_LEAD;
}

static bool has_call(const struct task *task)
{
	return agent_table_has(&task->call, task->tuple->group->mxm) ||
	       (wanted_mode(task) == AGENT_FREE && agent_table_frees(&task->call));
}

/*
 * A thread that comes to a patched site needs its slot. It is given one whenever it is resumed; but
 * those of a version alone run side by side, and one may be in user mode since before the agent
 * came, or come to it from a call that it makes without a stop.
 */
static bool have_slots(const struct task *task)
{
	struct agent *agent = task->tuple->proc->agents[task->version];

	list_for_each (at, &task->tuple->group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *other = &tuple->tasks[task->version];

		if (agent->has_all)
			break;
		if (tuple->proc != task->tuple->proc || other == task || other->slot)
			continue;
		switch (other->state) {
		case TASK_ABSENT:
		case TASK_UNBORN:
		case TASK_NEWBORN:
		case TASK_ASKING:
		case TASK_CALLING:
		case TASK_READY:
		case TASK_FAULTING:
			continue; /* it will be resumed before it runs in user mode */
		default:
			return false;
		}
	}
	agent->has_all = true;
	return true;
}

static const struct patches *patches_of(const struct task *task)
{
	const struct proc *proc = task->tuple->proc;
	const struct agent *agent = proc->agents[task->version];

	return agent ? agent->patches : proc->inherited[task->version];
}

void agent_return(struct task *task)
{
	const struct patches *patches = patches_of(task);
	const struct user_regs_struct *regs = patches ? tracee_regs(&task->tracee) : NULL;
	uint64_t to = regs ? patches_return(patches, regs->rip) : 0;
	struct user_regs_struct *own = regs && to != regs->rip ? tracee_touch(&task->tracee) : NULL;

	if (own)
		own->rip = to;
}

bool agent_serves(struct task *task)
{

	struct proc *proc = task->tuple->proc;
	struct agent *agent = proc->agents[task->version];

	task->bailed = false;
	if (!task->tuple->group->mxm->config.agent || !may_have(task) || !has_call(task))
		return false;
	if (!agent) {
		bool leads = !task_follows(task);

		if (leads ? ++proc->hot_calls < AGENT_HOT : !leading_agent(task))
			return false;
		agent_arm(task);
		return true;
	}
	if (!have_slots(task) || !patches_count(agent->patches, task))
		return false;
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}

static void give_slot(struct task *task)
{
	struct proc *proc = task->tuple->proc;
	struct agent *agent = proc->agents[task->version];
	struct agent_slot slot = { 0 };
	struct user_regs_struct *regs = tracee_touch(&task->tracee);
	int i;

	if (!regs)
		return;
	task->slot = AGENT_SLOTS;
	for (i = 0; agent && i < AGENT_NSLOTS - 1 && task->slot == AGENT_SLOTS; i++) {
		if (agent->slots >> i & 1)
			continue;
		agent->slots |= 1ul << i;
		task->slot = SLOTS_BEGIN + i * (uint64_t)AGENT_SLOT_SIZE;
	}
	regs->gs_base = task->slot;
	task->mode = AGENT_OFF;
	if (task->slot == AGENT_SLOTS)
		return;
	slot.top = task->slot + AGENT_SLOT_SIZE - 16;
	slot.self = task->slot;
	slot.version = (uint32_t)task->version;
	slot.leader = (uint32_t)task->tuple->group->leader;
	slot.tuple = task->tuple->id;
	slot.free = task->counter_free;
	if (tracee_write(&task->tracee, raddr(task->slot), &slot,
		    offsetof(struct agent_slot, stack)) < 0)
		regs->gs_base = task->slot = AGENT_SLOTS;
}

static void set_mode(struct task *task)
{
	uint32_t mode = wanted_mode(task);

	if (task->slot <= AGENT_SLOTS || task->mode == mode)
		return;
	if (agent_tell(task, task->slot + SLOT_MODE, &mode, sizeof(mode)))
		task->mode = mode;
}

/* Whether the thread may read the time stamp counter: prctl(2), PR_SET_TSC. */
static int set_counter(struct task *task, bool at_entry, bool free)
{
	uint64_t told = free;
	long r;
	/* Where a call was skipped at its entry, the first stop is that one's and nothing was made.
	 */
	int rc = tracee_remote(&task->tracee, at_entry, &r, SYS_prctl, PR_SET_TSC,
		free ? PR_TSC_ENABLE : PR_TSC_SIGSEGV, 0, 0, 0, 0);

	if (rc < 0 || r != 0)
		return rc;
	task->counter_free = free;
	if (task->slot > AGENT_SLOTS)
		agent_tell(
			task, task->slot + offsetof(struct agent_slot, free), &told, sizeof(told));
	return 0;
}

int agent_take_counter(struct task *task, bool at_entry)
{
	return set_counter(task, at_entry, false);
}

void agent_hold(struct task *task)
{
	const struct patches *patches = patches_of(task);
	struct user_regs_struct *regs = patches ? tracee_touch(&task->tracee) : NULL;

	if (regs)
		regs->rip = patches_site(patches, regs->rip);
}

/* Alone: nothing that it reads there has to be the same in another version. */
static bool may_free_counter(struct task *task)
{
	const struct user_regs_struct *regs;

	if ((task->mode != AGENT_ALONE && task->mode != AGENT_FREE) || task->counter_free ||
		task->at_entry_stop || task->state != TASK_RUNNING)
		return false;
	regs = tracee_regs(&task->tracee);
	/*
	 * A call that the kernel is to go on with is left alone, and so is one that it is to make
	 * yet: at a call's entry rax is -ENOSYS.
	 */
	return regs && ((int64_t)regs->orig_rax < 0 || (!call_was_broken_off((int64_t)regs->rax) &&
							       (int64_t)regs->rax != -ENOSYS));
}

void agent_prepare(struct task *task, bool can_call)
{
	struct proc *proc = task->tuple->proc;

	if (!proc->agent_below[task->version] || task->starting)
		return;
	if (!task->slot || (task->slot == AGENT_SLOTS && proc->agents[task->version]))
		give_slot(task);
	set_mode(task);
	if (can_call && may_free_counter(task))
		(void)set_counter(task, false, true);
}

void agent_refresh(struct group *group)
{
	if (!group->ring)
		return;
	if (!group->followers)
		group->ring->marks = false;
	for (int v = 0; v < AGENT_VERSIONS; v++) {
		ring_control(group->ring, v)->followers = group->followers;
		ring_control(group->ring, v)->awaited = group->followers & ~group->laggards;
	}
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);

		for (int v = 0; v < group->mxm->config.nversions; v++) {
			if (tuple->tasks[v].state != TASK_ABSENT && tuple->tasks[v].slot)
				set_mode(&tuple->tasks[v]);
		}
	}
}

void agent_task_gone(struct task *task)
{
	struct agent *agent = task->tuple->proc->agents[task->version];

	if (agent && task->slot > AGENT_SLOTS)
		agent->slots &= ~(1ul << ((task->slot - SLOTS_BEGIN) / AGENT_SLOT_SIZE));
	task->slot = 0;
	task->mode = AGENT_OFF;
}

void agent_private_fd(struct task *task, int fd)
{
	const struct proc *proc = task->tuple->proc;
	const uint64_t *word;

	if (!proc->agents[task->version] || fd < 0 || fd >= FDS_OWN_MAX)
		return;
	word = &proc->private_fds[task->version][fd / 64];
	agent_tell(task,
		AGENT_PROCESS + offsetof(struct agent_process, private_fds) + fd / 64 * 8ul, word,
		sizeof(*word));
}

void agent_plain_epoll(struct task *task, int set)
{
	struct group *group = task->tuple->group;
	const struct fdtab *own = task->tuple->proc->fds;
	const struct ofd *ofd = set >= 0 && set < own->nslots ? own->slots[set].ofd : NULL;

	if (!ofd)
		return;
	/* Processes of one group may have the set in common. */
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *leader = &tuple->tasks[group->leader];
		const struct fdtab *fds = tuple->proc->fds;

		if (leader->state == TASK_ABSENT || !tuple->proc->agents[group->leader] ||
			(fds == own && tuple != task->tuple))
			continue;
		for (int fd = 0; fd < fds->nslots && fd < 1024; fd++) {
			if (fds->slots[fd].ofd == ofd)
				agent_tell_plain(leader, fd);
		}
	}
}

void agent_succeeded(struct group *group)
{
	uint32_t identity = 0;

	if (!group->ring)
		return;
	group->ring->marks = false;
	group->ring->live = 0;
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *task = &tuple->tasks[group->leader];

		if (!tuple->proc->agents[group->leader] || task->state == TASK_ABSENT)
			continue;
		agent_tell(task, AGENT_PROCESS + offsetof(struct agent_process, identity),
			&identity, sizeof(identity));
		agent_tell_all_plain(group, tuple->proc);
	}
	agent_refresh(group);
}

bool agent_clock(const struct task *task, int i, uint64_t ret_words[2])
{
	const struct group *group = task->tuple->group;
	const struct agent_control *c;

	if (!group->ring)
		return false;
	c = ring_control(group->ring, task->version);
	if (!(c->clocks_known >> i & 1))
		return false;
	ret_words[0] = c->seconds[i];
	ret_words[1] = c->nanos[i];
	return true;
}

void agent_tell_clock(const struct task *task, int i, const uint64_t words[2])
{
	const struct group *group = task->tuple->group;
	struct agent_control *c;

	if (!group->ring)
		return;
	c = ring_control(group->ring, task->version);
	c->seconds[i] = words[0];
	c->nanos[i] = words[1];
	c->clocks_known |= 1u << i;
}
