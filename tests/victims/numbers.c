/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that open, copy and close descriptors at once, so that which of them gets which number is
 * chance; each must always find its own file behind its number.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "victim.h"

#define ROUNDS 60

static int listener;

static void expect(int fd, const struct stat *want, const char *what)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_ino != want->st_ino || st.st_dev != want->st_dev)
		printf("%s: another file\n", what);
}

static void *copies(void *arg)
{
	const char *path = arg;
	struct stat want;

	MUST(stat(path, &want));
	for (int i = 0; i < ROUNDS; i++) {
		int a = MUST(open(path, O_RDONLY | O_CLOEXEC));
		int b = MUST(i % 2 ? dup(a) : fcntl(a, F_DUPFD_CLOEXEC, 0));

		expect(a, &want, "opened");
		close(a);
		expect(b, &want, "copied");
		close(b);
	}
	return NULL;
}

static void *connections(void *arg)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char c;

	MUST(getsockname(listener, (struct sockaddr *)&addr, &len));
	for (int i = 0; i < ROUNDS; i++) {
		int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

		MUST(connect(fd, (struct sockaddr *)&addr, len));
		if (read(fd, &c, 1) != 1 || c != 'x')
			puts("connection: no answer");
		close(fd);
	}
	return NULL;
}

static void *answers(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int fd = MUST(accept(listener, NULL, NULL));

		MUST(write(fd, "x", 1));
		close(fd);
	}
	return NULL;
}

int main(void)
{
	static void *(*const work[])(void *) = { copies, copies, connections, answers };
	static char *const paths[] = { "/dev/null", "/dev/zero", NULL, NULL };
	sa_family_t family = AF_UNIX;
	pthread_t threads[4];

	listener = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(listener, (struct sockaddr *)&family, sizeof(family)));
	MUST(listen(listener, 8));
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, work[i], paths[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("next %d\n", dup(0));
	return 0;
}
