/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pread and pwrite in one version, lseek and read or write in the other. A file's position is one
 * for all versions, the leader's; where it is not what a follower's calls have made of it, the two
 * are *parted*, and both positions are known here: the leader's by its events, the follower's by
 * what it asked for. A seek that one version alone makes is answered, or passed over; a read at a
 * position is the same as one of the same bytes by pread.
 *
 * While they are parted, no call that both make may depend on the position: that would be a
 * divergence. A seek that both make, or one that brings a version to where the other one is, ends
 * that; the file is still followed call by call, without agents, until it is closed. A follower
 * that comes to lead sets the position to its own first. Regular files only.
 *
 * In a file that is only appended to, any version may seek: a write does not depend on it, and
 * brings both to the end. What both would be told of the position is still not the same. One that
 * is appended to and read has no such rule.
 */
#ifndef MX_MXM_POSITIONS_H
#define MX_MXM_POSITIONS_H

#include "mxm/state.h"
#include "mxm/wanted.h"

/* The leader is about to seek, at the call's entry: notes in the event where it was. */
void positions_note(struct task *task, struct event *event);

/* WANTED_ANSWER, WANTED_PASS_OVER, WANTED_SAME, WANTED_NOT. @made: the event's call was made. */
enum wanted positions_judge(
	struct task *task, const struct event *event, bool made, struct wanted_verdict *ret);
/* The verdict was acted upon, or (WANTED_SAME) the two were the same in the first place. */
void positions_settled(struct task *task, const struct event *event, const struct wanted_verdict *v,
	enum wanted wanted);

/* What both ask for, in any number of pieces, depends on a position that is parted. */
bool positions_forbid(const struct task *task, const struct event *event);

/* The same bytes are about to be matched in other pieces, at a place that is the same for both. */
void positions_in_pieces(struct task *task);
/* Is a version at another place of some file than the leader? */
bool positions_differ(const struct proc *proc);

/* A follower asks for its position (lseek by 0) while it is parted, or has asked for less of what
 * the leader has read: its own. */
bool positions_are_asked(const struct task *task);
/* ... or asks while the leader is in the midst of a call that moves it. */
bool positions_are_unsettled(const struct task *task, const struct event *event);
/* False: it cannot be known. */
bool positions_tell(const struct task *task, const struct event *event, int64_t *ret_result);

/* The follower leads from this event on, which is none of its own past: a seek is undone. */
void positions_part_ways(struct task *task, const struct event *event);

/* As modes_take_over(). */
bool positions_take_over(struct task *task);

void positions_forget(struct proc *proc, int version, int fd); /* closed; -1: all */

/* reads.h: the follower's position in a file, as of @event, which it has come to; -1: it cannot be
 * told. */
int64_t positions_of(const struct task *task, const struct event *event, int fd);
/* The same, for now: the leader is in the midst of a call that may move it, and does not wait. */
bool positions_are_moving(const struct task *task, const struct event *event, int fd);
/* The leader alone has read that, at its position. The follower alone has read @n bytes at its own.
 */
void positions_lead_read(struct task *task, const struct event *event);
void positions_follower_read(struct task *task, const struct event *event, int fd, int64_t n);

#endif
