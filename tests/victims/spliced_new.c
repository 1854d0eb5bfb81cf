/* SPDX-License-Identifier: Apache-2.0 */
/* The new version: spliced.h. victim-flags: -O2 -g -fno-inline-small-functions */
#include "spliced.h"

__attribute__((noinline)) static const char *kind_of(int n)
{
	if (n < 0)
		return "less";
	switch (n) {
	case 0:
		return "none";
	case 1:
		return "one";
	case 2:
		total += 0;
		return told ? "two" : "too";
	case 3:
		return "three";
	case 4:
		return total == -1 ? "for" : "four";
	case 5:
		return "five";
	case 6:
		return "six";
	case 7:
		return "seven";
	}
	return "eight";
}

/* Only in the new version. */
__attribute__((noinline)) static int is_odd(int n)
{
	return n & 1;
}

__attribute__((noinline)) static step_fn choose(int n)
{
	if (n == 13)
		*(volatile int *)16 = n;
	return is_odd(n) ? half : twice;
}

__attribute__((noinline)) static long count(int n)
{
	long sum = total + n;

	total = sum;
	return sum + ++told;
}
