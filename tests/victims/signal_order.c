/* SPDX-License-Identifier: Apache-2.0 */
/* A signal that a child sends before it ends is there once the parent has waited for it. */
#include <signal.h>
#include <sys/wait.h>

#include "victim.h"

static volatile sig_atomic_t got;

static void count(int sig)
{
	got++;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = count };
	int missed = 0;

	MUST(sigaction(SIGUSR2, &sa, NULL));
	for (int i = 0; i < 20; i++) {
		pid_t child = MUST(fork());

		if (child == 0) {
			MUST(kill(getppid(), SIGUSR2));
			_exit(0);
		}
		while (waitpid(child, NULL, 0) == -1 && errno == EINTR) {
		}
		missed += got != i + 1;
	}
	printf("missed %d\n", missed);
	return 0;
}
