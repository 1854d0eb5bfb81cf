/* SPDX-License-Identifier: Apache-2.0 */
/* Computes until a timer's signal has come often enough. The version with CRASH_AT does not get so
 * far. */
#include <signal.h>
#include <sys/time.h>

#include "victim.h"

static volatile sig_atomic_t got;

static void count(int sig)
{
#ifdef CRASH_AT
	if (got == CRASH_AT)
		*(volatile int *)0 = 0;
#endif
	got++;
}

int main(void)
{
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction sa = { .sa_handler = count };

	MUST(sigaction(SIGALRM, &sa, NULL));
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	while (got < 12) {
	}
	every = (struct itimerval){ 0 };
	MUST(setitimer(ITIMER_REAL, &every, NULL));
	printf("done\n");
	return 0;
}
