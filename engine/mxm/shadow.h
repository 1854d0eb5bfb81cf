/* SPDX-License-Identifier: Apache-2.0 */
/* What shadows.c and segments.c share; both have shadows.h for the others. */
#ifndef MX_MXM_SHADOW_H
#define MX_MXM_SHADOW_H

#include <sys/stat.h>

#include "mxm/shadows.h"

/* The name of a copy in memory, and what /proc/PID/maps may be long. */
#define SHADOW_NAME "mx-shadow"
#define MAPS_MAX    (16u << 20)

struct shadow {
	struct list link;
	dev_t dev;
	ino_t ino;
	uint64_t id;
	struct group *home; /* whose processes map it; NULL: it has ended */
	int file;	    /* the real one, writable where the leader's descriptor was */
	bool is_segment;    /* or it is one of System V's, */
	char *segment;	    /* attached here; NULL: it has gone since, or is a file */
	pid_t user;	    /* of a segment: who attached it last, as the program knows it */
	off_t size;
	unsigned uses; /* processes that have mapped it, and events that speak of it */
	int copies[MXM_VERSIONS_MAX]; /* memfds; -1: none */
};

/* The functions below are called with the run's lock, but for shadow_file_of_copy(). */

/* A new one of a file, which is its own from now on, or -1. */
struct shadow *shadow_new(struct mxm *mxm, const struct stat *st, int file);
/* The process has it from now on. */
void shadow_add_to(struct mxm *mxm, struct proc *proc, struct shadow *s);
/* The same, and the event speaks of it. */
void shadow_use(struct mxm *mxm, struct proc *proc, struct shadow *s, struct event *event);
/* What the copy for @version is of that has inode @ino: a file, or *@ret_segment; -1: neither.
 * Takes the lock. */
int shadow_file_of_copy(struct mxm *mxm, int version, ino_t ino, int *ret_segment);

/* segments.c: does @key name a segment that @leader has attached, or a copy of one? */
bool segment_is(struct mxm *mxm, int leader, const struct shadow_key *key);
/* As shadows_for_copy(), of such a @key. */
MUST_CHECK int segment_for_copy_locked(
	struct group *group, struct proc *proc, int version, const struct shadow_key *key);
/* A mapping of segment @id's shadow becomes one of the segment itself. Takes no lock. Attaching
 * takes the place of all of a segment's mappings; those that were changed come after it. */
MUST_CHECK int segment_move(
	struct task *task, int id, uint64_t from, uint64_t to, uint64_t offset, int prot);

#endif
