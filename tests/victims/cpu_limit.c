/* SPDX-License-Identifier: Apache-2.0 */
/* Children that compute until the kernel stops them at their limit of CPU time. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "victim.h"

static volatile sig_atomic_t told;

static void on_limit(int sig)
{
	told = sig;
}

static void limit_self(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { soft, hard }, seen;

	MUST(setrlimit(RLIMIT_CPU, &limit));
	MUST(prlimit(0, RLIMIT_CPU, &limit, &seen));
	printf("%d %d\n", (int)seen.rlim_cur, (int)seen.rlim_max);
}

int main(void)
{
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (MUST(fork()) == 0) {
		limit_self(1, 1);
		for (;;)
			told = told;
	}
	MUST(wait(&status));
	printf("ended by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	if (MUST(fork()) == 0) {
		signal(SIGXCPU, on_limit);
		limit_self(1, 20);
		while (!told)
			;
		printf("told of %d\n", told);
		_exit(3);
	}
	MUST(wait(&status));
	printf("status %d\n", WEXITSTATUS(status));
	return 0;
}
