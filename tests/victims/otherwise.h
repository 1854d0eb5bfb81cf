/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otherwise CASE: two versions that ask for the same by another call, or set for themselves what
 * they set back; and (cases that begin with x) two that only look so. Harmless ones are done often
 * enough for the agents to have their part in them.
 */
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "victim.h"

#define TEXT  "one two three four five six seven eight nine ten\n"
#define TIMES 12

static char buf[4096];

/* One version alone may look: it says only what is wrong. */
#define OUGHT(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			printf("not so: %s\n", #what);                                             \
	} while (0)

/* messages */

static ssize_t by_message(int fd, const char *text, size_t len, int flags, struct sockaddr_in *to)
{
	struct iovec v = { (void *)text, len };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_name = to, .msg_namelen = to ? sizeof(*to) : 0
	};

	return sendmsg(fd, &m, flags);
}

static ssize_t read_message(int fd, size_t first, size_t second)
{
	struct iovec v[2] = { { buf, first }, { buf + first, second } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2, .msg_flags = 77 };
	ssize_t n = recvmsg(fd, &m, 0);

	OUGHT(m.msg_flags == 0 && m.msg_controllen == 0);
	return n;
}

static void show(const char *what, ssize_t n)
{
	printf("%s: %zd %.*s\n", what, n, n > 0 ? (int)n : 0, buf);
}

static void stream(void)
{
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	MUST(NEW ? by_message(s[0], TEXT, 20, 0, NULL) : write(s[0], TEXT, 20));
	show("stream", NEW ? read_message(s[1], 7, 13) : read(s[1], buf, 20));
	MUST(NEW ? send(s[0], TEXT, 9, MSG_NOSIGNAL | MSG_DONTWAIT) : write(s[0], TEXT, 9));
	show("stream", NEW ? recv(s[1], buf, 9, MSG_WAITALL) : read(s[1], buf, 9));
	/* One of them asks again and again, the other waits. */
	MUST(write(s[0], TEXT, 5));
	show("stream", recv(s[1], buf, 9, NEW ? MSG_DONTWAIT : 0));
	MUST(close(s[0]));
	MUST(close(s[1]));
}

static struct sockaddr_in bound(int fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	MUST(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	MUST(getsockname(fd, (struct sockaddr *)&a, &len));
	return a;
}

static void datagrams(void)
{
	int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0)), s[2];
	struct sockaddr_in a = bound(fd);

	MUST(NEW ? by_message(fd, TEXT, 9, 0, &a)
		 : sendto(fd, TEXT, 9, 0, (struct sockaddr *)&a, sizeof(a)));
	show("datagram", NEW ? read_message(fd, 4, 30) : recv(fd, buf, 34, 0));
	MUST(close(fd));
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	MUST(NEW ? write(s[0], TEXT, 12) : send(s[0], TEXT, 12, 0));
	show("datagram", NEW ? read(s[1], buf, 20) : recv(s[1], buf, 30, 0));
	MUST(close(s[0]));
	MUST(close(s[1]));
}

static void peeks(void)
{
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if (NEW)
		(void)!recv(s[1], buf, 5, MSG_PEEK | MSG_DONTWAIT);
	MUST(write(s[0], TEXT, 20));
	if (NEW) {
		MUST(recv(s[1], buf, 7, MSG_PEEK));
		OUGHT(memcmp(buf, TEXT, 7) == 0);
	}
	show("peeked", read(s[1], buf, 20));
	MUST(close(s[0]));
	MUST(close(s[1]));
}

