/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that one version alone has. A version may make what no one else can see, use it and
 * close it, where the other does not:
 *
 * - sources: /dev/urandom and /dev/random, files by which the kernel tells of the machine
 *   (/proc/stat, /proc/sys, /sys/devices/system and the like), and files by which C libraries learn
 *   of it (/etc/localtime, /etc/nsswitch.conf). They are opened for reading only.
 * - other files and folders, opened for reading only, outside /dev, /proc and /sys; and the try to
 *   open one that is not there.
 * - threads' names, which pthread_setname_np(3) writes to /proc/self/task/ID/comm.
 * - /dev/null.
 * - objects: eventfd, timerfd, pipe, socketpair, memfd, inotify, epoll sets. Nobody else has them,
 *   so what is done with them concerns the version alone. A set may watch what both have.
 * - sockets: as long as they are asked, set and closed only. Sending, binding, connecting and
 *   listening are not among it, but for the try to connect to nscd.
 * - copies of descriptors that both have: as long as they are asked and closed only.
 * - files that the follower has closed before the leader does: closes.h.
 *
 * The leader's is unknown to the follower, which cannot use it. The follower's gets a number far
 * above the program's, so that the leader's numbers stay free in both. What else is done with such
 * a descriptor (joining a set that both have, being copied or sent) is an event like any other, and
 * as the other version has no such descriptor, a divergence.
 */
#ifndef MX_MXM_OWN_H
#define MX_MXM_OWN_H

#include "mxm/state.h"

enum own {
	OWN_NOT,
	OWN_RANDOM,
	OWN_SYSTEM,
	OWN_FILE,
	OWN_NAME,
	OWN_NULL,
	OWN_OBJECT,
	OWN_SOCKET,
	OWN_ROUTES, /* asks the kernel for addresses, interfaces and routes */
	OWN_COPY,
	OWN_LEFT,
};

/* The rule's name; NULL: OWN_NOT. */
const char *own_rule(enum own own);

/* Would the call, which opens @path, make a source? */
enum own own_source(const struct call *call, const char *path);

/* What the follower's call would make; what the event has made, or would. */
enum own own_makes(struct task *task);
enum own own_made(const struct event *event);

/* May a call with a descriptor of that kind be made by one version alone? */
bool own_may(enum own own, const struct call *call);

/* What the event is about, if that is a descriptor that this follower has not; and it may be. */
enum own own_unshared(const struct proc *proc, int version, const struct event *event);

/* Both the follower's call and the event make such descriptors, and other ones: whose is it? */
enum own_turn {
	OWN_LEADERS,   /* the follower's call is one that the leader comes to later */
	OWN_FOLLOWERS, /* it is not */
	OWN_UNKNOWN,   /* the leader has to go on for it to be known, and does */
};
enum own_turn own_turn(const struct task *task, const struct event *event);

/* The follower waits for that to be known: may the leader make this call meanwhile? */
bool own_while_held(const struct task *task, const struct event *event);

/* The follower passes the event over. */
void own_pass_over(struct task *task, const struct event *event);

/* The event gave the follower descriptors: their numbers are shared ones. */
void own_share(struct task *task, const struct event *event);

/* The follower closes @fd by itself, a file that the leader still has: closes.h. */
void own_left(struct task *task, int fd);

/*
 * @task, stopped at the exit of a call that it made alone, has descriptors by it: they go to far
 * numbers, which it is told, and are its own from now on. -ESRCH: it vanished.
 */
MUST_CHECK int own_take(struct task *task, int64_t *result);

/* @task asks for a call on @fd, which it opened for itself: is it its own affair, and no wait? */
bool own_may_now(const struct task *task, int fd);

#endif
