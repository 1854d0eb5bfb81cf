/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serving: a server with a child for each request. The new version crashes at each: so the child is
 * made while the other is alone, is still making calls when the version comes back, and is copied
 * with its parent. It says how many requests have ended well.
 */
#include <sys/wait.h>

#include "victim.h"

#define REQUESTS 12
#define CALLS	 15000

static volatile int served;

static int answer(int n);

int main(void)
{
	int status, well = 0;

	for (int n = 1; n <= REQUESTS; n++) {
		const int want = answer(n);
		pid_t child = MUST(fork());

		for (int i = 0; child == 0 && i < CALLS; i++)
			alarm(100);
		if (child == 0)
			_exit(want);
		MUST(waitpid(child, &status, 0));
		well += WIFEXITED(status) && WEXITSTATUS(status) == n;
	}
	printf("%d well, %d served\n", well, served);
	return 0;
}
