/* SPDX-License-Identifier: Apache-2.0 */
/* Events: made by the leader, published into the group's stream, freed when all followers had them.
 */
#ifndef MX_MXM_EVENTS_H
#define MX_MXM_EVENTS_H

#include "mxm/state.h"

struct event *event_new(struct tuple *tuple, enum event_kind kind);
/* Frees an event that was not published, or is consumed; its descriptors and members with it. */
void event_free(struct event *event);

/* Complete, waits for the baton. */
void event_ready(struct event *event);
/* Is there one for which the baton is wanted now? */
bool event_is_due(const struct group *group);
/* Into the stream for every follower of the group; freed at once where there is none. */
void event_publish(struct event *event);
/* Into the stream where its place in the ring is, for @version alone. */
void event_insert(struct event *event, int version);
/* The oldest event that @version has not consumed; NULL: none. */
struct event *event_next(struct group *group, int version);
/* Is there one of this tuple that @version has not consumed? */
bool event_waits(const struct tuple *tuple, int version);
/* @version had it. Frees it after the last. */
void event_consumed(struct event *event, int version);
/* Takes what @version has not consumed of @tuple out of the stream (NULL: of all tuples). */
void event_forget(struct group *group, struct tuple *tuple, int version);

/* Monotonic time in ns, to a few milliseconds. */
uint64_t event_clock(void);

#endif
