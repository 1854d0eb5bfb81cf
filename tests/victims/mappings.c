/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory: anonymous with a child, files read and written, private copies, msync, mremap. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "victim.h"

int main(void)
{
	volatile int *shared =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = MUST(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600)), id;
	char text[8] = "", *file, *private, *seg;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (MUST(fork()) == 0) {
		shared[0] = 42;
		while (shared[1] != 43)
			usleep(100);
		_exit(shared[1]);
	}
	while (shared[0] != 42)
		usleep(100);
	shared[1] = 43;
	int status;
	MUST(wait(&status));
	printf("child %d\n", WEXITSTATUS(status));
	MUST(ftruncate(fd, 8192));
	file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	strcpy(private, "mine");
	strcpy(file, "mapped!");
	SEE(strcmp(private, "mine") == 0);
	MUST(msync(file, 8192, MS_SYNC));
	MUST(pread(fd, text, 7, 0));
	puts(text);
	file = mremap(file, 8192, 4096, 0);
	SEE(file != MAP_FAILED && file[0] == 'm');
	file[0] = 'M';
	MUST(munmap(file, 4096));
	id = MUST(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
	seg = shmat(id, NULL, 0);
	SEE(seg != (void *)-1);
	if (MUST(fork()) == 0) {
		strcpy(seg, "from the child");
		_exit(0);
	}
	MUST(wait(NULL));
	puts(seg);
	MUST(shmdt(seg));
	MUST(shmctl(id, IPC_RMID, NULL));
	return 0;
}
