/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New groups. A forked child that shares no writable memory with its parent needs no order with it:
 * it gets a monitor of its own. ptrace belongs to the thread that attached, so each version's child
 * is parked in the gateway by its parent's monitor, let go, and seized by its own; the leader's and
 * the followers' arrive at different times.
 */
#ifndef MX_MXM_HANDOVER_H
#define MX_MXM_HANDOVER_H

#include "mxm/state.h"

/* May the child of @parent's clone with @flags have a group of its own? */
bool handover_possible(const struct task *parent, uint64_t flags);

/* A group and its monitor for what @parent's child will be; NULL: it has to stay (no thread to be
 * had). */
struct group *handover_group(const struct task *parent);

/*
 * Hands @version's new thread @tid, which this monitor traces and which may not have stopped yet,
 * to the monitor of @tuple's group. Takes the reference to @mm.
 */
void handover_send(struct group *from, struct tuple *tuple, int version, pid_t tid, struct mm *mm,
	uint64_t child_tid_at);

/* Takes over what was sent to this group. */
void handover_receive(struct group *group);

/* Is something on its way to this group? With the lock held. */
bool handover_expects_locked(const struct group *group);

/*
 * Gatherings. What processes of several groups store in a file that they map has no order; so one
 * that maps what another group has mapped already goes over there, in every version after the event
 * of that mapping: its tuple here ends, and another one begins there.
 *
 * handover_gather(): the leader's @task has made @event, which gathers and is about to be
 * published: the leader will wait until every follower has had it. Nothing happens where the file
 * is this group's; a process that cannot leave (it has threads, or shares memory with others here)
 * is noted.
 */
void handover_gather(struct task *task, struct event *event);

/* Sends @task there: at the exit of the call that @tuple's last event was about. */
void handover_move(struct task *task, struct tuple *to);

#endif