static void accepts(void)
{
	int listener = MUST(socket(AF_INET, SOCK_STREAM, 0));
	struct sockaddr_in a = bound(listener), from = { 0 };
	socklen_t len = sizeof(from);
	int c = MUST(socket(AF_INET, SOCK_STREAM, 0)), fd;

	MUST(listen(listener, 5));
	MUST(connect(c, (struct sockaddr *)&a, sizeof(a)));
	if (NEW) {
		fd = MUST(accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC));
		OUGHT(from.sin_family == AF_INET && len == sizeof(from) &&
			from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	} else {
		fd = MUST(accept(listener, NULL, NULL));
	}
	MUST(write(fd, "x", 1));
	MUST(read(c, buf, 1));
	MUST(close(c));
	MUST(close(fd));
	MUST(close(listener));
	printf("accepted\n");
}

static void rooms(void)
{
	struct epoll_event ev[8] = { { .events = EPOLLIN } };
	struct timeval tv = { 0, 1000 };
	int set = MUST(epoll_create1(0)), p[2];
	fd_set in;

	MUST(pipe(p));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[0], ev));
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	printf("%ld", MUST(select(NEW ? FD_SETSIZE : p[0] + 1, &in, NULL, NULL, &tv)));
	MUST(write(p[1], "x", 1));
	printf(" %ld\n", MUST(epoll_wait(set, ev, NEW ? 8 : 3, 100)));
	MUST(close(p[0]));
	MUST(close(p[1]));
	MUST(close(set));
}

/* children, signals, timers */

static pid_t child(int sig, int status)
{
	pid_t pid = MUST(fork());

	if (pid)
		return pid;
	signal(SIGTERM, SIG_DFL);
	if (sig)
		raise(sig);
	_exit(status);
}

