/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults that a program takes on purpose, as language runtimes do: a write barrier that opens the
 * page, a null check that jumps out; in several threads, with calls between them.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "victim.h"

#define PAGES 64

static __thread sigjmp_buf escape;
static __thread volatile sig_atomic_t barriers;
static char *pages;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *at = info->si_addr;

	if (at < pages || at >= pages + PAGES * 4096l)
		siglongjmp(escape, 1);
	barriers++;
	mprotect((void *)((unsigned long)at & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

static void *work(void *arg)
{
	long caught = 0;

	for (long i = (long)arg; i < PAGES; i += 4) {
		pages[i * 4096] = 1;
		if (i % 3 == 0)
			getppid();
		if (sigsetjmp(escape, 1) == 0)
			*(volatile int *)(i * 8) = 1;
		else
			caught++;
	}
	return (void *)(barriers * 1000 + caught);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	pthread_t threads[4];
	void *seen;

	pages = mmap(NULL, PAGES * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(sigaction(SIGSEGV, &sa, NULL));
	printf("alone %ld\n", (long)work((void *)3));
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &seen);
		printf("thread %ld\n", (long)seen);
	}
	/* The last one has no handler any more. */
	sa.sa_sigaction = (void *)SIG_DFL;
	MUST(sigaction(SIGUSR1, &sa, NULL));
	return 6;
}
