/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requests: answers a line with a line, for ever. The two versions answer "differ" differently, and
 * all else alike: they diverge for one request.
 */
#include "victim.h"

static unsigned served;

static __attribute__((noinline)) void answer(const char *line)
{
	char out[128];

	if (strcmp(line, "differ") == 0)
		snprintf(out, sizeof(out), "%u %s\n", ++served, NEW ? "as the new" : "as old");
	else
		snprintf(out, sizeof(out), "%u %s\n", ++served, line);
	MUST(write(1, out, strlen(out)));
}

static __attribute__((noinline)) int next(char *line, size_t size)
{
	size_t n = 0;
	char c;

	while (n + 1 < size && read(0, &c, 1) == 1 && c != '\n')
		line[n++] = c;
	line[n] = '\0';
	return n != 0;
}

int main(void)
{
	char line[100];

	while (next(line, sizeof(line)))
		answer(line);
	return 0;
}
