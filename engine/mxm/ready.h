/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for descriptors of which bytes were read already: by the leader that was, for a version
 * that leads now and has not asked for them (surplus.h). For the kernel there is nothing to read,
 * so the engine says it.
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

#endif
