/* SPDX-License-Identifier: Apache-2.0 */
/* The new version: family.h. victim-flags: -O2 -g -fno-inline-small-functions */
#include "family.h"

__attribute__((noipa)) static long compute(int n)
{
	/* What it leaves half done in the memory that it shares must not come back. */
	memory->sum += 1000 + n;
	if (mapped)
		mapped->sum += 1000 + n;
	if (n == 13)
		*(volatile int *)16 = n;
	memory->sum -= 1000;
	if (mapped)
		mapped->sum -= 1000;
	return memory->sum;
}
