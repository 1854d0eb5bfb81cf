/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-process agents, seen from the engine: when a process is given one, what each thread's is
 * to do, and what happens to a thread that stops inside it. The agent itself: agent/agent.c.
 *
 * A process gets its agent when it has made enough of the calls that an agent can take
 * (AGENT_HOT), in every version at a call of its own; from then on a site that is hot is patched
 * (patch.h). The processes of a group have one ring, as the threads of a process do: the baton
 * goes from one to the other, and so what they do in the memory that they share has one order.
 */
#ifndef MX_MXM_AGENT_H
#define MX_MXM_AGENT_H

#include "mxm/state.h"

/* STOP_SECCOMP of a task in user mode, its call known: counts. True: the task was given something
 * and makes its call again. */
bool agent_serves(struct task *task);
/* The same stop: where its site was patched meanwhile, the call returns to the stub. */
void agent_return(struct task *task);

/*
 * Before @task runs on in user mode: its slot, and what its agent is to do. @can_call: the stop may
 * be used for a call in the task's place (no signal is given to it).
 */
void agent_prepare(struct task *task, bool can_call);

/* Versions or the leader have changed: what every agent of the group is to do. */
void agent_refresh(struct group *group);
/* A follower has become the leader. */
void agent_succeeded(struct group *group);
/* What the monitor needs of the agents now; after every round of its loop. */
void agent_attend(struct group *group);

/* Stopped: is it in the agent's code? */
bool agent_is_inside(struct task *task);
/*
 * Stopped inside, with a signal or an interrupt: makes it give up a call that has not been made, so
 * that it comes by ptrace soon. The caller resumes it. Returns the kernel's code for a call that
 * was waiting and is broken off now (ERESTARTSYS, EINTR, ...), or 0.
 */
int agent_break(struct task *task);
/* Stopped inside by signal @sig: true where the signal is the agent's own affair, and the task was
 * resumed. */
bool agent_takes_signal(struct task *task, int sig, bool fault);

/*
 * Stopped, to be copied: it may not read the time stamp counter any more. What a child may is what
 * its parent might, which nobody has noted. A call at whose entry it stands is given up.
 */
MUST_CHECK int agent_take_counter(struct task *task, bool at_entry);
/* Stopped between two calls, to be copied: from a stub it goes back to the site that leads there.
 */
void agent_hold(struct task *task);
/* @version leads, and is to be followed: its process @own, stopped in user mode, may write to the
 * ring. */
MUST_CHECK int agent_give_ring(struct proc *proc, int version, struct tracee *own, struct err *err);
/*
 * @copy, of a process that had an agent, is to be @version's: of the ring and the control pages it
 * may write to its own page only. It is stopped in user mode.
 */
MUST_CHECK int agent_part(int version, struct tracee *copy, struct err *err);
/* @version's process is a copy of the leader's now, and so is its agent. All are stopped; when all
 * processes have been copied comes agent_refresh(). */
void agent_copied(struct group *group, struct proc *proc, int version);

/* The leader's task runs: has its agent begun a call that is not recorded yet? */
bool agent_is_calling(struct task *task);

/* In the leader's last stop: the call that its agent had made, and not recorded. */
void agent_harvest(struct task *task);

void agent_task_gone(struct task *task);
void agent_forked(struct proc *child, const struct proc *parent);
/* @version's own part of it: its memory, stubs and all. */
void agent_forked_version(struct proc *child, const struct proc *parent, int version);
void agent_executed(struct proc *proc, int version);
void agent_free(struct proc *proc);

/* What the agent of @task's process must know. */
void agent_private_fd(struct task *task, int fd);
void agent_plain_epoll(struct task *task, int set);
/* The clock @i as the agent last told it. False: it has not. */
bool agent_clock(const struct task *task, int i, uint64_t ret_words[2]);
void agent_tell_clock(const struct task *task, int i, const uint64_t words[2]);

#endif
