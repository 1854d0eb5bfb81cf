/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The old version's threads go on where the new one's main thread goes another way, and its other
 * one waits for that: the calls of the old version that are left are for nobody.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "victim.h"

static atomic_int gone;

static void *other(void *arg)
{
	while (WAITS && !gone)
		syscall(SYS_futex, &gone, FUTEX_WAIT, 0, NULL, NULL, 0);
	for (int i = 0; i < 3; i++)
		SEE(chmod("/nowhere/a", 0600) == -1);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	setvbuf(stdout, NULL, _IOFBF, 4096);
	pthread_create(&thread, NULL, other, NULL);
	if (WAITS) {
		SEE(chmod("/nowhere/new", 0600) == -1);
		gone = 1;
		syscall(SYS_futex, &gone, FUTEX_WAKE, 1, NULL, NULL, 0);
	} else {
		usleep(50000);
		SEE(chmod("/nowhere/old", 0600) == -1);
	}
	pthread_join(thread, NULL);
	return 0;
}
