/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/vdso.h"

#define NR_GETTIMEOFDAY	 96
#define NR_TIME		 201
#define NR_CLOCK_GETTIME 228
#define VDSO_CLOCKS	 0xf3 /* REALTIME, MONOTONIC, RAW, the coarse ones, BOOTTIME */

static const struct agent_process *const process = (void *)AGENT_PROCESS;

uint64_t vdso_function(const struct asked *asked, const struct agent_slot *slot)
{
	if (!slot->free)
		return 0;
	switch (asked->nr) {
	case NR_CLOCK_GETTIME:
		return asked->a[0] < 8 && (VDSO_CLOCKS >> asked->a[0] & 1) ? process->clock_gettime
									   : 0;
	case NR_GETTIMEOFDAY:
		return process->gettimeofday;
	case NR_TIME:
		return process->time;
	}
	return 0;
}

int64_t vdso_ask(const struct asked *asked, uint64_t function)
{
	int64_t (*ask)(uint64_t, uint64_t) = (int64_t(*)(uint64_t, uint64_t))function;
	int64_t result = ask(asked->a[0], asked->a[1]);

	/* The others return an int. */
	return asked->nr == NR_TIME ? result : (int64_t)(int32_t)result;
}
