/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ways CASE: two versions that ask for the same by other calls, and (cases that begin with x) two
 * that look so and do not. Each prints what it found, so that a wrong answer shows in the output.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "victim.h"

#define TEXT "one two three four five six seven eight nine ten\n"

static void make(const char *name, const char *text)
{
	int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));

	MUST(write(fd, text, strlen(text)));
	MUST(close(fd));
}

static void names(void)
{
	make("a", "a");
	MUST(NEW ? syscall(SYS_renameat, AT_FDCWD, "a", AT_FDCWD, "b")
		 : syscall(SYS_rename, "a", "b"));
	MUST(NEW ? syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "c", 0)
		 : syscall(SYS_rename, "b", "c"));
	MUST(NEW ? syscall(SYS_linkat, AT_FDCWD, "c", AT_FDCWD, "d", 0)
		 : syscall(SYS_link, "c", "d"));
	MUST(NEW ? syscall(SYS_symlinkat, "d", AT_FDCWD, "e") : syscall(SYS_symlink, "d", "e"));
	MUST(NEW ? syscall(SYS_fchmodat, AT_FDCWD, "d", 0640) : syscall(SYS_chmod, "d", 0640));
	MUST(NEW ? syscall(SYS_fchownat, AT_FDCWD, "d", -1, -1, 0)
		 : syscall(SYS_chown, "d", -1, -1));
	MUST(NEW ? syscall(SYS_fchownat, AT_FDCWD, "e", -1, -1, AT_SYMLINK_NOFOLLOW)
		 : syscall(SYS_lchown, "e", -1, -1));
	MUST(NEW ? syscall(SYS_mknodat, AT_FDCWD, "f", S_IFREG | 0600, 0)
		 : syscall(SYS_mknod, "f", S_IFREG | 0600, 0));
}

static void copies(void)
{
	struct rlimit lim = { 100, 200 };
	int fd;

	fd = MUST(NEW ? syscall(SYS_fcntl, 1, F_DUPFD, 0) : syscall(SYS_dup, 1));
	MUST(dprintf(fd, "said by the copy\n"));
	MUST(close(fd));
	MUST(NEW ? syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &lim, NULL)
		 : syscall(SYS_setrlimit, RLIMIT_NOFILE, &lim));
	MUST(getrlimit(RLIMIT_NOFILE, &lim));
	printf("%d %d\n", fd, (int)lim.rlim_cur);
}

/* Close-on-exec when the copy is made, and not; or by a call of its own. */
static void cloexec(void)
{
	int p[2], fd;

	fd = MUST(fcntl(1, NEW ? F_DUPFD_CLOEXEC : F_DUPFD, 20));
	if (!NEW)
		MUST(fcntl(fd, F_SETFD, FD_CLOEXEC));
	MUST(NEW ? syscall(SYS_dup3, 1, 30, O_CLOEXEC) : syscall(SYS_dup2, 1, 30));
	if (!NEW)
		MUST(fcntl(30, F_SETFD, FD_CLOEXEC));
	MUST(pipe2(p, NEW ? O_CLOEXEC : 0));
	if (!NEW) {
		MUST(fcntl(p[0], F_SETFD, FD_CLOEXEC));
		MUST(ioctl(p[1], FIOCLEX));
	}
	close(MUST(open("text", O_RDONLY | O_CREAT | (NEW ? O_CLOEXEC : 0), 0600)));
	MUST(write(p[1], "x", 1));
	printf("%d %d\n", fd, p[0]);
}

static void set_nonblock(int fd)
{
	MUST(fcntl(fd, F_SETFL, MUST(fcntl(fd, F_GETFL)) | O_NONBLOCK));
}

static void empty_read(int fd)
{
	char c;
	ssize_t n = read(fd, &c, 1);

	printf("%zd %s\n", n, n < 0 ? strerror(errno) : "");
}

static int connected(int listener)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int c = MUST(socket(AF_INET, SOCK_STREAM, 0));

	MUST(getsockname(listener, (struct sockaddr *)&a, &len));
	MUST(connect(c, (struct sockaddr *)&a, len));
	return c;
}

