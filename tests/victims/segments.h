/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V's segments: what processes count in one is counted once, who has attached it, one that
 * is to go, one that may only be read. With an argument, the old one crashes amid it.
 */
#include <sys/shm.h>
#include <sys/wait.h>

#include "victim.h"

static void count(int *counter, int children)
{
	for (int i = 0; i < children; i++) {
		if (MUST(fork()) == 0) {
			for (int k = 0; k < 100; k++)
				__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	printf("%d\n", *counter);
	fflush(stdout);
}

static void look(int id)
{
	struct shmid_ds ds;

	MUST(shmctl(id, IPC_STAT, &ds));
	printf("%d attached, last by %s\n", (int)ds.shm_nattch,
		ds.shm_lpid == getpid() ? "itself" : "another");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const int id = MUST(shmget(IPC_PRIVATE, 10000, 0600 | IPC_CREAT));
	int *counter = shmat(id, NULL, 0);
	const int *other;

	count(counter, 3);
	look(id);
	other = shmat(id, NULL, SHM_RDONLY);
	look(id);
	if (CRASHES && argc > 1)
		*(volatile int *)8 = 1;
	count(counter, 2);
	printf("%d\n", *other);
	MUST(shmdt(other));
	SEE(shmdt(other) == -1 && errno == EINVAL);
	if (MUST(fork()) == 0) {
		/* One that no parent or brother has a mapping of. */
		MUST(shmdt(counter));
		counter = shmat(id, NULL, 0);
		*counter += 1000;
		_exit(0);
	}
	MUST(wait(NULL));
	MUST(shmctl(id, IPC_RMID, NULL));
	/* What a crashed version's processes had attached is so until the kernel has freed it. */
	if (argc == 1)
		look(id);
	count(counter, 1);
	MUST(shmdt(counter));
	if (argc == 1)
		SEE(shmat(id, NULL, 0) == (void *)-1 && errno == EINVAL);
	return 0;
}
