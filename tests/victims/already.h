/* SPDX-License-Identifier: Apache-2.0 */
/*
 * already CASE: the new version sets what is so already, or asks for a mode that comes to the same;
 * or (cases that begin with x) it sets something else.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "victim.h"

static void set_file(const char *what)
{
	int fd = MUST(open("made", O_CREAT | O_RDWR, 0640));

	MUST(fchmod(fd, 0640));
	if (!strcmp(what, "chmod") && NEW)
		MUST(chmod("made", 0640));
	if (!strcmp(what, "fchmod") && NEW)
		MUST(fchmod(fd, 0640));
	if (!strcmp(what, "chown") && NEW) {
		MUST(chown("made", getuid(), getgid()));
		MUST(fchown(fd, -1, getgid()));
	}
	if (!strcmp(what, "x-chmod") && NEW)
		MUST(chmod("made", 0600));
	if (!strcmp(what, "x-fchmod") && NEW)
		MUST(fchmod(fd, 0644));
	if (!strcmp(what, "x-chmod-both"))
		MUST(chmod("made", NEW ? 0600 : 0604));
	if (!strcmp(what, "x-something") && NEW)
		MUST(write(fd, "x", 1));
	MUST(write(fd, "text\n", 5));
	if (!strcmp(what, "nothing") && NEW)
		MUST(write(fd, "", 0));
	MUST(close(fd));
}

static void set_process(const char *what)
{
	cpu_set_t cpus;

	if (!strcmp(what, "ids") && NEW) {
		MUST(setgid(getgid()));
		MUST(setresuid(-1, getuid(), -1));
		MUST(setuid(getuid()));
	}
	if (!strcmp(what, "group") && NEW)
		MUST(setpgid(0, getpgrp()));
	if (!strcmp(what, "cpus") && NEW) {
		MUST(sched_getaffinity(0, sizeof(cpus), &cpus));
		MUST(sched_setaffinity(0, sizeof(cpus), &cpus));
	}
	if (!strcmp(what, "cpus-asked") && NEW) {
		MUST(sched_getaffinity(0, sizeof(cpus), &cpus));
		if (CPU_COUNT(&cpus) != sysconf(_SC_NPROCESSORS_ONLN))
			printf("only %d CPUs\n", CPU_COUNT(&cpus));
	}
	if (!strcmp(what, "x-group") && NEW)
		MUST(setpgid(0, 0));
}

static void set_socket(const char *what)
{
	struct linger linger = { 0 };
	int fd = MUST(socket(AF_INET, SOCK_STREAM, 0));

	if (!strcmp(what, "x-linger"))
		linger.l_linger = 5;
	if (NEW)
		MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	MUST(listen(fd, 1));
	if (strstr(what, "listen") && NEW)
		MUST(listen(fd, !strcmp(what, "listen") ? 1 : 2));
	MUST(close(fd));
}

static void make(const char *what)
{
	umask(022);
	if (!strcmp(what, "mode"))
		MUST(write(MUST(open("new", O_CREAT | O_WRONLY, NEW ? 0666 : 0644)), "x", 1));
	if (!strcmp(what, "mode-folder"))
		MUST(mkdir("new", NEW ? 0777 : 0755));
	if (!strcmp(what, "x-mode"))
		MUST(close(MUST(open("new", O_CREAT | O_WRONLY, NEW ? 0664 : 0640))));
	if (!strcmp(what, "x-mode-folder"))
		MUST(mkdir("new", NEW ? 0777 : 0700));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strstr(what, "mode") && !strstr(what, "chmod"))
		make(what);
	else if (strstr(what, "linger") || strstr(what, "listen"))
		set_socket(what);
	else
		set_process(what);
	if (!strstr(what, "mode") || strstr(what, "chmod"))
		set_file(what);
	printf("%s\n", what);
	return 0;
}
