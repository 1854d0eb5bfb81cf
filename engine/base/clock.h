/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks, read by a system call. libc's way to the fine ones reads the time stamp counter, which
 * faults on a monitor (mxm/tsc.h): the call costs a hundredth of that.
 */
#ifndef MX_BASE_CLOCK_H
#define MX_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

void clock_read(clockid_t clock, struct timespec *ret);
/* CLOCK_MONOTONIC, in ns. */
uint64_t clock_ns(void);

#endif
