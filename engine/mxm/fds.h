/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors as the program has them: which numbers are open in a process, and which of them are
 * the same open file description. All versions hold the same numbers, but for those that a version
 * opened for itself (its own files). Followed on the leader's side of the stream. All take the
 * run's lock.
 *
 * Epoll sets are one kernel object for all versions, with one version's data in it. Every member is
 * known here with each version's data, so that what the leader is told of can be told to a
 * follower.
 */
#ifndef MX_MXM_FDS_H
#define MX_MXM_FDS_H

#include "mxm/state.h"

struct fdtab *fds_new(void);
struct fdtab *fds_copy(struct mxm *mxm, struct fdtab *from);
struct fdtab *fds_get(struct mxm *mxm, struct fdtab *fds);
void fds_put(struct mxm *mxm, struct fdtab *fds);

/* @fd is open anew, close-on-exec or not. */
void fds_open(struct mxm *mxm, struct fdtab *fds, int fd, bool cloexec);
void fds_dup(struct mxm *mxm, struct fdtab *fds, int from, int to, bool cloexec);
void fds_close(struct mxm *mxm, struct fdtab *fds, int fd);
void fds_set_cloexec(struct mxm *mxm, struct fdtab *fds, int fd, bool cloexec);
/* exec: what is close-on-exec goes. */
void fds_exec(struct mxm *mxm, struct fdtab *fds);

/* Does the program have a descriptor @fd? */
bool fds_is_open(struct mxm *mxm, struct fdtab *fds, int fd);
/* Is @fd the last descriptor of its open file description in the program? */
bool fds_is_last(struct mxm *mxm, struct fdtab *fds, int fd);

/* Is its open file in an epoll set? */
bool fds_is_member(struct mxm *mxm, struct fdtab *fds, int fd);

/*
 * Members of epoll sets that the kernel would drop now if the program ran alone, because @fd is the
 * last descriptor of its file; with a copy in another version they stay, and must be deleted. Gives
 * up to @max pairs of descriptors of this process, and forgets the members. Call before
 * fds_close().
 */
struct fds_stale {
	int set_fd, fd;
};
int fds_stale_members(
	struct mxm *mxm, struct fdtab *fds, int fd, struct fds_stale *ret_stale, int max);

/*
 * Epoll: the member added or changed by version @owner's call; NULL: no such descriptors. Both
 * calls that give a member give a reference to it, for the event that speaks of it: the leader may
 * have deleted it long before a follower comes to that event.
 */
struct epoll_reg *fds_epoll_set(
	struct mxm *mxm, struct fdtab *fds, int set_fd, int fd, int owner, uint64_t data);
void fds_epoll_delete(struct mxm *mxm, struct fdtab *fds, int set_fd, int fd);
/* The member for which the kernel gave @data; NULL: none. */
struct epoll_reg *fds_epoll_find(struct mxm *mxm, struct fdtab *fds, int set_fd, uint64_t data);
/*
 * A member of the set, other than @fd, that the kernel knows by *@data and @version by another
 * number: from now on by that, which *@data is then. Returns its descriptor, -1: none.
 */
int fds_epoll_own(
	struct mxm *mxm, struct fdtab *fds, int set_fd, int fd, int version, uint64_t *data);
/* What @version knows the member @fd of the set by; false: it knows none. */
bool fds_epoll_data(
	struct mxm *mxm, struct fdtab *fds, int set_fd, int fd, int version, uint64_t *ret_data);
/* The members, by descriptors of this process, that it has put into sets itself: up to @max. */
int fds_epoll_added(struct mxm *mxm, struct fdtab *fds, struct fds_stale *ret_members, int max);
/* Is all that @fd's members hold, as far as @versions go, the same in them? False: @fd is no set.
 */
bool fds_epoll_is_plain(struct mxm *mxm, struct fdtab *fds, int fd, unsigned versions);
/* @version's process is a copy of @from's: it put the same data there. */
void fds_epoll_copy(struct mxm *mxm, struct fdtab *fds, int from, int version);
void fds_epoll_put(struct mxm *mxm, struct epoll_reg *reg);

/* Descriptors that @version opened for itself: kept account of below this number. */
#define FDS_OWN_MAX 1024
bool fds_is_private(const struct proc *proc, int version, int fd);
void fds_set_private(struct proc *proc, int version, int fd, bool is_private);

#endif
