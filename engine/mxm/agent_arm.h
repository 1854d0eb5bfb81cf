/* SPDX-License-Identifier: Apache-2.0 */
/* How a process is given its agent. Between agent.c and agent_arm.c only. */
#ifndef MX_MXM_AGENT_ARM_H
#define MX_MXM_AGENT_ARM_H

#include "mxm/state.h"

/* A process's agent in one version. */
struct agent {
	struct patches *patches;
	uint64_t slots; /* given to threads, bit by bit */
	bool has_all;	/* threads have slots: sites may be patched */
	bool writes;	/* the process may write to the ring */
};

extern const uint8_t agent_image[], agent_image_end[];

/*
 * STOP_SECCOMP: maps the agent into @task's process; the task makes its call again. Where that
 * cannot be, the process goes without one for good, and a note says why.
 */
void agent_arm(struct task *task);
/* Has every version of the process its agent? */
bool agent_is_complete(const struct group *group, const struct proc *proc);

/* Every version has it: from here on all that the leader does stands in the ring. */
void agent_begin(struct group *group, struct proc *proc);
/* What @version's process, stopped in user mode, may do to the ring and to the control pages. */
MUST_CHECK int agent_protect_ring(struct tracee *t, int version, bool leads);

/* Writes into the agent's pages; false: the task vanished, which the loop will see. */
bool agent_tell(struct task *task, uint64_t at, const void *data, size_t len);
/* Tells the leader's agent of the epoll set @set what the followers' data is like. */
void agent_tell_plain(struct task *leader, int set);
/* The same of all sets of the process, as they are now. */
void agent_tell_all_plain(struct group *group, struct proc *proc);

#endif
