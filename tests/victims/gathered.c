/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that have nothing in common but a file that each of them opens and maps by itself, as
 * those that use one database do: what they store there, and see there, has an order.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

#define WORKERS 4
#define ROUNDS	40

struct board {
	int lock;
	int turn, count;
	int by[WORKERS];
};

static struct board *map_board(void)
{
	int fd = MUST(open("board", O_RDWR | O_CREAT, 0600));
	struct board *board;

	MUST(ftruncate(fd, 4096));
	board = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (board == MAP_FAILED) {
		perror("mmap");
		_exit(98);
	}
	close(fd);
	return board;
}

/* Says what it saw: the others' stores decide that. */
static int work(int self)
{
	struct board *board = map_board();
	char line[64];
	int log = MUST(open("log", O_WRONLY | O_APPEND | O_CREAT, 0600));

	for (int i = 0; i < ROUNDS; i++) {
		while (__atomic_exchange_n(&board->lock, 1, __ATOMIC_ACQUIRE))
			sched_yield();
		board->turn = self;
		board->by[self]++;
		MUST(write(log, line, sprintf(line, "%d\n", ++board->count)));
		__atomic_store_n(&board->lock, 0, __ATOMIC_RELEASE);
		if (i % 8 == 0)
			sched_yield();
	}
	return self;
}

int main(int argc, char **argv)
{
	struct board *board;
	char number[8];

	if (argc > 2)
		return work(atoi(argv[2]));
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < WORKERS; i++) {
		if (MUST(fork()) == 0) {
			sprintf(number, "%d", i);
			execl("/proc/self/exe", "gathered", "worker", number, NULL);
			perror("execl");
			_exit(97);
		}
	}
	for (int i = 0, status, sum = 0; i < WORKERS; i++) {
		MUST(wait(&status));
		sum += WEXITSTATUS(status);
		if (i == WORKERS - 1)
			printf("statuses %d\n", sum);
	}
	/* The first process, and after all others: it has the file for itself. */
	board = map_board();
	printf("count %d:", board->count);
	for (int i = 0; i < WORKERS; i++)
		printf(" %d", board->by[i]);
	printf("\n");
	MUST(unlink("board"));
	return 0;
}
