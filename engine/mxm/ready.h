/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for descriptors that the engine answers, since for the kernel there is nothing to read:
 * where bytes were read already by the leader that was, for a version that leads now and has not
 * asked for them (surplus.h); and by the leader that is, for a follower (awaited.h).
 */
#ifndef MX_MXM_READY_H
#define MX_MXM_READY_H

#include "mxm/state.h"

/*
 * @task, which leads and has unread bytes, is at the entry of a call. If it waits for them, by
 * poll, select or epoll_wait or one of their kin, it is told that they can be read, and of nothing
 * else, and runs: true.
 */
bool ready_tell(struct task *task);

/*
 * What the wait that @task is at the entry of is told: that @fd, which it waits for, can be read,
 * or written; -1: that its time is over. Its result.
 */
int64_t ready_say(struct task *task, int fd, bool write);

#endif
