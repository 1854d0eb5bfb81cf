/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes: full, closed at either end, with splice, tee, vmsplice, sendfile; sockets of each kind. */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "victim.h"

static void sockets(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = MUST(socket(AF_INET, SOCK_STREAM, 0)), c, s, one = 1;
	char text[16] = "";

	MUST(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	MUST(bind(l, (struct sockaddr *)&a, len));
	MUST(listen(l, 5));
	MUST(getsockname(l, (struct sockaddr *)&a, &len));
	c = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	SEE(connect(c, (struct sockaddr *)&a, len) == 0 || errno == EINPROGRESS);
	s = MUST(accept4(l, NULL, NULL, SOCK_CLOEXEC));
	MUST(send(s, "over tcp", 8, MSG_NOSIGNAL));
	while (recv(c, text, sizeof(text), 0) < 0)
		usleep(100);
	puts(text);
	MUST(shutdown(s, SHUT_WR));
	close(s);
	close(l);
	SEE(socket(AF_INET, 77, 0) == -1);
}

int main(void)
{
	int p[2], q[2], file = MUST(open("piped", O_RDWR | O_CREAT | O_TRUNC, 0600));
	struct iovec iov[2] = { { "one ", 4 }, { "two\n", 4 } };
	char buf[65536] = "";
	off_t at = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	MUST(pipe2(p, O_NONBLOCK));
	MUST(pipe2(q, O_CLOEXEC));
	size_t filled = 0;
	for (long n; (n = write(p[1], buf, sizeof(buf))) > 0;)
		filled += n;
	printf("%zu, %s\n", filled, strerror(errno));
	while (read(p[0], buf, sizeof(buf)) > 0) {
	}
	MUST(writev(q[1], iov, 2));
	MUST(tee(q[0], p[1], 100, 0));
	MUST(splice(q[0], NULL, file, NULL, 100, 0));
	MUST(sendfile(p[1], file, &at, 100));
	memset(buf, 0, sizeof(buf));
	MUST(read(p[0], buf, sizeof(buf)));
	fputs(buf, stdout);
	close(p[0]);
	SEE(write(p[1], "x", 1) == -1 && errno == EPIPE);
	close(q[1]);
	SEE(read(q[0], buf, 1) == 0);
	sockets();
	fflush(stdout);
	if (MUST(fork()) == 0) {
		signal(SIGPIPE, SIG_DFL);
		if (write(p[1], "x", 1))
			_exit(1);
	}
	int status;
	MUST(wait(&status));
	SEE(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	return 0;
}
