/* SPDX-License-Identifier: Apache-2.0 */
/* Two calls whose normal forms differ, and that ask for the same. */
#ifndef MX_MXM_ALIKE_H
#define MX_MXM_ALIKE_H

#include "mxm/state.h"

/* Does @task, at its entry, ask for the event's call, in its normal form? */
bool alike_is_same(const struct task *task, const struct event *event);

/*
 * The same bytes at the same place of the same descriptor, by pwrite64 or pwritev, or as many of
 * them by pread64 or preadv. Safe: the kernel moves them in the same way, at once.
 */
bool alike_at_place(const struct call *a, const struct str *our_in, const struct call *b,
	const struct str *their_in);

/*
 * The same call, where a name is written otherwise: with "./" or more slashes than one, or from the
 * root in the place of the working directory, for which the follower's process is asked. Safe: both
 * are the same steps for the kernel, whatever is a link in them; "..", which may not be, is left.
 * Not execve: a script sees the text.
 */
bool alike_by_path(const struct task *task, const struct event *event);

/*
 * A file or folder that is made with a mode that differs in bits which the umask takes away. Safe:
 * it comes to the same mode; in a folder with a default ACL (acl(5)), where there is no umask, it
 * is not alike.
 */
bool alike_under_umask(const struct task *task, const struct event *event);

/* What a version does to its own memory, and to the precision of its own sleeps: mlock and its kin,
 * some of prctl. Each makes it for itself. */
bool alike_is_own_memory(const struct call *call);

#endif
