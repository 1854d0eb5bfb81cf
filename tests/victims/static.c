/* SPDX-License-Identifier: Apache-2.0 */
/* A static program: no dynamic loader, no vDSO symbols looked up by one. victim-flags: -static */
#include <time.h>

#include "victim.h"

int main(int argc, char **argv)
{
	printf("%d arguments, %s\n", argc, argc > 1 ? argv[1] : "none");
	SEE(time(NULL) > 1000000000);
	return argc;
}
