/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that have no row: number given, or an ioctl that no table knows. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "victim.h"

int main(int argc, char **argv)
{
	long nr = argc > 1 ? atol(argv[1]) : 9999;
	long rc;

	if (argc > 2)
		rc = ioctl(MUST(open("/dev/null", O_RDWR)), strtoul(argv[2], NULL, 0), 0);
	else
		rc = syscall(nr, 0, 0, 0, 0, 0, 0);
	printf("%ld %s\n", rc, rc < 0 ? strerror(errno) : "");
	printf("goes on\n");
	return 4;
}
