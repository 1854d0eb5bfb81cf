/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors passed over a socket (SCM_RIGHTS), to itself and to a child; credentials too. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

static void give(int sock, const int *fds, int n)
{
	char control[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	MUST(sendmsg(sock, &m, 0));
}

static int take(int sock, int *fds, int flags)
{
	char control[CMSG_SPACE(sizeof(int) * 8)], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int n;

	MUST(recvmsg(sock, &m, flags));
	c = CMSG_FIRSTHDR(&m);
	if (!c)
		return 0;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return n;
}

int main(void)
{
	int pair[2], p[2], fds[8], n, file;
	char text[16] = "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	MUST(pipe(p));
	file = MUST(open("rights.txt", O_RDWR | O_CREAT | O_TRUNC, 0644));
	give(pair[0], (int[]){ p[0], p[1], file }, 3);
	close(p[0]);
	close(p[1]);
	n = take(pair[1], fds, MSG_CMSG_CLOEXEC);
	printf("%d descriptors: %d %d %d\n", n, fds[0], fds[1], fds[2]);
	SEE(fcntl(fds[0], F_GETFD) == FD_CLOEXEC);
	MUST(write(fds[1], "hello", 5));
	MUST(read(fds[0], text, 5));
	puts(text);
	MUST(write(fds[2], "in the file\n", 12));
	SEE(lseek(file, 0, SEEK_CUR) == 12);
	fflush(stdout);
	if (MUST(fork()) == 0) {
		int got[8];

		n = take(pair[1], got, 0);
		printf("child %d\n", n);
		dprintf(got[0], "from the child\n");
		fflush(stdout);
		_exit(0);
	}
	give(pair[0], &file, 1);
	MUST(wait(NULL));
	SEE(lseek(file, 0, SEEK_CUR) == 27);
	return 0;
}
