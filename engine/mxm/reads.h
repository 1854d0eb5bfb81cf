/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads that one version makes alone: of a regular file that is open for reading only, by read,
 * readv, pread, preadv or a mapping that is not written; and of the source of random bytes. The
 * leader's are passed over; the follower's are made at its own position (positions.h). So a version
 * may map what the other one reads, look once more for the end of a file, or read two files in
 * another order.
 *
 * Safe: nobody sees what is read, and what a version does with it is compared like all else. Only
 * files that this descriptor cannot write to: what a version has written by it, it would read there
 * before the other one has. For those there is one exception, the read that finds the end.
 */
#ifndef MX_MXM_READS_H
#define MX_MXM_READS_H

#include "mxm/follow.h"

/* REL_PASS_OVER, REL_ALONE or REL_DIFFERENT; REL_UNKNOWN: until the leader's call has ended. */
enum relation reads_relate(struct task *task, const struct event *event);

/* Is it a call that reads_relate() may speak of, and by which rule? */
const char *reads_rule(const struct task *task, const struct call *call);

/* The follower passes the leader's read over, which was made. */
void reads_pass_over(struct task *task, const struct event *event);

/* The follower's read is made, at its own position. */
void reads_go_alone(struct task *task, const struct event *event);

/* Is the follower's descriptor a regular file, and open for reading only? */
bool reads_only(const struct task *task, int fd);

#endif