static void waits_for(int sig)
{
	pid_t pid = child(sig, 3);
	siginfo_t info;
	int status = 0;

	if (NEW) {
		MUST(waitid(P_PID, (id_t)pid, &info, WEXITED));
		OUGHT(info.si_pid == pid);
		printf("%s %d\n", info.si_code == CLD_EXITED ? "exit" : "signal", info.si_status);
		return;
	}
	OUGHT(wait(&status) == pid);
	printf("%s %d\n", WIFEXITED(status) ? "exit" : "signal",
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void waits(void)
{
	struct rusage use;
	pid_t pid;
	int r;

	waits_for(0);
	waits_for(SIGTERM);
	pid = child(0, 4);
	while (NEW && (r = waitpid(pid, NULL, WNOHANG)) == 0)
		usleep(1000);
	if (NEW)
		OUGHT(r == pid);
	else
		MUST(wait4(pid, &r, 0, &use));
	printf("waited\n");
}

static void on_signal(int sig)
{
	printf("signal %d\n", sig);
}

static void signals(void)
{
	signal(SIGUSR1, on_signal);
	MUST(NEW ? raise(SIGUSR1) : kill(getpid(), SIGUSR1));
}

static void alarms(void)
{
	struct itimerval it = { .it_value = { 100, 0 } }, was;

	signal(SIGALRM, on_signal);
	if (NEW) {
		MUST(setitimer(ITIMER_REAL, &it, NULL));
		it.it_value.tv_sec = 0;
		MUST(setitimer(ITIMER_REAL, &it, &was));
		printf("%d left\n", was.it_value.tv_sec >= 98);
	} else {
		MUST(alarm(100));
		printf("%d left\n", alarm(0) >= 98);
	}
}

/* what is set, and set back */

static void action(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, was;

	if (NEW)
		MUST(sigaction(SIGPIPE, &ignore, &was));
	MUST(close(MUST(open("made", O_WRONLY | O_CREAT, 0600))));
	if (NEW)
		MUST(sigaction(SIGPIPE, &was, NULL));
	printf("action\n");
}

static void creation(void)
{
	if (NEW) {
		mode_t was = umask(077);

		MUST(access(".", F_OK));
		umask(was);
	}
	MUST(close(MUST(open("made", O_WRONLY | O_CREAT, 0666))));
	printf("creation\n");
}

static void limit(void)
{
	struct rlimit was, less;

	if (NEW) {
		MUST(getrlimit(RLIMIT_NOFILE, &was));
		less = was;
		less.rlim_cur = 64;
		MUST(setrlimit(RLIMIT_NOFILE, &less));
		MUST(setrlimit(RLIMIT_NOFILE, &was));
	}
	printf("limit\n");
}

static void own_memory(void)
{
	if (NEW) {
		MUST(mlock(buf, sizeof(buf)));
		MUST(munlock(buf, sizeof(buf)));
	}
	printf("memory\n");
}

/* files */

static int text_file(int flags)
{
	int fd = MUST(open("text", O_RDWR | O_CREAT, 0600));

	MUST(pwrite(fd, TEXT, sizeof(TEXT) - 1, 0));
	MUST(ftruncate(fd, sizeof(TEXT) - 1));
	MUST(close(fd));
	return MUST(open("text", flags));
}

static void by_name(void)
{
	int fd = text_file(O_RDWR), dir = MUST(open(".", O_RDONLY | O_DIRECTORY));

	MUST(NEW ? fchmod(fd, 0640) : chmod("./text", 0640));
	MUST(NEW ? truncate("text", 10) : ftruncate(fd, 10));
	MUST(NEW ? fchown(fd, -1, -1) : chown("text", -1, -1));
	MUST(NEW ? fchdir(dir) : chdir("."));
	MUST(close(dir));
	MUST(close(fd));
	printf("names\n");
}

static void vectors(void)
{
	int fd = text_file(O_RDWR);
	struct iovec v = { buf, 9 };

	MUST(NEW ? preadv2(fd, &v, 1, 3, 0) : pread(fd, buf, 9, 3));
	MUST(NEW ? pwritev2(fd, &v, 1, 0, 0) : pwrite(fd, buf, 9, 0));
	show("vectors", NEW ? preadv2(fd, &v, 1, -1, 0) : readv(fd, &v, 1));
	MUST(close(fd));
}

static void seeks(void)
{
	int fd = text_file(O_RDONLY);

	MUST(NEW ? lseek(fd, 0, SEEK_END) : lseek(fd, sizeof(TEXT) - 1, SEEK_SET));
	MUST(NEW ? lseek(fd, -9, SEEK_CUR) : lseek(fd, sizeof(TEXT) - 10, SEEK_SET));
	show("seeks", read(fd, buf, 20));
	MUST(close(fd));
}

static void mapped(void)
{
	int fd = MUST(open("text", O_RDONLY));
	void *map;

	if (NEW) {
		map = (void *)MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
		memcpy(buf, map, 30);
		MUST(munmap(map, 4096));
	} else {
		MUST(read(fd, buf, 30));
	}
	show("mapped", 30);
	MUST(close(fd));
}

static void read_more(void)
{
	int fd;

	if (NEW) {
		fd = MUST(open("text", O_RDONLY));
		MUST(read(fd, buf, 10));
		MUST(close(fd));
	}
	printf("read\n");
}

/* A look at what the leader's agent, by then, has opened. */
static void looks(void)
{
	static int times;
	struct stat st = { 0 };
	int fd = MUST(open("text", O_RDONLY));

	MUST(read(fd, buf, 10));
	if (NEW && times++)
		OUGHT(fstat(fd, &st) == 0 && st.st_size == sizeof(TEXT) - 1);
	MUST(close(fd));
	printf("looked\n");
}

static void until(void)
{
	struct timespec ts;

	MUST(clock_gettime(CLOCK_MONOTONIC, &ts));
	if (NEW)
		MUST(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
	printf("until\n");
}

/* closing */

static void close_order(void)
{
	int a = MUST(open("a", O_WRONLY | O_CREAT, 0600));
	int b = MUST(open("b", O_WRONLY | O_CREAT, 0600));

	MUST(close(NEW ? a : b));
	MUST(close(NEW ? b : a));
	printf("order\n");
}

static void close_many(void)
{
	int a = MUST(fcntl(1, F_DUPFD, 50)), b = MUST(fcntl(1, F_DUPFD, 50));

	if (NEW) {
		MUST(syscall(SYS_close_range, a, b, 0));
		MUST(syscall(SYS_close_range, 100, 200, 0));
	} else {
		MUST(close(a));
		MUST(close(b));
		for (int fd = 100; fd <= 200; fd++)
			(void)close(fd);
	}
	printf("many\n");
}

/* what only looks so */

static void x_messages(const char *what)
{
	struct sockaddr_in a, b;
	int s[2], fd, other;
	char c[CMSG_SPACE(sizeof(int))] = "";
	struct iovec v = { TEXT, 9 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(c)
	};

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if (!strcmp(what, "x-message-bytes"))
		MUST(NEW ? by_message(s[0], "abcd", 4, 0, NULL) : write(s[0], "abce", 4));
	if (!strcmp(what, "x-message-length")) {
		(void)(NEW ? by_message(s[0], "abcd", 4, 0, NULL) : write(s[0], "abc", 3));
		_exit(0);
	}
	if (!strcmp(what, "x-message-rights")) {
		*CMSG_FIRSTHDR(&m) =
			(struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &s[1], sizeof(int));
		MUST(NEW ? sendmsg(s[0], &m, 0) : write(s[0], TEXT, 9));
	}
	if (!strcmp(what, "x-message-flags"))
		MUST(NEW ? send(s[0], "a", 1, MSG_OOB) : write(s[0], "a", 1));
	if (!strcmp(what, "x-message-to")) {
		fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
		other = MUST(socket(AF_INET, SOCK_DGRAM, 0));
		a = bound(fd);
		b = bound(other);
		MUST(NEW ? by_message(fd, TEXT, 9, 0, &b)
			 : sendto(fd, TEXT, 9, 0, (struct sockaddr *)&a, sizeof(a)));
	}
	if (!strcmp(what, "x-message-socket"))
		MUST(NEW ? by_message(s[0], "abcd", 4, 0, NULL) : write(s[1], "abcd", 4));
	/* One looks, the other takes. */
	if (!strcmp(what, "x-peek")) {
		MUST(write(s[0], TEXT, 9));
		MUST(recv(s[1], buf, 4, NEW ? MSG_PEEK : 0));
		show("then", read(s[1], buf, 4));
	}
}

static void x_children(const char *what)
{
	pid_t a, b;
	siginfo_t info;

	if (strncmp(what, "x-wait", 6) != 0)
		return;
	a = child(0, 1);
	b = child(0, 2);
	if (!strcmp(what, "x-wait-other"))
		MUST(waitid(P_PID, (id_t)(NEW ? a : b), &info, WEXITED));
	if (!strcmp(what, "x-wait-kept"))
		MUST(waitid(P_PID, (id_t)a, &info, WEXITED | (NEW ? WNOWAIT : 0)));
	if (!strcmp(what, "x-wait-never") && NEW)
		MUST(waitpid(a, NULL, 0));
	printf("waited\n");
}

static void x_signals(const char *what)
{
	struct itimerval it = { .it_value = { 100, 0 } };

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	if (!strcmp(what, "x-raise"))
		MUST(NEW ? raise(SIGUSR2) : kill(getpid(), SIGUSR1));
	if (!strcmp(what, "x-alarm-later"))
		MUST(NEW ? setitimer(ITIMER_REAL, &it, NULL) : (int)alarm(101));
	if (!strcmp(what, "x-alarm-again")) {
		it.it_interval.tv_sec = 1;
		MUST(NEW ? setitimer(ITIMER_REAL, &it, NULL) : (int)alarm(100));
	}
	if (!strcmp(what, "x-alarm-other"))
		MUST(NEW ? setitimer(ITIMER_VIRTUAL, &it, NULL) : (int)alarm(100));
}

static void x_settings(const char *what)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, was = { 0 };
	struct sigaction handler = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct rlimit limit;

	if (!strcmp(what, "x-action-kept") && NEW)
		MUST(sigaction(SIGPIPE, &ignore, NULL));
	if (!strcmp(what, "x-action-met")) {
		MUST(sigaction(SIGUSR1, &handler, NULL));
		if (NEW)
			MUST(sigaction(SIGUSR1, &ignore, &was));
		MUST(kill(getpid(), SIGUSR1));
		if (NEW)
			MUST(sigaction(SIGUSR1, &was, NULL));
	}
	/* Set back, but for one flag. */
	if (!strcmp(what, "x-action-flags")) {
		MUST(sigaction(SIGUSR1, &handler, NULL));
		handler.sa_flags = 0;
		if (NEW)
			MUST(sigaction(SIGUSR1, &handler, NULL));
	}
	if (!strcmp(what, "x-umask-kept") && NEW)
		umask(077);
	if (!strcmp(what, "x-umask-used")) {
		mode_t m = NEW ? umask(077) : 0;

		MUST(close(MUST(open("made", O_WRONLY | O_CREAT, 0666))));
		if (NEW)
			umask(m);
	}
	if (!strcmp(what, "x-limit-kept") && NEW) {
		MUST(getrlimit(RLIMIT_FSIZE, &limit));
		limit.rlim_cur = 5;
		MUST(setrlimit(RLIMIT_FSIZE, &limit));
	}
}

static void x_files(const char *what)
{
	int fd = MUST(fcntl(text_file(O_RDWR), F_DUPFD, 50));
	int other = MUST(fcntl(MUST(open("other", O_RDWR | O_CREAT, 0600)), F_DUPFD, 51));

	if (!strcmp(what, "x-chmod-other"))
		MUST(NEW ? fchmod(other, 0640) : chmod("text", 0640));
	if (!strcmp(what, "x-chmod-mode"))
		MUST(NEW ? fchmod(fd, 0640) : chmod("text", 0644));
	if (!strcmp(what, "x-truncate"))
		MUST(NEW ? ftruncate(fd, 10) : truncate("text", 11));
	if (!strcmp(what, "x-seek-end")) {
		MUST(NEW ? lseek(fd, -1, SEEK_END) : lseek(fd, sizeof(TEXT) - 1, SEEK_SET));
		MUST(write(fd, "!", 1));
	}
	if (!strcmp(what, "x-close-more")) {
		if (NEW)
			MUST(syscall(SYS_close_range, fd, other, 0));
		else
			MUST(close(fd));
		printf("closed\n");
	}
	if (!strcmp(what, "x-close-fewer")) {
		if (NEW)
			MUST(syscall(SYS_close_range, fd, fd, 0));
		else
			MUST(syscall(SYS_close_range, fd, other, 0));
		printf("closed\n");
	}
}

static const struct {
	const char *name;
	void (*run)(void);
	int times;
} cases[] = { { "stream", stream, TIMES }, { "datagrams", datagrams, TIMES },
	{ "peeks", peeks, TIMES }, { "accepts", accepts, TIMES }, { "rooms", rooms, TIMES },
	{ "waits", waits, 3 }, { "signals", signals, TIMES }, { "alarms", alarms, TIMES },
	{ "action", action, TIMES }, { "creation", creation, TIMES }, { "limit", limit, TIMES },
	{ "own-memory", own_memory, TIMES }, { "by-name", by_name, TIMES },
	{ "vectors", vectors, TIMES }, { "seeks", seeks, 1 }, { "mapped", mapped, TIMES },
	{ "read-more", read_more, TIMES }, { "looks", looks, TIMES }, { "until", until, TIMES },
	{ "close-order", close_order, TIMES }, { "close-many", close_many, TIMES } };

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(close(text_file(O_RDONLY)));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int n = 0; n < cases[i].times && !strcmp(what, cases[i].name); n++)
			cases[i].run();
	}
	if (what[0] == 'x') {
		x_messages(what);
		x_children(what);
		x_signals(what);
		x_settings(what);
		x_files(what);
	}
	printf("end\n");
	return 0;
}
