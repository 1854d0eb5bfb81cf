/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is written by calls and read through a shared mapping, and the other way round. */
#include <fcntl.h>
#include <sys/mman.h>

#include "victim.h"

int main(void)
{
	int fd = MUST(open("mixed", O_RDWR | O_CREAT | O_TRUNC, 0600));
	char text[8] = "", *file;

	MUST(ftruncate(fd, 8192));
	file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(pwrite(fd, "written", 7, 4096));
	SEE(memcmp(file + 4096, "written", 7) == 0);
	memcpy(file + 100, "stored", 6);
	MUST(pread(fd, text, 6, 100));
	SEE(memcmp(text, "stored", 6) == 0);
	MUST(ftruncate(fd, 4096));
	MUST(ftruncate(fd, 8192));
	SEE(file[4096] == 0);
	return 0;
}
