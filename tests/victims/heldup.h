/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The new version's main thread waits, in a futex, until its other thread has begun; the old one's
 * does not, and has made its next calls by its agent before that thread's first, and a third
 * thread, which has made some as well. What time that thread sees is the same in both all the same.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "victim.h"

static atomic_int begun;
static int ends[2];

static void look(int times)
{
	struct timespec ts;

	for (int i = 0; i < times; i++)
		MUST(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
}

static void *third(void *arg)
{
	look(30);
	return arg;
}

static void *other(void *arg)
{
	struct timespec ts;
	int fd;

	look(3);
	usleep(20000);
	MUST(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
	fd = MUST(open("file", O_WRONLY | O_CREAT | O_APPEND, 0600));
	if (WAITS) {
		begun = 1;
		syscall(SYS_futex, &begun, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	MUST(write(fd, "line\n", 5));
	MUST(close(fd));
	MUST(write(ends[1], &ts, sizeof(ts)));
	return arg;
}

int main(void)
{
	pthread_t thread, more;
	struct timespec ts;

	MUST(pipe(ends));
	look(100);
	for (int i = 0; i < 8; i++) {
		begun = 0;
		pthread_create(&thread, NULL, other, NULL);
		while (WAITS && !begun)
			syscall(SYS_futex, &begun, FUTEX_WAIT, 0, NULL, NULL, 0);
		look(5);
		pthread_create(&more, NULL, third, NULL);
		MUST(read(ends[0], &ts, sizeof(ts)));
		pthread_join(thread, NULL);
		pthread_join(more, NULL);
	}
	printf("end\n");
	return 0;
}
