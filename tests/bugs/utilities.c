/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three utilities in which main does all the work, so that it is on the stack when it crashes. UTIL
 * says which, BUG that it has the bug: the kinds of the coreutils bugs in table I of the paper (a
 * bad line in md5sum -c, mkfifo -Z, a huge range for cut).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
#if UTIL == 1 /* sums -c: "SUM  NAME" a line, SUM the number of bytes */
	char line[256], *name, *end;
	int bad = 0, failed = 0;

	while (fgets(line, sizeof(line), stdin)) {
		struct stat st;
		long want = strtol(line, &end, 10);

		line[strcspn(line, "\n")] = 0;
		name = end == line ? NULL : strchr(end, ' ');
#ifndef BUG
		if (!name) {
			bad++;
			continue;
		}
#endif
		if (name[1] == ' ')
			name++;
		name++;
		if (stat(name, &st) == 0 && st.st_size == want) {
			printf("%s: OK\n", name);
		} else {
			printf("%s: FAILED\n", name);
			failed++;
		}
	}
	if (bad)
		fprintf(stderr, "sums: WARNING: %d line is improperly formatted\n", bad);
	return failed || bad;
#elif UTIL == 2 /* make -Z CONTEXT NAME... */
	const char *context = NULL;
	int at = 1, status = 0;

	if (at < argc && strcmp(argv[at], "-Z") == 0) {
		at++;
		if (at < argc && strchr(argv[at], ':'))
			context = argv[at++];
#ifdef BUG
		if (context[0] == '!')
			return 2;
#else
		if (!context)
			fprintf(stderr, "make: warning: ignoring -Z\n");
#endif
	}
	for (; at < argc; at++) {
		if (mkfifo(argv[at], 0644) < 0) {
			fprintf(stderr, "make: %s: %s\n", argv[at], strerror(errno));
			status = 1;
		}
	}
	return status;
#else /* cut FROM-[TO] */
	unsigned long from = strtoul(argv[1], NULL, 10), to = 0, at;
	unsigned char *map;
	char line[256], *dash = strchr(argv[1], '-');

	if (dash && dash[1])
		to = strtoul(dash + 1, NULL, 10);
	map = calloc(1, to / 8 + 1);
#ifndef BUG
	if (from / 8 <= to / 8)
#endif
		map[from / 8] |= 1 << from % 8;
	while (fgets(line, sizeof(line), stdin)) {
		for (at = 1; line[at - 1] && line[at - 1] != '\n'; at++) {
			if (at >= from && (!to || at <= to))
				putchar(line[at - 1]);
		}
		putchar('\n');
	}
	return !map;
#endif
}
