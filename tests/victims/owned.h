/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers each line with its length. The old version has a descriptor that the new one has not, and
 * uses it at each line; the new one crashes at a line that says so.
 */
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "victim.h"

__attribute__((noinline)) static int makes_one(void)
{
	return !NEW;
}

__attribute__((noinline)) static size_t answer(const char *line)
{
	if (NEW && line[0] == 'c')
		*(volatile int *)16 = 1;
	return strlen(line) - 1;
}

int main(void)
{
	uint64_t one = 1;
	int own = -1;
	char line[100];
	ssize_t n;

	if (makes_one()) {
		own = MUST(eventfd(0, EFD_NONBLOCK));
		MUST(socket(AF_INET, SOCK_DGRAM, 0));
	}
	while ((n = MUST(read(0, line, sizeof(line) - 1))) > 0) {
		line[n] = '\0';
		if (own >= 0) {
			MUST(write(own, &one, sizeof(one)));
			MUST(read(own, &one, sizeof(one)));
		}
		dprintf(1, "%zu %s", answer(line), line);
	}
	return 0;
}