static int listening(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = MUST(socket(AF_INET, SOCK_STREAM, 0));

	MUST(bind(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(s, 5));
	return s;
}

/* O_NONBLOCK and close-on-exec with the making of each kind of descriptor, or afterwards. */
static void nonblock(bool together)
{
	int listener = listening(), fds[6], p[2], on = 1;
	int flags = together ? SOCK_NONBLOCK : 0;

	connected(listener);
	fds[0] = MUST(accept4(listener, NULL, NULL, together ? flags | SOCK_CLOEXEC : 0));
	if (!together) {
		MUST(fcntl(fds[0], F_SETFD, FD_CLOEXEC));
		set_nonblock(fds[0]);
	}
	empty_read(fds[0]);
	MUST(pipe2(p, flags));
	fds[1] = p[0];
	fds[2] = MUST(eventfd(0, flags));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | flags, 0, p));
	fds[3] = p[0];
	for (int i = 1; i < 4; i++) {
		if (!together)
			set_nonblock(fds[i]);
		empty_read(fds[i]);
	}
	fds[4] = MUST(socket(AF_INET, SOCK_STREAM | flags, 0));
	if (!together)
		MUST(ioctl(fds[4], FIONBIO, &on));
	printf("%d\n", (int)(MUST(fcntl(fds[4], F_GETFL)) & O_NONBLOCK));
	close(MUST(open("text", O_RDONLY | O_CREAT | flags, 0600)));
}

/* The same setting by two calls. */
static void fionbio(void)
{
	int p[2], on = 1;

	MUST(pipe(p));
	if (NEW)
		MUST(ioctl(p[0], FIONBIO, &on));
	else
		MUST(fcntl(p[0], F_SETFL, O_NONBLOCK));
	empty_read(p[0]);
}

static void show_poll(const char *by, int n, const struct pollfd *p, int count)
{
	printf("%s: %d:", by, n);
	for (int i = 0; i < count; i++)
		printf(" %x", p[i].revents);
	printf("\n");
}

static void poll_some(struct pollfd *p, int count, int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	show_poll("poll",
		MUST(NEW ? syscall(SYS_ppoll, p, count, ms < 0 ? NULL : &ts, NULL, 8)
			 : syscall(SYS_poll, p, count, ms)),
		p, count);
}

static void polls(void)
{
	int p[2];
	struct pollfd fds[2];

	MUST(pipe(p));
	fds[0] = (struct pollfd){ p[0], POLLIN, 0 };
	fds[1] = (struct pollfd){ p[1], POLLOUT | POLLRDHUP, 0 };
	poll_some(fds, 1, 0);
	poll_some(fds, 1, 20);
	poll_some(fds, 2, 1000);
	MUST(write(p[1], "x", 1));
	poll_some(fds, 2, -1);
}

static void epolls(void)
{
	int set = MUST(epoll_create1(0)), p[2];
	struct epoll_event ev = { EPOLLIN, { .u64 = (uint64_t)&set } }, got = { 0 };
	struct timespec ts = { 0, 10000000 };

	MUST(pipe(p));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[0], &ev));
	printf("%ld\n", MUST(NEW ? syscall(SYS_epoll_pwait, set, &got, 1, 10, NULL, 8)
				 : syscall(SYS_epoll_wait, set, &got, 1, 10)));
	MUST(write(p[1], "x", 1));
	printf("%ld\n", MUST(NEW ? syscall(SYS_epoll_pwait2, set, &got, 1, &ts, NULL, 8)
				 : syscall(SYS_epoll_wait, set, &got, 1, 10)));
	SEE(got.data.u64 == (uint64_t)&set);
	printf("%ld\n", MUST(NEW ? syscall(SYS_epoll_pwait2, set, &got, 1, NULL, NULL, 8)
				 : syscall(SYS_epoll_pwait, set, &got, 1, -1, NULL, 8)));
}

static void show_sets(int n, int in, int out, fd_set *r, fd_set *w)
{
	printf("%d: %d %d\n", n, FD_ISSET(in, r) != 0, FD_ISSET(out, w) != 0);
}

