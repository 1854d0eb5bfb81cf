/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon: a grandchild in a session of its own, whose parent exits. */
#include <signal.h>
#include <sys/wait.h>

#include "victim.h"

int main(void)
{
	int p[2];
	char text[32];

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(pipe(p));
	if (MUST(fork()) == 0) {
		pid_t parent = getpid();

		if (MUST(fork()) > 0)
			_exit(0);
		MUST(setsid());
		while (getppid() == parent)
			usleep(1000);
		dprintf(p[1], "daemon %d %d", getsid(0) == getpid(), getpgrp() == getpid());
		_exit(0);
	}
	close(p[1]);
	MUST(wait(NULL));
	memset(text, 0, sizeof(text));
	MUST(read(p[0], text, sizeof(text) - 1));
	puts(text);
	return 3;
}
