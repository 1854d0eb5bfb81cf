/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a program maps shared and writable, and System V's segments. The leader maps the file;
 * a follower must not write where the leader does, nor see what the leader will write before it is
 * there itself in the stream: it maps a shadow, a copy in memory that the processes of its version
 * share. Taken when the leader maps the file for the first time. All take the run's lock.
 */
#ifndef MX_MXM_SHADOWS_H
#define MX_MXM_SHADOWS_H

#include "mxm/state.h"

/* The leader has mapped its descriptor @num shared. -ESRCH: it vanished; other failures: no shadow.
 */
MUST_CHECK int shadows_take(struct task *task, struct event *event, int num, bool writable);

/*
 * The leader has attached System V's segment @id: as above; the engine attaches it too, for as long
 * as a process has it. Other failures: it has no shadow, and no version can follow.
 */
MUST_CHECK int shadows_take_segment(struct task *task, struct event *event, int id);
/* The leader has detached one: those that are to go, and that it has nowhere any more, go. */
void shadows_leave_segments(struct mxm *mxm);
/* Who attached the segment last, as the program knows it; 0: it has no shadow, and the engine has
 * not attached it. */
pid_t shadows_segment_user(struct mxm *mxm, int id);
/* The size of the segment whose shadow @task's process has mapped at @at; 0: none. */
uint64_t shadows_segment_at(struct task *task, uint64_t at);

/*
 * The group whose processes map what @event's call mapped: the first one's, unless that has ended.
 * With the lock held. NULL: the shadow is gone.
 */
struct group *shadows_home_locked(struct task *task, const struct event *event);
/* The one process of @from that has mapped anything is @to's now; NULL: @from has ended. With the
 * lock held. */
void shadows_rehome_locked(struct mxm *mxm, const struct group *from, struct group *to);

/* The descriptor of @version's shadow of what @event's call mapped; -1: it maps the file itself. */
int shadows_of(struct mxm *mxm, const struct event *event, int version);

/*
 * The leader's call, which returned @result, has changed the contents or the size of a file: where
 * it has a shadow, the followers' copies must change at the same event.
 */
void shadows_note_change(struct task *task, struct event *event, int64_t result);
/* @task, at that event, with the bytes that its own call has. -ESRCH: it vanished. */
MUST_CHECK int shadows_repeat_change(struct task *task, const struct event *event, int64_t result);

/* For the two above: the shadow of a file, held until the event is freed; 0: none. */
uint64_t shadows_hold(struct mxm *mxm, dev_t dev, ino_t ino, off_t size);
/* @version's copy, and the file itself; -1: none. */
int shadows_copy(struct mxm *mxm, uint64_t id, int version, int *ret_file);

/* The event that speaks of a mapping is freed. */
void shadows_event_over(struct mxm *mxm, const struct event *event);

/*
 * A process keeps the shadows of what it has mapped until it ends or executes another program; its
 * children have them too. A shadow that nobody has is freed, and the file closed: while it is open
 * for writing, nobody could execute it.
 */
void shadows_fork(struct mxm *mxm, const struct proc *parent, struct proc *child);
void shadows_release(struct mxm *mxm, struct proc *proc);

/*
 * @version takes over in @group: its memory becomes the contents of the files that @group's
 * processes have mapped. None of them may run in user mode until it has been moved: what it stored
 * into its shadow after this would be lost. Another group's shadows are left alone: its processes
 * may be on the files already, and have stored there since.
 */
void shadows_write_back(struct group *group, int version);

/*
 * A version is made anew: what copies it had are of its earlier life, and are made again. With
 * shadows_for_copy(): the descriptor, which stays the shadow's, of @version's copy of what the
 * leader's process @proc maps; the leader's processes are stopped. The file is found by @key:
 * its inode, or that of the leader's own copy; @file is it, opened for writing, or -1.
 * -ENOTUNIQ: it needs no shadow. -ENOENT: it does, and is not known. @key->file stays the caller's.
 */
struct shadow_key {
	ino_t ino;
	const char *name; /* as the memory map has it */
	int file;
	bool writable; /* mapped so */
};
void shadows_forget_copies(struct mxm *mxm, int version);
MUST_CHECK int shadows_for_copy(
	struct group *group, struct proc *proc, int version, const struct shadow_key *key);

/* Moves the mappings of @task's process from its shadows to the files. Stopped, between two calls.
 */
MUST_CHECK int shadows_move(struct task *task);

void shadows_free(struct mxm *mxm);

#endif
