/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grown CASE: two versions of which one does a little more, in places that a run comes to one after
 * the other: what rules are learned for.
 */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "victim.h"

static int connection(int *other)
{
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	*other = s[1];
	return s[0];
}

/* Each connection gets an option more in one version, and another size of its buffer. */
static void options(int more)
{
	int on = 1, other, size = NEW ? 40000 : 50000;

	for (int i = 0; i < 3; i++) {
		int fd = connection(&other);

		if (NEW == more)
			MUST(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
		MUST(setsockopt(other, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
		MUST(write(fd, "hello", 5));
	}
}

/* A version that prepares more, sets another mask, and calls a file by another name. */
static void prepares(void)
{
	if (!NEW)
		MUST(chmod(".", 0700));
	umask(NEW ? 027 : 022);
	if (NEW)
		MUST(prctl(PR_SET_DUMPABLE, 1));
	MUST(write(1, NEW ? "version 2\n" : "version 1\n", 10));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "new-options"))
		options(1);
	if (!strcmp(what, "old-options"))
		options(0);
	if (!strcmp(what, "prepares"))
		prepares();
	printf("end\n");
	return 0;
}
