/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's clocks without a call: vdso(7). Programs are not told of it (tracee/start.c), for
 * its clocks are no events; but it is mapped, and an agent that has nobody to agree with uses it.
 */
#ifndef MX_MXM_VDSO_H
#define MX_MXM_VDSO_H

#include <stdint.h>
#include <sys/types.h>

/* Where process @pid has the functions; 0: it has none. */
void vdso_functions(
	pid_t pid, uint64_t *ret_clock_gettime, uint64_t *ret_gettimeofday, uint64_t *ret_time);

#endif
