/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that map files while others map memory: each is put where the versions agree. And a set
 * that reports a member before the call that adds it has returned.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "victim.h"

#define ROUNDS	300
#define THREADS 3

static int sink;

/* Where it is decides what is written: versions that differ in it differ outside. */
static void tell(const void *at)
{
	MUST(write(sink, &at, sizeof(at)));
}

static void *map_files(void *arg)
{
	int fd = MUST(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	void *at[4];

	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < 4; k++) {
			at[k] = mmap(NULL, 4096 * (1 + k), PROT_READ, MAP_PRIVATE, fd, 0);
			tell(at[k]);
		}
		for (int k = 0; k < 4; k++)
			munmap(at[k], 4096 * (1 + k));
	}
	return arg;
}

static void *map_memory(void *arg)
{
	void *at[4];

	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < 4; k++) {
			at[k] = mmap(NULL, 4096 * (1 + k), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			tell(at[k]);
		}
		for (int k = 3; k >= 0; k--)
			munmap(at[k], 4096 * (1 + k));
	}
	return arg;
}

static int set;

static void *add_members(void *arg)
{
	int pair[2];

	for (int i = 0; i < ROUNDS; i++) {
		int *fd = malloc(sizeof(*fd) + 16 * (i % 64));

		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		*fd = pair[0];
		MUST(write(pair[1], "x", 1));
		close(pair[1]);
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, *fd,
			&(struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.ptr = fd }));
	}
	return arg;
}

int main(void)
{
	pthread_t threads[2 * THREADS];
	struct epoll_event event;
	int seen = 0;

	sink = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));
	set = MUST(epoll_create1(EPOLL_CLOEXEC));
	for (int i = 0; i < THREADS; i++) {
		pthread_create(&threads[2 * i], NULL, map_files, NULL);
		pthread_create(&threads[2 * i + 1], NULL, map_memory, NULL);
	}
	for (int i = 0; i < 2 * THREADS; i++)
		pthread_join(threads[i], NULL);
	puts("mapped");
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, add_members, NULL);
	while (seen < 2 * ROUNDS) {
		int n = MUST(epoll_wait(set, &event, 1, -1));
		char c;

		if (n != 1)
			continue;
		seen += (int)MUST(read(*(int *)event.data.ptr, &c, 1));
		close(*(int *)event.data.ptr);
		tell(event.data.ptr);
		free(event.data.ptr);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%d members\n", seen);
	return 0;
}
