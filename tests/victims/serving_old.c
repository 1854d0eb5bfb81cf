/* SPDX-License-Identifier: Apache-2.0 */
#include "serving.h"

__attribute__((noipa)) static int answer(int n)
{
	served++;
	return n;
}
