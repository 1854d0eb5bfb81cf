/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differ CASE: two versions that do the same in other ways (cases a..), or something else (cases
 * that begin with x). Each prints what it found, so that a wrong answer shows in the output.
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <time.h>

#include "victim.h"

#define TEXT "one two three four five six seven eight nine ten\n"

static char buf[4096];

static void in_pieces(int fd, const char *text, size_t piece)
{
	for (size_t len = strlen(text), n; len; text += n, len -= n) {
		n = len < piece ? len : piece;
		n = MUST(write(fd, text, n));
	}
}

static void two_vectors(int fd, const char *text, size_t first)
{
	struct iovec v[2] = { { (void *)text, first },
		{ (void *)(text + first), strlen(text) - first } };

	MUST(writev(fd, v, 2));
}

static void read_all(int fd, size_t piece)
{
	ssize_t n;
	size_t len = 0;

	while ((n = MUST(read(fd, buf + len, piece))) > 0)
		len += n;
	buf[len] = '\0';
	printf("%zu: %s", len, buf);
}

static int text_file(void)
{
	int fd = MUST(open("text", O_RDWR | O_CREAT | O_TRUNC, 0600));

	MUST(write(fd, TEXT TEXT, strlen(TEXT TEXT)));
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

static void on_signal(int sig)
{
}

/* geteuid and getegid against one call */
static void ids(void)
{
	uid_t r, e, s;

	if (NEW) {
		MUST(getresuid(&r, &e, &s));
	} else {
		e = geteuid();
		(void)getegid();
	}
	printf("%d\n", e == 0 || e > 0);
}

static void random_source(const char *path)
{
	if (NEW) {
		int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));

		MUST(read(fd, buf, 16));
		MUST(close(fd));
	}
	close(MUST(open("after", O_WRONLY | O_CREAT, 0600)));
}

static void pipe_through(size_t old_piece, size_t new_piece)
{
	int p[2];

	MUST(pipe(p));
	in_pieces(p[1], TEXT, NEW ? new_piece : old_piece);
	MUST(close(p[1]));
	read_all(p[0], NEW ? old_piece : new_piece);
}

static int socket_pair(int type, int *other)
{
	int s[2];

	MUST(socketpair(AF_UNIX, type, 0, s));
	*other = s[1];
	return s[0];
}

