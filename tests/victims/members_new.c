/* SPDX-License-Identifier: Apache-2.0 */
#include "members.h"

int main(int argc, char **argv)
{
	return argc == 2 ? members(1002, argv[1]) : 99;
}
