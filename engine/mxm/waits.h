/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, ppoll, select and pselect6 ask the same of the kernel in four shapes. Both calls' normal
 * forms are read into one form (which descriptor, which of its states, how long), and compared; the
 * leader's answer is then written in the shape that the follower wants. Calls that change the
 * signal mask meanwhile are not among them. Safe: the kernel has one piece of code for what they
 * wait for, and each of the descriptors' states is told as it was.
 */
#ifndef MX_MXM_WAITS_H
#define MX_MXM_WAITS_H

#include "mxm/state.h"

/*
 * By which rule do two calls wait for the same: by different names, with more room for numbers, or
 * places that ask for none (RULE_SAME_CALL); or for another while (RULE_SLEEP), which is the
 * leader's. NULL: they do not, or are one call.
 */
const char *waits_rule(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b);

/* For how long the call waits, in ns; 0: it does not, or is no wait, or cannot be read. */
#define WAITS_FOREVER INT64_MAX
int64_t waits_time(const struct call *call, const struct str *in);

/* Does the call, which is none of epoll's, wait until @fd can be read, or written? */
bool waits_for(const struct call *call, const struct str *in, int fd, bool write);

/*
 * The event's answer in the shape of @task's call, which waits for the same otherwise: 1, and
 * what canon_apply() takes, and the result. 0: it is written as
 * the leader's. -EBADMSG: it cannot be said
 * in that shape.
 */
MUST_CHECK int waits_translate(const struct task *task, const struct event *event,
	struct str *ret_out, int64_t *ret_result);

#endif
