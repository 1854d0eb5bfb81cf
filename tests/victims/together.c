/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that share memory and make hot calls: each takes numbers from a counter that they have
 * in common, without a lock or with one that sleeps in futex(2), and writes down what it saw. Two
 * versions write the same only if their processes come to the memory in the same order.
 */
#include <err.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 3
#define ROUNDS	 400

struct shared {
	uint64_t taken;
	atomic_uint lock;
	uint64_t locked;
};

static struct shared *shared;

static void lock(void)
{
	unsigned free = 0;

	while (!atomic_compare_exchange_strong(&shared->lock, &free, 1)) {
		syscall(SYS_futex, &shared->lock, FUTEX_WAIT, 1, NULL, NULL, 0);
		free = 0;
	}
}

static void unlock(void)
{
	atomic_store(&shared->lock, 0);
	syscall(SYS_futex, &shared->lock, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void work(int child, int set, int out)
{
	int own[2];
	char line[64];
	struct epoll_event event;

	if (pipe(own) < 0)
		err(1, "pipe");
	for (int i = 0; i < ROUNDS; i++) {
		int len;
		uint64_t mine;

		if (epoll_wait(set, &event, 1, 0) < 0)
			err(1, "epoll_wait");
		lock();
		mine = shared->locked;
		if (write(own[1], &mine, sizeof(mine)) != sizeof(mine) ||
			read(own[0], &mine, sizeof(mine)) != sizeof(mine))
			err(1, "pipe");
		shared->locked = mine + 1;
		unlock();
		len = snprintf(line, sizeof(line), "%d %d %lu\n", child, i, ++shared->taken);
		if (write(out, line, (size_t)len) != len)
			err(1, "write");
	}
}

int main(void)
{
	int set = epoll_create1(0), ready[2], status, bad = 0;
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 7 };
	FILE *log = tmpfile();

	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || set < 0 || pipe(ready) < 0 || !log)
		err(1, "preparing");
	if (epoll_ctl(set, EPOLL_CTL_ADD, ready[0], &event) < 0)
		err(1, "epoll_ctl");
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();

		if (child < 0)
			err(1, "fork");
		if (child == 0) {
			work(i, set, fileno(log));
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		bad += status != 0;
	printf("%d bad, %lu under the lock\n", bad, shared->locked);
	return bad || shared->locked != (uint64_t)CHILDREN * ROUNDS;
}
