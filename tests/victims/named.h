/* SPDX-License-Identifier: Apache-2.0 */
/*
 * named CASE: what is made under a name that the other version does not choose: a random one, or
 * (cases that begin with x) one that means something.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "victim.h"

/* The old version's, the new version's. */
static const char *either(const char *old, const char *new)
{
	return NEW ? new : old;
}

static void make_file(const char *name)
{
	int fd = MUST(open(name, O_CREAT | O_EXCL | O_WRONLY, 0600));

	MUST(write(fd, "made\n", 5));
	MUST(close(fd));
}

/* As a program does that puts a file in the place of another one. */
static void make_random(const char *what)
{
	char name[] = "tmp.XXXXXX";
	/* As likely as any other pair. */
	const bool plain = !strcmp(what, "letters");

	memcpy(name + 4, plain ? either("HFWBOD", "bsjefg") : either("aB3xZ9", "Qr7LmW"), 6);
	if (!strcmp(what, "symlink"))
		MUST(symlink("first", name));
	if (!strcmp(what, "link"))
		MUST(link("first", name));
	if (!strcmp(what, "folder"))
		MUST(mkdir(name, 0700));
	if (!strcmp(what, "fifo"))
		MUST(mkfifo(name, 0600));
	if (!strcmp(what, "file") || plain)
		make_file(name);
	MUST(rename(name, "place"));
}

/* In memory of its own, as a random name is. */
static const char *meant(const char *old, const char *new)
{
	static char name[32];

	snprintf(name, sizeof(name), "%s", either(old, new));
	return name;
}

static void make_meant(const char *what)
{
	if (!strcmp(what, "x-number"))
		MUST(mkdir(meant("cache1", "cache2"), 0700));
	if (!strcmp(what, "x-word"))
		MUST(mkdir(meant("stable", "test"), 0700));
	if (!strcmp(what, "x-date"))
		make_file(meant("log.20251130", "log.20261201"));
	if (!strcmp(what, "x-release"))
		MUST(symlink("first", meant("release-12a", "release-13b")));
	if (!strcmp(what, "x-target"))
		MUST(symlink(meant("./first", ".//first"), "link"));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	make_file("first");
	if (what[0] == 'x')
		make_meant(what);
	else
		make_random(what);
	printf("%s\n", what);
	return 0;
}