static void harmless(const char *what)
{
	struct rlimit lim;
	struct utsname u;
	struct stat st;
	int fd, other, on = 1;
	socklen_t len = sizeof(on);

	if (!strcmp(what, "ids"))
		ids();
	if (!strcmp(what, "urandom"))
		random_source("/dev/urandom");
	if (!strcmp(what, "read-large"))
		read_all(text_file(), NEW ? sizeof(buf) / 2 : 7);
	if (!strcmp(what, "read-small"))
		read_all(text_file(), NEW ? 7 : sizeof(buf) / 2);
	if (!strcmp(what, "writev")) {
		if (NEW)
			two_vectors(1, TEXT, 9);
		else
			MUST(write(1, TEXT, strlen(TEXT)));
	}
	if (!strcmp(what, "write-pieces"))
		in_pieces(1, TEXT TEXT, NEW ? 5 : 200);
	if (!strcmp(what, "write-whole"))
		in_pieces(1, TEXT TEXT, NEW ? 200 : 5);
	if (!strcmp(what, "write-across"))
		in_pieces(1, TEXT TEXT TEXT, NEW ? 11 : 17);
	if (!strcmp(what, "file-pieces"))
		in_pieces(MUST(open("out", O_WRONLY | O_CREAT, 0600)), TEXT TEXT, NEW ? 30 : 8);
	if (!strcmp(what, "pipe"))
		pipe_through(11, 23);
	if (!strcmp(what, "getrandom") && NEW)
		MUST(getrandom(buf, 16, 0));
	if (!strcmp(what, "clock")) {
		struct timespec ts;

		for (int i = 0; i < (NEW ? 1 : 3); i++)
			MUST(syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts));
	}
	if (!strcmp(what, "stat-first")) {
		fd = text_file();
		if (NEW)
			MUST(fstat(fd, &st));
		if (!NEW)
			MUST(access("text", R_OK));
		read_all(fd, 1000);
	}
	if (!strcmp(what, "attributes")) {
		fd = text_file();
		if (NEW)
			(void)llistxattr("text", buf, sizeof(buf));
		else
			(void)flistxattr(fd, buf, sizeof(buf));
		read_all(fd, 1000);
	}
	if (!strcmp(what, "advice")) {
		fd = text_file();
		if (NEW)
			MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
		else
			MUST(readahead(fd, 0, 4096));
		read_all(fd, 1000);
	}
	if (!strcmp(what, "deleted-member")) {
		struct epoll_event ev = { EPOLLIN, { 0 } }, other_ev = { EPOLLOUT, { 0 } };
		int set = MUST(epoll_create1(0));

		fd = socket_pair(SOCK_STREAM, &other);
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev));
		MUST(epoll_ctl(set, EPOLL_CTL_DEL, fd, NEW ? &other_ev : NULL));
		SEE(epoll_ctl(set, EPOLL_CTL_MOD, fd, &ev) < 0);
	}
	if (!strcmp(what, "limits")) {
		MUST(NEW ? getrlimit(RLIMIT_NOFILE, &lim) : uname(&u));
		MUST(getpid());
	}
	if (!strcmp(what, "descriptor-state")) {
		fd = socket_pair(SOCK_STREAM, &other);
		if (NEW)
			MUST(getsockopt(fd, SOL_SOCKET, SO_TYPE, &on, &len));
		else
			MUST(fcntl(fd, F_GETFL));
		MUST(write(fd, "x", 1));
	}
	if (!strcmp(what, "sendto")) {
		fd = socket_pair(SOCK_STREAM, &other);
		if (NEW)
			MUST(send(fd, TEXT, strlen(TEXT), MSG_NOSIGNAL));
		else
			MUST(write(fd, TEXT, strlen(TEXT)));
		MUST(close(fd));
		read_all(other, 1000);
	}
	if (!strcmp(what, "at-calls")) {
		if (NEW) {
			MUST(syscall(SYS_mkdirat, AT_FDCWD, "dir", 0700));
			MUST(syscall(SYS_faccessat, AT_FDCWD, "dir", R_OK));
			close(MUST(
				syscall(SYS_openat, AT_FDCWD, "dir/f", O_CREAT | O_WRONLY, 0600)));
			MUST(syscall(SYS_unlinkat, AT_FDCWD, "dir/f", 0));
			MUST(syscall(SYS_unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR));
		} else {
			MUST(syscall(SYS_mkdir, "dir", 0700));
			MUST(syscall(SYS_access, "dir", R_OK));
			close(MUST(syscall(SYS_open, "dir/f", O_CREAT | O_WRONLY, 0600)));
			MUST(syscall(SYS_unlink, "dir/f"));
			MUST(syscall(SYS_rmdir, "dir"));
		}
	}
	if (!strcmp(what, "dup3")) {
		MUST(NEW ? syscall(SYS_dup3, 1, 9, 0) : syscall(SYS_dup2, 1, 9));
		MUST(dprintf(9, "said by the copy\n"));
	}
	if (!strcmp(what, "pipe2")) {
		int p[2];

		MUST(NEW ? syscall(SYS_pipe2, p, 0) : syscall(SYS_pipe, p));
		printf("%d %d\n", p[0], p[1]);
	}
	if (!strcmp(what, "proc"))
		random_source("/proc/stat");
	if (!strcmp(what, "flags")) {
		fd = text_file();
		close(MUST(open("text", O_RDONLY | (NEW ? O_CLOEXEC | O_NOCTTY : 0))));
		MUST(socket(AF_INET, SOCK_STREAM, NEW ? IPPROTO_TCP : 0));
		MUST(socket(
			AF_INET, SOCK_STREAM | (NEW ? SOCK_CLOEXEC : 0), NEW ? 0 : IPPROTO_TCP));
	}
	if (!strcmp(what, "sigaction-query") && NEW) {
		struct sigaction sa;

		MUST(sigaction(SIGUSR1, NULL, &sa));
		printf("");
	}
}

/* Asks the kernel, by a message of that type, and hears of changes to those groups. */
static void routes(int type, uint32_t groups)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = groups };
	struct {
		struct nlmsghdr head;
		struct rtgenmsg of;
	} ask = { { sizeof(ask), type, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 }, { AF_UNSPEC } };
	const struct nlmsghdr *head = (void *)buf;
	int fd = MUST(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	MUST(bind(fd, (struct sockaddr *)&nl, sizeof(nl)));
	nl.nl_groups = 0;
	MUST(sendto(fd, &ask, sizeof(ask), 0, (struct sockaddr *)&nl, sizeof(nl)));
	do
		MUST(recvmsg(fd, &m, 0));
	while (head->nlmsg_type != NLMSG_DONE && head->nlmsg_type != NLMSG_ERROR);
	MUST(close(fd));
}

