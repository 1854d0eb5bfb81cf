/* SPDX-License-Identifier: Apache-2.0 */
/* Says whether it runs from a file that can still be changed: what runtimes make sure of before
 * they let a container see them. */
#include <fcntl.h>
#include <stdio.h>

int main(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), seals = fcntl(fd, F_GET_SEALS);
	const int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

	puts(seals == all ? "sealed" : "open");
	return 0;
}
