/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same request by another call, whose arguments or answer have another shape:
 *
 * - a file by its name, and by a descriptor that stands for it: chmod, chown, truncate, chdir,
 *   utimensat and their kin. Both names are looked up, and have to lead to the same file;
 * - a message by sendto(2), and by sendmsg(2) without control messages: the same bytes in one
 *   piece, to the same address, with the same flags;
 * - a signal of a process of one thread to itself: kill, tkill, tgkill;
 * - alarm(2), and setitimer(2) for whole seconds, once;
 * - more of the answer, or less: the address of who is accepted; room for more of epoll's events.
 *
 * Safe: the kernel does the same for each of them, and each version is told what it asked for.
 */
#ifndef MX_MXM_SYNONYMS_H
#define MX_MXM_SYNONYMS_H

#include "mxm/follow.h"
#include "mxm/state.h"

/* REL_SAME, REL_UNKNOWN: when the event's call has been made; REL_DIFFERENT. Their forms differ. */
enum relation synonyms_relate(const struct task *task, const struct event *event);

/* As waits_translate(). */
MUST_CHECK int synonyms_translate(const struct task *task, const struct event *event,
	struct str *ret_out, int64_t *ret_result);

#endif
