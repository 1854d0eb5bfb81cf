/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of a group, seen from the engine. The agents' records and the engine's events are one
 * stream: the engine puts a *mark* into the ring for every event that it publishes, and a follower
 * comes to the event when it has taken out all that stands before the mark. A record that a
 * follower's agent does not take (its call is not the same, or came by ptrace) is made an event.
 *
 * What a program's process can write is checked here before it is believed.
 */
#ifndef MX_MXM_RING_H
#define MX_MXM_RING_H

#include "agent/wire.h"
#include "mxm/state.h"

struct ring {
	int fd;		/* a memfd: control pages, then the ring */
	uint8_t *pages; /* all of it */
	bool marks;	/* the leader's agents write: every event has its mark */
	unsigned live;	/* followers that have come to the first item */
	uint64_t read_at_tick[MXM_VERSIONS_MAX];
};

MUST_CHECK int ring_new(struct ring **ret_ring, struct err *err);
/* Its group is over: what its agents did is counted. */
void ring_end(struct group *group);
/* Calls of @version's agents so far. */
uint64_t ring_calls(struct ring *ring, int version);

struct agent_control *ring_control(struct ring *ring, int version);

/* The leader is stopped: its next item is @event's mark. */
void ring_mark(struct group *group, struct event *event);

/* A follower has had @event: what stands for it in the ring is taken out. */
void ring_consumed(struct group *group, struct event *event, int version);

/* Is there a record for @version's task of @tuple? */
bool ring_waits(const struct tuple *tuple, int version);

/* Has @version taken everything? True where there is no ring. */
bool ring_is_drained(struct group *group, int version);

/* Bytes that @version has still to take; and how many it has taken so far. */
uint64_t ring_lag(struct group *group, int version);
uint64_t ring_taken(struct group *group, int version);

/*
 * What follower @version comes to next: the events of the stream and the ring in their order. @skip
 * says of a task that its events are passed over. NULL: nothing, or a record that its agent takes.
 */
struct event *ring_next(struct group *group, int version, bool (*skip)(const struct task *task));

/* Makes events of the records that @version comes to next, for who has to look ahead. */
void ring_unroll(struct group *group, int version);

/* The record that begins at @at. */
const struct agent_record *ring_record(struct ring *ring, uint64_t at);

/* Wakes a follower's agent that sleeps. */
void ring_wake(struct group *group, int version);

/* @version does not follow any more: the leader's agent does not go on waiting for it at a barrier.
 * After agent_refresh(). */
void ring_forsake(struct group *group, int version);

/* How many calls the leader's agents have asked the followers for, at a barrier. */
uint64_t ring_asks(struct group *group);

/* Has @version taken something since the last call? */
bool ring_progress(struct group *group, int version);

#endif
