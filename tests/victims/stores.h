/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stores: a process and its child store into a file that both have mapped, and look with calls at
 * what it has then. At each line the parent stores for some 100 ms without a call, which is where
 * the new version crashes at "crash"; then the child stores.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "victim.h"

#define PAGES	 4
#define STORES	 100000000l
#define CHILDS	 1000l
#define PER_PAGE (4096 / sizeof(long))

static int fd;
static volatile long *mapped;

static void begin(const char *line);

static void store(long n)
{
	for (long i = 0; i < n; i++)
		mapped[i % PAGES * PER_PAGE]++;
}

static long in_file(void)
{
	long sum = 0, n;

	for (int i = 0; i < PAGES; i++) {
		MUST(pread(fd, &n, sizeof(n), i * 4096));
		sum += n;
	}
	return sum;
}

static long in_memory(void)
{
	long sum = 0;

	for (int i = 0; i < PAGES; i++)
		sum += mapped[i * PER_PAGE];
	return sum;
}

static void serve(int wire)
{
	long told[2];

	while (read(wire, told, 1) == 1) {
		told[0] = in_file();
		store(CHILDS);
		told[1] = in_memory();
		MUST(write(wire, told, sizeof(told)));
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	char line[16];
	long told[2];
	int pair[2];

	if (argc < 2)
		return 2;
	fd = MUST(open(argv[1], O_RDWR | O_CREAT, 0600));
	MUST(ftruncate(fd, PAGES * 4096));
	mapped = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(mapped == MAP_FAILED ? -1 : 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	if (MUST(fork()) == 0) {
		close(pair[0]);
		serve(pair[1]);
	}
	close(pair[1]);
	while (fgets(line, sizeof(line), stdin)) {
		begin(line);
		store(STORES);
		printf("the parent's stores: %ld in the file\n", in_file());
		MUST(write(pair[0], "", 1));
		MUST(read(pair[0], told, sizeof(told)));
		printf("the child sees %ld in the file, and has %ld after its own\n", told[0],
			told[1]);
		printf("the parent has %ld, and %ld in the file\n", in_memory(), in_file());
		fflush(stdout);
	}
	return 0;
}