/* What one version makes, uses and closes where the other does not. */
static void own_descriptors(const char *what)
{
	struct sockaddr_un nscd = { AF_UNIX, "/var/run/nscd/socket" };
	int fd, p[2], on = 1;

	close(text_file());
	if (NEW && !strcmp(what, "own-eventfd")) {
		fd = MUST(eventfd(0, EFD_CLOEXEC));
		MUST(write(fd, "\1\0\0\0\0\0\0\0", 8));
		MUST(read(fd, buf, 8));
	}
	if (NEW && !strcmp(what, "own-pipe")) {
		MUST(pipe(p));
		MUST(write(p[1], "x", 1));
		MUST(read(p[0], buf, 1));
		MUST(close(p[0]));
		MUST(close(p[1]));
	}
	if (NEW && !strcmp(what, "own-socket")) {
		fd = MUST(socket(AF_INET6, SOCK_DGRAM, 0));
		MUST(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
		MUST(close(fd));
	}
	if (NEW && !strcmp(what, "own-nscd")) {
		fd = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		(void)connect(fd, (struct sockaddr *)&nscd, sizeof(nscd));
		MUST(close(fd));
	}
	if (NEW && !strcmp(what, "own-routes"))
		routes(RTM_GETADDR, 0);
	/* Both make a set, one of them something else before it. */
	if (!strcmp(what, "own-before-another")) {
		if (NEW)
			MUST(timerfd_create(CLOCK_MONOTONIC, 0));
		if (NEW)
			MUST(eventfd(0, 0));
		printf("%d\n", MUST(epoll_create1(0)) > 0);
	}
	/* A file that is there, a folder, and a file that is not. */
	if (NEW && !strcmp(what, "own-file")) {
		fd = MUST(open("text", O_RDONLY));
		MUST(read(fd, buf, 100));
		MUST(close(fd));
		fd = MUST(open(".", O_RDONLY | O_DIRECTORY));
		MUST(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
		MUST(close(fd));
		(void)open("nothing", O_RDONLY);
	}
	if (NEW && !strcmp(what, "own-localtime")) {
		fd = open("/etc/localtime", O_RDONLY);
		while (fd >= 0 && read(fd, buf, 100) > 0) {
		}
		if (fd >= 0)
			MUST(close(fd));
	}
	close(MUST(open("after", O_WRONLY | O_CREAT, 0600)));
}

/* A file that is open for reading only, read in another way. */
static void other_reads(const char *what)
{
	int fd, other;
	void *map;

	close(text_file());
	fd = MUST(open("text", O_RDONLY));
	if (!strcmp(what, "reads-mapped")) {
		if (NEW) {
			map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
			memcpy(buf, map, strlen(TEXT TEXT));
		} else {
			MUST(read(fd, buf, sizeof(buf)));
		}
	}
	if (!strcmp(what, "reads-end")) {
		MUST(read(fd, buf, strlen(TEXT TEXT)));
		if (NEW)
			MUST(read(fd, buf + 1000, 100));
	}
	if (!strcmp(what, "reads-size")) {
		printf("%d\n", NEW ? (int)lseek(fd, 0, SEEK_END) : (int)strlen(TEXT TEXT));
		if (NEW)
			MUST(lseek(fd, 0, SEEK_SET));
		MUST(read(fd, buf, 100));
	}
	if (!strcmp(what, "reads-places")) {
		if (NEW)
			MUST(read(fd, buf, 20));
		MUST(pread(fd, buf, NEW ? 7 : 10, 0));
		MUST(pread(fd, buf + (NEW ? 7 : 10), 10, NEW ? 7 : 10));
	}
	if (!strcmp(what, "reads-order")) {
		other = MUST(open("text", O_RDONLY));
		MUST(read(NEW ? fd : other, buf + (NEW ? 0 : 5), NEW ? 5 : 6));
		MUST(read(NEW ? other : fd, buf + (NEW ? 5 : 0), NEW ? 6 : 5));
		MUST(close(NEW ? fd : other));
		MUST(close(NEW ? other : fd));
	}
	printf("%.10s\n", buf);
}

/* What leaves nothing behind, and the order of what nobody sees. */
static void idle(const char *what)
{
	int fd[2];

	if (NEW && !strcmp(what, "idle-close"))
		for (int i = 60; i < 70; i++)
			(void)close(i);
	if (NEW && !strcmp(what, "idle-name"))
		MUST(prctl(PR_SET_NAME, "worker"));
	if (!strcmp(what, "open-order")) {
		close(text_file());
		close(MUST(open("second", O_WRONLY | O_CREAT, 0600)));
		fd[NEW] = MUST(open(NEW ? "second" : "text", O_RDONLY));
		fd[!NEW] = MUST(open(NEW ? "text" : "second", O_RDONLY));
		printf("%zd %zd\n", read(fd[0], buf, 9), read(fd[1], buf, 9));
	}
	close(MUST(open("after", O_WRONLY | O_CREAT, 0600)));
}

/* Computes, without a call, for a second or so. */
static void take_time(void)
{
	for (volatile unsigned long n = 0; n < 400000000; n++) {
	}
}

static void crash(void)
{
	*(volatile int *)16 = 1;
}

/* One version is lost in the midst of pieces: what comes out must be whole all the same. */
static void lost_midway(const char *what)
{
	ssize_t n;
	int fd;

	if (!strcmp(what, "c-write-pieces")) {
		in_pieces(1, NEW ? "one two " : TEXT, NEW ? 3 : 100);
		if (NEW)
			crash();
	}
	if (!strcmp(what, "c-writev-pieces")) {
		if (NEW) {
			in_pieces(1, "one two ", 3);
			crash();
		}
		two_vectors(1, TEXT, 9);
	}
	if (!strcmp(what, "c-read-pieces")) {
		fd = text_file();
		if (NEW) {
			MUST(read(fd, buf, 7));
			MUST(read(fd, buf, 7));
			crash();
		}
		read_all(fd, 1000);
	}
	if (!strcmp(what, "c-read-whole")) {
		fd = text_file();
		if (NEW) {
			MUST(read(fd, buf, 1000));
			crash();
		}
		read_all(fd, 9);
	}
	if (!strcmp(what, "c-pipe-whole")) {
		int p[2];

		MUST(pipe(p));
		in_pieces(p[1], TEXT, 100);
		MUST(close(p[1]));
		if (NEW) {
			MUST(read(p[0], buf, 1000));
			crash();
		}
		read_all(p[0], 9);
	}
	/* The new version waits with all of it until the old one has shown its pieces. */
	if (!strcmp(what, "c-slow-pieces")) {
		if (NEW) {
			MUST(write(1, "aaaabbbbcccc\n", 13));
		} else {
			MUST(write(1, "aaaa", 4));
			take_time();
			MUST(write(1, "bbbb", 4));
			take_time();
			MUST(write(1, "cccc\n", 5));
		}
		n = MUST(read(0, buf, 10));
		printf("%zd\n", n);
	}
}

/* Differences that a file of rules allows. */
static void wanted(const char *what)
{
	int fd, other, on = 1, b;
	struct sigaction sa = { .sa_handler = on_signal };

	if (!strcmp(what, "w-drop") && NEW)
		MUST(chmod(".", 0700));
	if (!strcmp(what, "w-add") && NEW)
		umask(027);
	/* What it brings to the second call then is not what the other version has. */
	if (!strcmp(what, "w-result")) {
		if (NEW)
			umask(027);
		umask(0);
	}
	if (!strcmp(what, "w-rewrite")) {
		on = NEW;
		fd = socket_pair(SOCK_STREAM, &other);
		MUST(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	}
	if (!strcmp(what, "w-sequence") || !strcmp(what, "w-lost")) {
		fd = socket_pair(SOCK_STREAM, &other);
		if (NEW) {
			MUST(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
			if (!strcmp(what, "w-lost"))
				crash();
			MUST(chmod("text", 0640));
		} else {
			MUST(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &on, sizeof(on)));
			MUST(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &on, sizeof(on)));
			MUST(chmod("text", 0600));
		}
	}
	if (!strcmp(what, "seeks-order")) {
		fd = text_file();
		b = MUST(open("text", O_RDONLY));
		MUST(lseek(NEW ? fd : b, NEW ? 3 : 4, SEEK_SET));
		MUST(lseek(NEW ? b : fd, NEW ? 4 : 3, SEEK_SET));
		MUST(read(fd, buf, 10));
		MUST(read(b, buf + 10, 10));
		printf("%.20s\n", buf);
	}
	if (!strcmp(what, "w-order")) {
		if (NEW)
			MUST(prctl(PR_SET_DUMPABLE, 1));
		MUST(chdir("/"));
		if (!NEW)
			MUST(prctl(PR_SET_DUMPABLE, 1));
	}
	if (!strcmp(what, "signals-order")) {
		for (int i = 0; i < 4; i++)
			MUST(sigaction(SIGRTMIN + 2 + (NEW ? i : 3 - i), &sa, NULL));
	}
	if (!strcmp(what, "options-order")) {
		fd = socket_pair(SOCK_STREAM, &other);
		MUST(setsockopt(
			fd, SOL_SOCKET, NEW ? SO_KEEPALIVE : SO_OOBINLINE, &on, sizeof(on)));
		MUST(setsockopt(
			fd, SOL_SOCKET, NEW ? SO_OOBINLINE : SO_KEEPALIVE, &on, sizeof(on)));
	}
	if (!strcmp(what, "x-options-order")) {
		fd = socket_pair(SOCK_STREAM, &other);
		for (int i = 0; i < 2; i++) {
			on = NEW ? i : 1 - i;
			MUST(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
		}
	}
}

#include "differ_harmful.h"

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	harmless(what);
	if (!strncmp(what, "own-", 4))
		own_descriptors(what);
	if (!strncmp(what, "reads-", 6))
		other_reads(what);
	if (!strncmp(what, "idle-", 5) || !strcmp(what, "open-order"))
		idle(what);
	lost_midway(what);
	wanted(what);
	harmful(what);
	printf("end\n");
	return 0;
}
