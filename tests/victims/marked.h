/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps its counts in memory that a fork leaves out, and in memory that it leaves empty. For each
 * line of its input it counts in both, and says what it has counted and what a child of its own
 * sees of it. A line that begins with c is one too much for the new version.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

#ifndef CRASHES
#define CRASHES 0
#endif

static int *marked(int advice)
{
	int *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED || madvise(at, 2 * PAGE, advice) < 0 ? NULL : at;
}

__attribute__((noinline)) static int serve(const char *line, int *left_out, int *emptied)
{
	if (CRASHES && line[0] == 'c')
		*(volatile int *)0 = 1;
	left_out[PAGE / sizeof(int)]++;
	emptied[PAGE / sizeof(int)]++;
	return left_out[PAGE / sizeof(int)] * 100 + emptied[PAGE / sizeof(int)];
}

static int seen_by_child(int *left_out, int *emptied)
{
	unsigned char in_core[2];
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit((mincore(left_out, 2 * PAGE, in_core) < 0 ? 0 : 1) +
			(emptied[PAGE / sizeof(int)] ? 2 : 0));
	waitpid(child, &status, 0);
	return status;
}

int main(void)
{
	int *left_out = marked(MADV_DONTFORK), *emptied = marked(MADV_WIPEONFORK);
	char line[64];

	while (left_out && emptied && fgets(line, sizeof(line), stdin)) {
		printf("%d", serve(line, left_out, emptied));
		printf(" %d\n", seen_by_child(left_out, emptied));
		fflush(stdout);
	}
	return left_out && emptied ? 0 : 1;
}