static void select_some(int in, int out, int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	fd_set r, w;
	int max = in > out ? in : out;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(in, &r);
	if (out > 0)
		FD_SET(out, &w);
	show_sets(MUST(NEW ? syscall(SYS_pselect6, max + 1, &r, out > 0 ? &w : NULL, NULL,
				     ms < 0 ? NULL : &ts, NULL)
			   : syscall(SYS_select, max + 1, &r, out > 0 ? &w : NULL, NULL,
				     ms < 0 ? NULL : &tv)),
		in, out > 0 ? out : 0, &r, &w);
}

static void selects(void)
{
	int p[2];

	MUST(pipe(p));
	select_some(p[0], -1, 0);
	select_some(p[0], -1, 20);
	select_some(p[0], p[1], 1000);
	MUST(write(p[1], "x", 1));
	select_some(p[0], p[1], -1);
}

/* select in one, poll in the other. */
static void either(int in, int out, int ms)
{
	struct pollfd fds[2] = { { in, POLLIN, 0 }, { out, POLLOUT, 0 } };
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	bool r_ready, w_ready;
	fd_set r, w;

	if (NEW) {
		MUST(poll(fds, 2, ms));
		r_ready = fds[0].revents & (POLLIN | POLLHUP);
		w_ready = fds[1].revents & POLLOUT;
	} else {
		FD_ZERO(&r);
		FD_ZERO(&w);
		FD_SET(in, &r);
		FD_SET(out, &w);
		MUST(select((in > out ? in : out) + 1, &r, &w, NULL, ms < 0 ? NULL : &tv));
		r_ready = FD_ISSET(in, &r);
		w_ready = FD_ISSET(out, &w);
	}
	printf("%d %d\n", r_ready, w_ready);
}

static void poll_or_select(void)
{
	int p[2], q[2];

	MUST(pipe(p));
	MUST(pipe(q));
	either(p[0], q[1], 1000);
	MUST(write(p[1], "x", 1));
	either(p[0], q[1], -1);
	MUST(close(p[1]));
	either(p[0], q[1], -1);
}

static void sleeps(const char *what)
{
	struct timespec ts = { 0, 20000000 };

	if (!strcmp(what, "sleep-added") && NEW)
		MUST(nanosleep(&ts, NULL));
	if (!strcmp(what, "sleep-dropped") && !NEW)
		MUST(nanosleep(&ts, NULL));
	if (!strcmp(what, "sleep-name"))
		MUST(NEW ? syscall(SYS_nanosleep, &ts, NULL)
			 : syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &ts, NULL));
	make("after", "slept\n");
}

/* Memory of its own: neither compared nor told. */
static void memory(void)
{
	char *m;

	if (NEW) {
		m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		m[5] = 1;
		MUST(madvise(m, 1 << 20, MADV_DONTNEED));
		MUST(munmap(m, 1 << 20));
		sbrk(65536);
	}
	make("after", "x");
}

