/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same bytes in other pieces: one version reads or writes a stream of bytes with fewer, larger
 * calls than the other, or by readv and writev. Only for what has no boundaries between messages:
 * regular files, pipes, terminals, stream sockets; and only up to 64 KiB a call, which is what a
 * normal form keeps.
 *
 * What has happened in the world, and what a follower was told, must never part for good:
 *
 * - A follower writes more at once: its call waits until the leader has written all of it, and what
 *   is missing when the leader is lost it writes itself. Where the leader does something else
 *   first, they have parted; but where the kernel took a part of what the leader wrote, the
 *   follower is told the same.
 * - A follower writes less at once, and the leader has written: the follower is answered piece by
 *   piece, and the event stays the next one until it has written all of it.
 * - A follower writes less at once, and the leader waits for it (barrier, lockstep): the follower
 *   is answered *ahead*, so that it shows the rest, and the leader writes when all was shown. If it
 *   shows something else, nothing has happened yet. Should the follower lead then, it first
 *   writes what it was told had been written.
 * - A follower reads less at once: the surplus is kept for its next reads of that descriptor, also
 *   when it leads by then. So is what a leader has read that is let go for the
 *   follower's sake; and whoever waits for such a descriptor is told that it is readable
 * (surplus.h).
 * - A follower reads more at once: it is given all that the leader reads in a row, until that does
 *   something else; and of a regular file what is missing then from the file itself, if that is
 *   open for reading only. Else a short count, as the kernel may.
 */
#ifndef MX_MXM_PIECES_H
#define MX_MXM_PIECES_H

#include "mxm/state.h"

enum pieces {
	PIECES_NOT,	/* these two are no such transfers, or their bytes differ */
	PIECES_MOVED,	/* some of it was matched, or the follower's call was ended */
	PIECES_VETTED,	/* the leader's call may be made: the follower wants all of it */
	PIECES_WAITING, /* nothing can be said before the leader's call was made */
};

/*
 * What @task's call, at its entry, moves bytes of: 'f' a file, 's' a pipe, terminal or stream
 * socket; 0: its bytes cannot come in other pieces.
 */
char pieces_flow(const struct task *task);

/* May the two calls, which move bytes of one descriptor, be pieces of the same? */
bool pieces_may(const struct task *task, const struct event *event);

/* Is it a call that moves bytes? Of a write @ret_data is in the normal form @in, else NULL. */
bool pieces_moves(const struct call *call, const struct str *in, int *ret_fd, bool *ret_write,
	const char **ret_data, uint64_t *ret_len);

/* Every byte of the leader's write, which was not made yet, was answered ahead to @task. */
bool pieces_shown(const struct task *task, const struct event *event);

/* @task asks; the leader's call is not made yet, and waits for it if @waits. */
enum pieces pieces_vet(struct task *task, struct event *event, bool waits);

/*
 * The event was made. Takes from it what was answered ahead; true: that was all, and the event is
 * consumed whatever the task does.
 */
bool pieces_settle(struct task *task, struct event *event);

/* The event was made, and @task asks for something else. */
enum pieces pieces_consume(struct task *task, struct event *event);

/*
 * The leader goes on to @event, which is something else. @task's call ends with what was done of
 * it; false: it may not, as the leader leaves out what is to come. Stopped at the entry.
 */
MUST_CHECK bool pieces_release(struct task *task, const struct event *event);

/* A read that the surplus of an earlier one answers in full; leading or following. */
bool pieces_serve(struct task *task);

/*
 * The task goes its own way from here, and will lead: what the leader has read meanwhile from what
 * flows, and the task has not, is surplus. But for what it has answered since, by a write to the
 * same socket, or to anything else than a socket: twice would be once too often. What it does until
 * it is stopped comes as events of their own.
 */
void pieces_keep_unread(struct task *task);
void pieces_keep(struct task *task, const struct event *event);

/*
 * The task leads from now on, stopped at a call's entry, and was in the midst of pieces. True: its
 * call was ended or changed here, or what it was told is written was written, and it runs.
 */
bool pieces_take_over(struct task *task);
/* The result of a call of which a part had been done for the task. */
int64_t pieces_result(struct task *task, int64_t result);

#endif
