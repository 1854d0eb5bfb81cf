/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a process's agent when the process forks, executes, is copied, or is gone. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mxm/agent.h"
#include "mxm/agent_arm.h"
#include "mxm/late.h"
#include "mxm/patch.h"
#include "mxm/ring.h"

void agent_forked(struct proc *child, const struct proc *parent)
{
	memcpy(child->agent_below, parent->agent_below, sizeof(child->agent_below));
	child->no_agent = parent->no_agent;
}

void agent_forked_version(struct proc *child, const struct proc *parent, int version)
{
	const struct agent *agent = parent->agents[version];
	const struct patches *patches = agent ? agent->patches : parent->inherited[version];

	/* It may have been given its agent since the leader forked. */
	child->agent_below[version] = parent->agent_below[version];
	child->inherited[version] = patches ? patches_copy(patches) : NULL;
}

static void let_go(struct proc *proc, int version)
{
	struct agent *agent = proc->agents[version];

	patches_free(proc->inherited[version]);
	proc->inherited[version] = NULL;
	if (!agent)
		return;
	patches_free(agent->patches);
	free(agent);
	proc->agents[version] = NULL;
}

void agent_executed(struct proc *proc, int version)
{
	let_go(proc, version);
	proc->agent_below[version] = false;
	proc->hot_calls = 0;
}

void agent_free(struct proc *proc)
{
	for (int v = 0; v < MXM_VERSIONS_MAX; v++)
		let_go(proc, v);
}

bool agent_is_calling(struct task *task)
{
	struct group *group = task->tuple->group;
	struct agent_slot slot;

	return task->mode == AGENT_LEAD && group->ring &&
	       tracee_read(&task->tracee, raddr(task->slot), &slot,
		       offsetof(struct agent_slot, stack)) == 0 &&
	       slot.in_call != AGENT_IDLE &&
	       slot.at == ring_control(group->ring, group->leader)->head;
}

int agent_give_ring(struct proc *proc, int version, struct tracee *own, struct err *err)
{
	struct agent *agent = proc->agents[version];
	int rc;

	if (!agent || agent->writes)
		return 0;
	rc = agent_protect_ring(own, version, true);
	agent->writes = rc == 0;
	return rc < 0 ? err_errno(err, -rc, "giving the agents' ring") : 0;
}

int agent_part(int version, struct tracee *copy, struct err *err)
{
	int rc = agent_protect_ring(copy, version, false);

	return rc < 0 ? err_errno(err, -rc, "parting the agents' ring") : 0;
}

void agent_copied(struct group *group, struct proc *proc, int version)
{
	const struct agent *from = proc->agents[group->leader];
	uint32_t leader = (uint32_t)group->leader, own = (uint32_t)version, mode = AGENT_OFF;

	let_go(proc, version);
	proc->agent_below[version] = proc->agent_below[group->leader];
	if (proc->inherited[group->leader])
		proc->inherited[version] = patches_copy(proc->inherited[group->leader]);
	if (from) {
		proc->agents[version] = xzalloc(sizeof(struct agent));
		proc->agents[version]->patches = patches_copy(from->patches);
		proc->agents[version]->slots = from->slots;
	}
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *task = &tuple->tasks[version];

		if (tuple->proc != proc)
			continue;
		late_settle(&tuple->tasks[group->leader], NULL);
		late_forget(task);
		if (task->state == TASK_ABSENT || task->slot <= AGENT_SLOTS)
			continue;
		agent_tell(
			task, task->slot + offsetof(struct agent_slot, version), &own, sizeof(own));
		agent_tell(task, task->slot + offsetof(struct agent_slot, leader), &leader,
			sizeof(leader));
		agent_tell(task, task->slot + SLOT_MODE, &mode, sizeof(mode));
		task->mode = mode;
	}
	if (from)
		agent_begin(group, proc);
}
