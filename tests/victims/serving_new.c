/* SPDX-License-Identifier: Apache-2.0 */
#include "serving.h"

__attribute__((noipa)) static int answer(int n)
{
	if (n > served)
		*(volatile int *)16 = n;
	served++;
	return n;
}
