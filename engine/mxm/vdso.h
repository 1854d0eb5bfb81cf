/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's clocks without a call: vdso(7). Programs are not told of it (tracee/start.c), for
 * its clocks are no events; but it is mapped, and an agent that has nobody to agree with uses it.
 */
#ifndef MX_MXM_VDSO_H
#define MX_MXM_VDSO_H

#include <stdint.h>
#include <sys/types.h>

/* Where process @pid has the function @name ("__vdso_clock_gettime"); 0: it has none. */
uint64_t vdso_function(pid_t pid, const char *name);

#endif
