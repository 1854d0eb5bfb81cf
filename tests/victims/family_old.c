/* SPDX-License-Identifier: Apache-2.0 */
/* The old version: family.h. victim-flags: -O2 -g -fno-inline-small-functions */
#include "family.h"

__attribute__((noipa)) static long compute(int n)
{
	memory->sum += n;
	if (mapped)
		mapped->sum += n;
	return memory->sum;
}
