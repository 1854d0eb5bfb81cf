/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of a program in memory that nobody can change. */
#ifndef MX_BASE_SEALED_H
#define MX_BASE_SEALED_H

/*
 * crun and runc do not run from their own file, which a container could reach through
 * /proc/PID/exe (CVE-2019-5736): they make a copy, and start again from that. What starts from a
 * sealed copy takes it for its own and starts but once, a millisecond sooner.
 *
 * Returns a descriptor for fexecve(3), or -1: it is no program of a size that is worth it, or the
 * kernel or its settings do not allow it. Then the file itself is as good.
 */
int sealed_copy(const char *path);

#endif
