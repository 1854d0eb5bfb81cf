/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <sys/syscall.h>
#include <unistd.h>

void clock_read(clockid_t clock, struct timespec *ret)
{
	syscall(SYS_clock_gettime, clock, ret);
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_read(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ul + now.tv_nsec;
}
