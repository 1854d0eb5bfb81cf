/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a system call costs: prints "NAME NANOSECONDS" a line, the median of several rounds.
 * The clock is read by a system call, which costs the same in every round.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15

static int in, out;
static char buf[4096];

static void do_getppid(void)
{
	syscall(SYS_getppid);
}

static void do_write64(void)
{
	if (write(out, buf, 64) != 64)
		exit(1);
}

static void do_read64(void)
{
	if (read(in, buf, 64) != 64)
		exit(1);
}

static void do_read4k(void)
{
	if (read(in, buf, sizeof(buf)) != sizeof(buf))
		exit(1);
}

static void do_local(void)
{
	/* A call that the pre-filter lets run: the price of the filter alone. */
	syscall(SYS_sched_yield);
}

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {
	{ "getppid", do_getppid },
	{ "write-64", do_write64 },
	{ "read-64", do_read64 },
	{ "read-4096", do_read4k },
	{ "sched_yield", do_local },
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double now(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 2000;

	in = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (in < 0 || out < 0 || n < 1)
		return 1;
	for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		double took[ROUNDS];

		for (int round = 0; round < ROUNDS; round++) {
			double begun = now();

			for (int i = 0; i < n; i++)
				calls[c].call();
			took[round] = (now() - begun) / n;
		}
		qsort(took, ROUNDS, sizeof(took[0]), by_size);
		printf("%s %.0f\n", calls[c].name, took[ROUNDS / 2]);
	}
	return 0;
}
