/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPU has nothing to do, from what the kernel tells. */
#include "mxm/cpus.h"

#include "tap.h"

static int pick(struct cpus_idle *idle, const char *stat, int own)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CPU_SET(2, &set);
	CPU_SET(3, &set);
	return cpus_pick(idle, stat, &set, own);
}

static void picks(void)
{
	struct cpus_idle idle = { { 0 }, { 0 } };

	pick(&idle,
		"cpu  9 9 9 9 9\ncpu0 100 0 100 100 0 0 0 0 0 0\ncpu1 0 0 0 300 0 0 0 0 0 0\n"
		"cpu2 0 0 0 300 0 0 0 0 0 0\ncpu3 0 0 0 300 0 0 0 0 0 0\nintr 1 2 3\n",
		0);
	is_int(pick(&idle,
		       "cpu  9 9 9 9 9\ncpu0 110 0 110 100 0 0 0 0 0 0\n"
		       "cpu1 0 0 0 320 0 0 0 0 0 0\ncpu2 2 0 0 318 0 0 0 0 0 0\n"
		       "cpu3 1 0 0 319 0 0 0 0 0 0\n",
		       0),
		3, "the one that had least to do, of those that may be used");
	is_int(pick(&idle,
		       "cpu  9\ncpu0 120 0 120 100 0 0 0 0 0 0\ncpu1 0 0 0 340 0 0 0 0 0 0\n"
		       "cpu2 2 20 0 318 0 0 0 0 0 0\ncpu3 11 0 0 329 0 0 0 0 0 0\n",
		       0),
		2, "what is nice is nothing to do");
	is_int(pick(&idle,
		       "cpu  9\ncpu0 140 0 120 100 0 0 0 0 0 0\ncpu1 0 0 0 360 0 0 0 0 0 0\n"
		       "cpu2 12 20 0 328 0 0 0 0 0 0\ncpu3 31 0 0 329 0 0 0 0 0 0\n",
		       0),
		-1, "none where all have something to do");
	is_int(pick(&idle,
		       "cpu  9\ncpu0 141 0 120 119 0 0 0 0 0 0\ncpu1 0 0 0 380 0 0 0 0 0 0\n"
		       "cpu2 12 20 0 348 0 0 0 0 0 0\ncpu3 31 0 0 349 0 0 0 0 0 0\n",
		       0),
		-1, "none where one's own has little to do");
	is_int(pick(&idle,
		       "cpu  9\ncpu0 142 0 120 119 0 0 0 0 0 0\n"
		       "cpu2 12 20 0 349 0 0 0 0 0 0\ncpu3 31 0 0 350 0 0 0 0 0 0\n",
		       0),
		-1, "too short a time says nothing");
	is_int(pick(&idle, "nonsense\ncpu\ncpux 1 2\ncpu99999999999 1 2 3 4 5 6\n", 0), -1,
		"what is no such file says nothing");
}

static void counts(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	is_int(cpus_nth(&set, 3), -1, "an empty set has none");
	CPU_SET(4, &set);
	CPU_SET(9, &set);
	is_int(cpus_nth(&set, 1), 9, "the second");
	is_int(cpus_nth(&set, 2), 4, "from the beginning again");
	is_int(cpus_index(&set, 9), 1, "and back");
}

int main(void)
{
	picks();
	counts();
	ok(cpus_pauses(100000) > 0, "some fit into a tenth of a millisecond");
	is_int(cpus_delay(0x3ffffff), 0, "a thread that is not there has waited for nothing");
	return tap_done();
}
