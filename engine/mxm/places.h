/* SPDX-License-Identifier: Apache-2.0 */
/* Where a file stands, and where it ends: which calls move it, and what it was as of an event. */
#ifndef MX_MXM_PLACES_H
#define MX_MXM_PLACES_H

#include "mxm/state.h"

#define PLACE_UNKNOWN (-1)

/* Reads or writes at the file's position, or at one of its own. */
bool places_in_turn(const struct call *c);
bool places_is_at(const struct call *c);
/* lseek(2) by nothing from where the file stands; any other. */
bool places_is_look(const struct call *c);
bool places_goes(const struct call *c);
/* Depends on the position, or makes another descriptor that does. */
bool places_depends(const struct call *c);
bool places_is_write(const struct call *c);

/* Where the file stands now: PLACE_UNKNOWN, where it is none that has a position. */
int64_t places_now(const struct task *task, int fd);

/*
 * Is a task of the leader's at something that may move the position just now? It may be in its
 * agent; at its next stop it is known where it is (agent_attend()).
 */
bool places_is_moving(const struct group *group, const struct event *event, int fd);

/*
 * The leader's position before @event, which the follower has come to: what the file has now, less
 * what the leader has moved it since. PLACE_UNKNOWN: it cannot be told.
 */
int64_t places_before(const struct task *task, const struct event *event, int fd);

/* Below 0: it is no file that has a size. */
int64_t places_size(const struct task *task, int fd);
/* The same of a file that is only appended to, before @event, by what the leader has written. */
int64_t places_end_before(const struct task *task, const struct event *event, int fd);

/* A regular file, none that is opened for appending, and nothing read of it that is kept. */
bool places_may_part(const struct task *task, int fd);
/* A regular file where its position says nothing of what is written, and nothing is read. */
bool places_only_appends(const struct task *task, int fd);

#endif
