/* SPDX-License-Identifier: Apache-2.0 */
/* The old version: spliced.h. victim-flags: -O2 -g -fno-inline-small-functions */
#include "spliced.h"

__attribute__((noinline)) static const char *kind_of(int n)
{
	static const char *const kinds[9] = { "none", "one", "two", "three", "four", "five", "six",
		"seven", "eight" };

	return n < 0 ? "less" : kinds[n];
}

__attribute__((noinline)) static step_fn choose(int n)
{
	return n % 2 ? half : twice;
}

__attribute__((noinline)) static long count(int n)
{
	total += n;
	told++;
	return total + told;
}
