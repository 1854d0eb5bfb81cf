/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call would set is so already (vain.h): where the process is and who it is, its priority
 * and CPUs, a file's mode and owner, a descriptor's flags, a socket's options; and a write of
 * nothing.
 */
#ifndef MX_MXM_ALREADY_H
#define MX_MXM_ALREADY_H

#include "mxm/state.h"

/* Is it a call of that kind? It tells 0, where it changes nothing. */
bool already_covers(const struct call *call);
/* At its entry, of such a one: is it so now? */
bool already_is(const struct task *task);
/* The same of a follower's, which stands before @event, where the leader may be ahead: true where
 * it was so there. */
bool already_was(const struct task *task, const struct event *event);

#endif
