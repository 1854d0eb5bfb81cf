/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of address spaces. Programs take their addresses for random numbers (OpenSSL's and
 * bash's generators, hash orders, temporary names): versions whose layouts differ by chance then
 * behave differently by chance. So the kernel's own randomisation is off (personality(2)
 * ADDR_NO_RANDOMIZE), and the engine puts its own in the place: each execve gets a stack limit
 * drawn for all versions alike, from which the kernel takes the place of the first mapping
 * (arch/x86/mm/mmap.c, mmap_base()); before the program's first instruction the limit is what it
 * was. Where the limit cannot be changed (a hard limit, another user's process) the layout is
 * fixed.
 */
#ifndef MX_MXM_LAYOUT_H
#define MX_MXM_LAYOUT_H

#include <sys/resource.h>

#include "mxm/state.h"

/* In a child, before its first exec: no randomisation of the kernel's. Async-signal-safe. */
void layout_fix(void);

/* Was layout_fix() allowed to? Where a profile forbids it, layouts differ, and so may behaviour. */
bool layout_is_fixed(pid_t pid);

/* The task's next call is execve. */
void layout_before_exec(struct task *task);
/* It is made, or has failed. */
void layout_after_exec(struct task *task);

#endif
