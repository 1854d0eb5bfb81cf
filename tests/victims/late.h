/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes files until that is the agents' work, and then does with what it has just opened
 * all that a process of its own needs the descriptor for. late FILE [crash|apart]: at the end the
 * one version (CRASHES) is lost, or goes its own way (PARTS), with files open that it opened last.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name;

static int open_it(int flags)
{
	int fd = open(name, O_RDONLY | flags);

	if (fd < 0)
		_exit(10);
	return fd;
}

/* Five bytes from where the descriptor stands; the file is "0123456789..." over and over. */
static int digits(int fd)
{
	char buf[6] = { 0 };

	return read(fd, buf, 5) == 5 ? atoi(buf) : -1;
}

static void warm_up(void)
{
	struct stat st;
	int sum = 0;

	for (int i = 0; i < 300; i++) {
		int fd = open_it(i % 2 ? O_CLOEXEC : 0);

		sum += digits(fd) + (fstat(fd, &st) == 0 ? (int)st.st_size : 0) + fd;
		sum += close(fd);
	}
	printf("%d, then %d\n", sum, close(99));
}

static void use(void)
{
	int fd = open_it(0), other, status;
	const char *map;
	pid_t child;

	digits(fd);
	child = fork();
	if (child == 0)
		_exit(digits(fd) == 56789 ? 7 : 8);
	if (waitpid(child, &status, 0) != child)
		status = -1;
	printf("child %d, then %d\n", WEXITSTATUS(status), digits(fd));
	close(fd);
	fd = open_it(0);
	map = mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 0);
	printf("mapped %.3s\n", map == MAP_FAILED ? "not" : map);
	close(fd);
	fd = open_it(0);
	other = dup(fd);
	digits(fd);
	close(fd);
	printf("copy %d: %d\n", other, digits(other));
	fd = open_it(0);
	printf("onto it: %d, %d\n", dup2(other, fd) == fd, digits(fd));
	close(fd);
	close(other);
	fd = open_it(O_CLOEXEC);
	printf("flags %d\n", fcntl(fd, F_GETFD));
	close(fd);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";
	int a, b, c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return 2;
	name = argv[1];
	warm_up();
	use();
	a = open_it(0);
	b = open_it(O_CLOEXEC);
	c = open_it(0);
	digits(a);
	close(b);
	if (strcmp(how, "crash") == 0 && CRASHES)
		*(volatile int *)argv = *(volatile int *)(unsigned long)argc;
	if (strcmp(how, "apart") == 0 && PARTS)
		printf("my own way\n");
	printf("%d and %d, at %d and %d\n", digits(a), digits(c), a, c);
	b = open_it(0);
	printf("again %d: %d\n", b, digits(b));
	return 0;
}
