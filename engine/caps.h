/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities: the one thing that the engine may have been given beyond the container's own. */
#ifndef MX_CAPS_H
#define MX_CAPS_H

/*
 * Gives CAP_SYS_CHROOT up for good: out of the ambient, inheritable, permitted and effective sets,
 * and out of the bounding set where the process may change that (CAP_SETPCAP; elsewhere
 * no_new_privs keeps execve from giving it back). Returns 0 or -errno. It is the calling thread's
 * alone, and that of the threads and processes that it makes later.
 */
int caps_drop_chroot(void);

#endif