static int text_file(void)
{
	int fd = MUST(open("text", O_RDWR | O_CREAT | O_TRUNC, 0600));

	MUST(write(fd, TEXT, strlen(TEXT)));
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

static void show_read(ssize_t n, const char *buf)
{
	printf("%zd %.*s\n", n, n > 0 ? (int)n : 0, buf);
}

/* At a place: @by_seek, going there first, and back again. */
static void read_at(int fd, off_t at, bool by_seek, bool back)
{
	char buf[16];
	off_t was = by_seek && back ? MUST(lseek(fd, 0, SEEK_CUR)) : 0;
	ssize_t n;

	if (by_seek)
		MUST(lseek(fd, at, SEEK_SET));
	n = by_seek ? read(fd, buf, 10) : pread(fd, buf, 10, at);
	show_read(n, buf);
	if (by_seek && back)
		MUST(lseek(fd, was, SEEK_SET));
}

static void write_at(int fd, off_t at, const char *text, bool by_seek)
{
	if (by_seek)
		MUST(lseek(fd, at, SEEK_SET));
	MUST(by_seek ? write(fd, text, strlen(text)) : pwrite(fd, text, strlen(text), at));
}

static void read_on(int fd)
{
	char buf[8];

	show_read(read(fd, buf, 5), buf);
}

/* One version asks for its end whether there is a header, the other knows. */
static void append(int fd)
{
	for (int i = 0; i < 3; i++) {
		if (NEW ? !MUST(lseek(fd, 0, SEEK_END)) : !i)
			MUST(write(fd, "header\n", 7));
		MUST(write(fd, "line\n", 5));
		if (!NEW)
			MUST(lseek(fd, 3, SEEK_SET));
		MUST(write(fd, "more\n", 5));
		printf("%ld\n", MUST(lseek(fd, 0, SEEK_CUR)));
	}
	if (NEW)
		MUST(lseek(fd, 0, SEEK_SET));
	MUST(dup2(fd, 9));
	MUST(write(9, "end\n", 4));
}

static void places(const char *what)
{
	int fd = text_file(), other = text_file();

	if (!strcmp(what, "place-read")) {
		read_at(fd, 4, !NEW, false);
		read_at(fd, 14, !NEW, false);
		read_at(fd, 44, !NEW, false);
		read_at(fd, 400, !NEW, false);
		read_at(other, 9, NEW, false);
		MUST(lseek(fd, 8, SEEK_SET));
		read_on(fd);
		MUST(close(other));
		other = MUST(open("text", O_RDONLY));
		read_on(other);
	}
	if (!strcmp(what, "place-back")) {
		for (int i = 0; i < 3; i++) {
			read_on(fd);
			read_at(fd, 20 + i, !NEW, true);
			read_on(other);
		}
	}
	if (!strcmp(what, "place-write")) {
		write_at(fd, 4, "FOUR", !NEW);
		write_at(fd, 14, "FOURTEEN", !NEW);
		write_at(other, 28, "!", NEW);
		read_at(fd, 0, !NEW, false);
		MUST(lseek(fd, 0, SEEK_SET));
		read_on(fd);
	}
	if (!strcmp(what, "place-append"))
		append(MUST(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600)));
	/* It asks where it is, goes on from there, and is told what it has made of it. */
	if (!strcmp(what, "place-asked")) {
		read_on(fd);
		read_at(fd, 30, !NEW, false);
		if (!NEW) {
			printf("%d\n", MUST(lseek(fd, 0, SEEK_CUR)) == 40);
			MUST(lseek(fd, -35, SEEK_CUR));
		} else {
			printf("%d\n", MUST(lseek(fd, 0, SEEK_CUR)) == 5);
		}
		read_on(fd);
	}
}

#include "ways_harmful.h"

/* The version that @what names leads, makes it blocking, and is lost; the other one has asked for
 * O_NONBLOCK. */
static void lost_apart(const char *what)
{
	bool lost = !strcmp(what, NEW ? "c-nonblock-new" : "c-nonblock-old");
	int p[2];

	/* The one that is lost has gone to a place, or the other one has. */
	if (!strncmp(what, "c-place-", 8)) {
		bool new_lost = !strcmp(what, "c-place-new");
		int fd = text_file();

		read_at(fd, 20, !NEW, false);
		if (NEW == new_lost)
			*(volatile int *)16 = 1;
		read_on(fd);
		return;
	}
	MUST(pipe2(p, lost ? 0 : O_NONBLOCK));
	if (lost)
		*(volatile int *)16 = 1;
	empty_read(p[0]);
}

static void harmless(const char *what)
{
	if (!strcmp(what, "names"))
		names();
	if (!strcmp(what, "copies"))
		copies();
	if (!strcmp(what, "cloexec"))
		cloexec();
	if (!strcmp(what, "nonblock-made"))
		nonblock(NEW);
	if (!strcmp(what, "nonblock-set"))
		nonblock(!NEW);
	if (!strcmp(what, "fionbio"))
		fionbio();
	if (!strcmp(what, "polls"))
		polls();
	if (!strcmp(what, "epolls"))
		epolls();
	if (!strcmp(what, "selects"))
		selects();
	if (!strcmp(what, "poll-or-select"))
		poll_or_select();
	if (!strncmp(what, "sleep-", 6))
		sleeps(what);
	if (!strcmp(what, "memory"))
		memory();
	if (!strncmp(what, "place-", 6))
		places(what);
	if (what[0] == 'c' && what[1] == '-')
		lost_apart(what);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (what[0] != 'x') {
		harmless(what);
	} else {
		harmful_names(what);
		harmful_modes(what);
		harmful_waits(what);
		if (!strncmp(what, "x-place-", 8))
			harmful_places(what);
	}
	printf("end\n");
	return 0;
}
