/* SPDX-License-Identifier: Apache-2.0 */
/* lines [NUMBER WHAT]: see lines_new.c. */
#include <fcntl.h>
#include <signal.h>

#include "victim.h"

/* What servers do with a fault: say so, and end. */
static void report(int sig)
{
	MUST(write(2, "crashed\n", 8));
	_exit(9);
}

static void misbehave(const char *what)
{
	volatile int zero = 0;

	if (strcmp(what, "fpe") == 0)
		zero = 7 / zero;
	if (strcmp(what, "fault") == 0)
		*(volatile int *)16 = 1;
	if (strcmp(what, "handled") == 0)
		*(volatile int *)16 = 1;
	if (strcmp(what, "abort") == 0)
		abort();
	if (strcmp(what, "exit") == 0)
		_exit(17);
	if (strcmp(what, "write") == 0)
		MUST(write(1, "something else\n", 15));
	if (strcmp(what, "open") == 0)
		close(MUST(open("/dev/zero", O_RDONLY)));
	if (strcmp(what, "unlink") == 0)
		MUST(unlink("precious"));
	if (strcmp(what, "unknown") == 0)
		syscall(9999, 1, 2, 3);
	if (strcmp(what, "spin") == 0) {
		for (;;) {
		}
	}
}

int main(int argc, char **argv)
{
	unsigned long at = argc > 2 ? strtoul(argv[1], NULL, 10) : 0, n = 0;
	char line[256];

	if (argc > 2 && strcmp(argv[2], "handled") == 0)
		signal(SIGSEGV, report);
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		n++;
		if (NEW && n == at)
			misbehave(argv[2]);
		printf("%lu %s", n, line);
	}
	return 5;
}
