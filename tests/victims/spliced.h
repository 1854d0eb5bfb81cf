/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spliced: answers the numbers on its standard input, one line each, through functions that the two
 * versions write differently, to the same effect. The number 13 crashes the new version. What the
 * functions use is what a splice has to put right: a jump table, literals, static and thread-local
 * variables, addresses of functions that are stored and compared, imports, a table of pointers.
 */
#include <poll.h>

#include "victim.h"

typedef int (*step_fn)(int);

static __thread long told = 7;
static long total;
static step_fn kept;

__attribute__((noinline)) static int twice(int n)
{
	return 2 * n;
}

__attribute__((noinline)) static int half(int n)
{
	return n / 2;
}

static const char *kind_of(int n);
static step_fn choose(int n);
static long count(int n);

__attribute__((noinline)) static void answer(int n)
{
	step_fn step = choose(n);
	const char *kind = kind_of(n % 9);

	/* Stored by one version, compared by another: it has to stay the same address. */
	if (!kept)
		kept = step;
	printf("%d %s %ld %d %s\n", n, kind, count(n), step(n), step == kept ? "kept" : "other");
	fflush(stdout);
}

int main(void)
{
	char line[64];
	struct pollfd p = { 0, POLLIN, 0 };
	size_t len = 0;

	while (poll(&p, 1, -1) >= 0 && read(0, line + len, 1) == 1) {
		if (line[len] != '\n') {
			len += len < sizeof(line) - 2;
			continue;
		}
		line[len] = '\0';
		len = 0;
		answer(atoi(line));
	}
	return 0;
}
