/* SPDX-License-Identifier: Apache-2.0 */
/* A process leads a session of its own, and a child of its a group: also after the old version has
 * crashed. */
#include <sys/wait.h>

#include "victim.h"

static void lead_session(void)
{
	pid_t child;
	int go[2];

	MUST(setsid());
	MUST(pipe(go));
	child = MUST(fork());
	if (child == 0) {
		char byte;

		MUST(setpgid(0, 0));
		MUST(read(go[0], &byte, 1));
		SEE(getsid(0) == getppid());
		SEE(getpgrp() == getpid());
		fflush(stdout);
		_exit(0);
	}
	while (getpgid(child) != child)
		usleep(1000);
	if (CRASHES)
		*(volatile int *)8 = 1;
	SEE(getsid(0) == getpid());
	SEE(getpgrp() == getpid());
	fflush(stdout);
	MUST(write(go[1], "x", 1));
	MUST(wait(NULL));
}

int main(void)
{
	if (MUST(fork()) == 0) {
		lead_session();
		_exit(0);
	}
	MUST(wait(NULL));
	return 0;
}
