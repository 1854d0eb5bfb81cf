/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of signalfd(2) in epoll sets. Which signals such a descriptor tells of is for whoever
 * looks at it to say (signalfd(2)), but the set is woken by the process that put the descriptor
 * there: the leader's. A version that takes over puts it there once more.
 */
#ifndef MX_MXM_SIGNALFDS_H
#define MX_MXM_SIGNALFDS_H

#include "mxm/state.h"

/* The call that @task has ended made one. */
void signalfds_note(struct task *task);

/* What @task's process has put into sets is its own from here on. Stopped, with no call pending. */
MUST_CHECK int signalfds_renew(struct task *task);

#endif
