/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time stamps, processor ids, random instructions and addresses' randomness end up in what is
 * written: to /dev/null, where only the comparison of two versions sees them.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <time.h>
#include <x86intrin.h>

#include "victim.h"

int main(void)
{
	int null = MUST(open("/dev/null", O_WRONLY));
	unsigned char random[16];
	unsigned aux;
	struct timespec t;

	dprintf(null, "%llu %llu", (unsigned long long)__rdtsc(),
		(unsigned long long)__rdtscp(&aux));
	unsigned long long first = __rdtsc();
	SEE(__rdtsc() > first);
	clock_gettime(CLOCK_REALTIME, &t);
	dprintf(null, "%ld.%ld %ld", t.tv_sec, t.tv_nsec, time(NULL));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	dprintf(null, "%ld.%ld %ld", t.tv_sec, t.tv_nsec, (long)clock());
	MUST(getrandom(random, sizeof(random), 0));
	dprintf(null, "%02x%02x", random[0], random[15]);
	MUST(getentropy(random, sizeof(random)));
	dprintf(null, "%02x%02x", random[0], random[15]);
	for (int i = 0; i < 16; i++)
		dprintf(null, "%02x", ((unsigned char *)getauxval(AT_RANDOM))[i]);
	SEE(sched_getcpu() >= 0);
	dprintf(null, "%d", sched_getcpu());
	return 0;
}
