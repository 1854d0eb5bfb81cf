/* SPDX-License-Identifier: Apache-2.0 */
/* A program that is written through a shared mapping, as linkers do, and then executed. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

static void copy(const char *from, const char *to)
{
	int in = MUST(open(from, O_RDONLY)), out = MUST(open(to, O_RDWR | O_CREAT | O_TRUNC, 0700));
	struct stat st;
	char *map;

	MUST(fstat(in, &st));
	MUST(ftruncate(out, st.st_size));
	map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
	MUST(read(in, map, st.st_size));
	munmap(map, st.st_size);
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	char *const args[] = { "built", "executed", NULL };
	int status;

	if (argc > 1)
		return 4;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (MUST(fork()) == 0) {
		copy("/proc/self/exe", "built");
		_exit(0);
	}
	MUST(wait(&status));
	if (MUST(fork()) == 0) {
		execv("./built", args);
		perror("execv");
		_exit(9);
	}
	MUST(wait(&status));
	printf("%x\n", status);
	/* Unmapped by the process itself, and many times. */
	for (int i = 0; i < 40; i++) {
		copy("/proc/self/exe", "again");
		MUST(unlink("again"));
	}
	return 0;
}
