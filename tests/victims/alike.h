/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alike CASE: two versions of which one does more that nobody notices, or says the same in another
 * form; and (cases that begin with x) two that only look so. Each case is done often enough for the
 * agents to have their part in it.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include "victim.h"

#define TEXT  "one two three four five six seven eight nine ten\n"
#define TIMES 15

static int make(const char *name)
{
	int fd = MUST(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));

	MUST(write(fd, TEXT, sizeof(TEXT) - 1));
	return fd;
}

static void show(int fd)
{
	char buf[sizeof(TEXT)] = "";

	printf("%d %ld %s", fd, (long)MUST(pread(fd, buf, sizeof(buf) - 1, 0)), buf);
}

/* Brought to the disk by one, by both in other ways, or not. */
static void syncs(int fd)
{
	if (NEW)
		MUST(fsync(fd));
	MUST(write(fd, "x", 1));
	MUST(NEW ? fdatasync(fd) : fsync(fd));
}

/* Removed or made in vain. */
static void nothing(int fd)
{
	(void)fd;
	if (NEW && !(unlink("nowhere") < 0 && errno == ENOENT))
		printf("removed what is not there\n");
	mkdir("folder", 0700);
	if (NEW && !(mkdir("folder", 0700) < 0 && errno == EEXIST))
		printf("made twice\n");
	if (!NEW && !(unlink("file/below") < 0 && errno == ENOTDIR))
		printf("removed what is not there\n");
	MUST(rmdir("folder"));
}

static void clear(const char *name)
{
	if (!(unlink(name) < 0 && errno == ENOENT))
		printf("%s was there\n", name);
}

/* What was left of an earlier run is removed, before it is made. */
static void cleared(int fd)
{
	struct sockaddr_un un = { AF_UNIX, "socket" };
	int s = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

	(void)fd;
	if (NEW) {
		clear("pid");
		clear("socket");
	}
	MUST(close(MUST(open("pid", O_WRONLY | O_CREAT, 0600))));
	MUST(bind(s, (struct sockaddr *)&un, sizeof(un)));
	MUST(close(s));
	MUST(unlink("socket"));
	MUST(unlink("pid"));
}

static void paths(int fd)
{
	char name[4096];

	(void)fd;
	MUST(getcwd(name, sizeof(name) - 20));
	strcat(name, "//.///file");
	MUST(chmod(NEW ? name : "file", 0640));
	MUST(rename(NEW ? "./file" : "file", NEW ? "other" : ".//other"));
	MUST(rename("other", "file"));
	fd = MUST(open(NEW ? name : "./file", O_RDONLY));
	show(fd);
	MUST(close(fd));
}

static void opens(int fd)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0600 };

	fd = MUST(NEW ? syscall(SYS_openat2, AT_FDCWD, "another", &how, sizeof(how))
		      : open("another", O_RDWR | O_CREAT, 0600));
	MUST(write(fd, "a", 1));
	show(fd);
	MUST(close(fd));
}

static void at_place(int fd)
{
	struct iovec iov[2] = { { "ON", 2 }, { "E!", 2 } };
	char buf[8] = "";
	struct iovec in[2] = { { buf, 3 }, { buf + 3, 4 } };

	MUST(NEW ? pwritev(fd, iov, 2, 4) : pwrite(fd, "ONE!", 4, 4));
	MUST(NEW ? pread(fd, buf, 7, 3) : preadv(fd, in, 2, 3));
	printf("%s\n", buf);
}

/* One has read less when both seek, or ask where they are. */
static void behind(int fd)
{
	char buf[64] = "";

	MUST(lseek(fd, 0, SEEK_SET));
	MUST(read(fd, buf, NEW ? 7 : 30));
	MUST(lseek(fd, 4, SEEK_SET));
	MUST(read(fd, buf, 5));
	printf("%.5s at %ld\n", buf, (long)MUST(lseek(fd, 0, SEEK_CUR)));
}

static void there(int fd)
{
	(void)fd;
	if (NEW)
		MUST(kill(getpid(), 0));
	MUST(write(1, "there\n", 6));
}

static void naps(int fd)
{
	struct timeval tv = { 0, 200 };
	struct timespec ts = { 0, 200000 };

	(void)fd;
	if (NEW)
		MUST(select(0, NULL, NULL, NULL, &tv));
	else
		MUST(nanosleep(&ts, NULL));
	if (NEW)
		MUST(poll(NULL, 0, 1));
	else
		MUST(ppoll(NULL, 0, &ts, NULL));
	MUST(write(1, "awake\n", 6));
}

static void own_pair(int fd)
{
	int p[2];
	char c = 0;

	if (NEW) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
		MUST(write(p[0], "x", 1));
		MUST(recv(p[1], &c, 1, 0));
		MUST(close(p[0]));
		MUST(close(p[1]));
	}
	show(fd);
}

static void own_memory(int fd)
{
	int m;
	char *at;

	if (!NEW) {
		m = MUST(memfd_create("scratch", MFD_CLOEXEC));
		MUST(ftruncate(m, 4096));
		MUST(pwrite(m, "m", 1, 9));
		at = (char *)MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0));
		if (at[9] != 'm')
			printf("not there\n");
		MUST(munmap(at, 4096));
		MUST(close(m));
	}
	show(fd);
}

static void own_null(int fd)
{
	char buf[16] = "x";
	int null;

	if (NEW) {
		null = MUST(open("/dev/null", O_RDWR));
		MUST(write(null, buf, sizeof(buf)));
		MUST(read(null, buf, sizeof(buf)));
		MUST(close(null));
	}
	show(fd);
}

static void own_copy(int fd)
{
	if (NEW)
		MUST(close(MUST(dup(1))));
	show(fd);
	if (!NEW)
		MUST(close(MUST(fcntl(fd, F_DUPFD_CLOEXEC, 50))));
	show(fd);
}

static void own_watch(int fd)
{
	int w;

	if (NEW) {
		w = MUST(inotify_init1(IN_NONBLOCK));
		MUST(inotify_add_watch(w, ".", IN_CREATE));
		MUST(close(w));
	}
	show(fd);
}

/* A set of its own, which watches what both have. */
static void own_set(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &ev };
	int p[2], set;

	MUST(pipe(p));
	if (NEW) {
		set = MUST(epoll_create1(0));
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[0], &ev));
		if (epoll_wait(set, &ev, 1, 0) != 0)
			printf("ready\n");
		MUST(close(set));
	}
	MUST(close(p[0]));
	MUST(close(p[1]));
	show(fd);
}

/* One looks at its descriptors by copies, and both make a set right after. */
static void copies_before_set(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "name" };
	int set, s;

	for (int i = 0; i < 12; i++) {
		if (NEW)
			MUST(close(MUST(fcntl(fd, F_DUPFD, 0))));
		MUST(fcntl(fd, F_GETFD));
	}
	set = MUST(epoll_create1(0));
	s = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	MUST(bind(s, (struct sockaddr *)&name, sizeof(name)));
	MUST(close(s));
	MUST(close(set));
	MUST(unlink("name"));
	show(fd);
}

/* One makes a set and closes it where the other copies: neither is the other's. */
static void set_for_copy(int fd)
{
	MUST(close(NEW ? MUST(epoll_create1(0)) : MUST(dup(fd))));
	MUST(fcntl(fd, F_GETFD));
	if (!NEW)
		MUST(close(MUST(dup(fd))));
	show(fd);
}

/* To where a file is already, before it is read; by the agent, in the end. */
static void rewind_before(int fd, bool rewinds)
{
	char buf[8];
	int file = MUST(open("file", O_RDONLY));

	if (rewinds)
		MUST(lseek(file, 0, SEEK_SET));
	printf("%d\n", (int)MUST(read(file, buf, sizeof(buf))));
	MUST(close(file));
	show(fd);
}

static void rewinds(int fd)
{
	rewind_before(fd, NEW);
	rewind_before(fd, !NEW);
}

/* Many looks before what both make. */
static void many_looks(int fd)
{
	struct timespec ts;
	int copy;

	for (int i = 0; i < (NEW ? 100 : 1); i++)
		MUST(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
	copy = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	SEE(connect(copy, NULL, 0) < 0);
	MUST(close(copy));
	show(fd);
}

/* One version reads it in pieces, and the other at once: it does not ask for the rest. */
static void at_once(int fd)
{
	char buf[16] = "";
	int p[2], n = 0;

	MUST(pipe(p));
	MUST(write(p[1], "in one piece", 12));
	while (NEW && n < 12)
		n += MUST(read(p[0], buf + n, 5));
	if (!NEW)
		n = MUST(read(p[0], buf, sizeof(buf)));
	printf("%d %s\n", n, buf);
	MUST(close(p[0]));
	MUST(close(p[1]));
}

static void on_signal(int sig)
{
	MUST(write(1, "signal\n", 7));
}

/* A handler that is set by signal(3) or sigaction(2); one asks for the handler before. */
static void handled(int fd)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigset_t none;

	sigemptyset(&none);
	if (NEW)
		MUST(sigaction(SIGUSR2, &act, NULL));
	else
		MUST(-(signal(SIGUSR2, on_signal) == SIG_ERR));
	MUST(sigprocmask(SIG_SETMASK, &none, NEW ? &act.sa_mask : NULL));
	MUST(raise(SIGUSR2));
}

/* A timer of one's own is waited for. */
static void own_timer(int fd)
{
	uint64_t times = 0;
	int timer;

	if (!NEW)
		return;
	timer = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
	MUST(timerfd_settime(timer, 0, &(struct itimerspec){ .it_value.tv_nsec = 2000000 }, NULL));
	MUST(read(timer, &times, sizeof(times)));
	if (!times)
		printf("not yet\n");
	MUST(close(timer));
}

/* As an object is loaded: its memory is the version's own, and written to. */
static void own_image(int fd)
{
	int other;
	char *map;

	if (!NEW)
		return;
	other = MUST(open("other", O_RDONLY));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, other, 0);
	MUST(-(map == MAP_FAILED));
	MUST(close(other));
	map[0] = '!';
	MUST(munmap(map, 4096));
}

static void harmful(const char *what, int fd)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS };
	int copy, status = 0;

	if (!strcmp(what, "x-path-up"))
		status = chmod(NEW ? "./folder/../file" : "file", 0644);
	if (!strcmp(what, "x-path-slash"))
		status = chmod(NEW ? "file/" : "file", 0644);
	if (!strcmp(what, "x-unlink") && NEW)
		status = unlink("other");
	if (!strcmp(what, "x-cleared")) {
		if (NEW)
			clear("other");
		MUST(close(MUST(open("other", O_WRONLY | O_CREAT, 0640))));
	}
	if (!strcmp(what, "x-mkdir") && NEW)
		status = mkdir("made", 0700);
	if (!strcmp(what, "x-resolve"))
		status = NEW ? (int)syscall(SYS_openat2, AT_FDCWD, "link", &how, sizeof(how))
			     : open("link", O_RDONLY);
	if (!strcmp(what, "x-place"))
		status = NEW ? pwrite(fd, "2", 1, 4) : pwritev(fd, &(struct iovec){ "2", 1 }, 1, 5);
	if (!strcmp(what, "x-bytes"))
		status = NEW ? pwrite(fd, "2", 1, 4) : pwritev(fd, &(struct iovec){ "3", 1 }, 1, 4);
	if (!strcmp(what, "x-copy") && NEW) {
		copy = MUST(dup(1));
		MUST(write(copy, "by the copy\n", 12));
		MUST(close(copy));
	}
	if (!strcmp(what, "x-copy-flags") && NEW) {
		copy = MUST(dup(fd));
		MUST(fcntl(copy, F_SETFL, O_APPEND));
		MUST(close(copy));
	}
	if (!strcmp(what, "x-link-text"))
		status = symlink(NEW ? "./file" : "file", "text");
	if (!strcmp(what, "x-full")) {
		copy = MUST(open(NEW ? "/dev/null" : "/dev/full", O_WRONLY));
		status = write(copy, "x", 1);
		MUST(close(copy));
	}
	if (!strcmp(what, "x-handler")) {
		struct sigaction act = { .sa_handler = on_signal };

		if (NEW)
			sigaddset(&act.sa_mask, SIGTERM);
		MUST(sigaction(SIGUSR2, &act, NULL));
		status = raise(SIGUSR2);
	}
	if (!strcmp(what, "x-kill"))
		status = kill(getpid(), NEW ? SIGURG : 0);
	printf("%d\n", status < 0);
}

static const struct {
	const char *name;
	void (*run)(int fd);
} cases[] = { { "syncs", syncs }, { "nothing", nothing }, { "cleared", cleared },
	{ "paths", paths }, { "opens", opens }, { "at-place", at_place }, { "behind", behind },
	{ "there", there }, { "naps", naps }, { "own-pair", own_pair },
	{ "own-memory", own_memory }, { "own-null", own_null }, { "own-copy", own_copy },
	{ "own-watch", own_watch }, { "own-set", own_set }, { "many-looks", many_looks },
	{ "copies-before-set", copies_before_set }, { "set-for-copy", set_for_copy },
	{ "rewinds", rewinds }, { "at-once", at_once }, { "handled", handled },
	{ "own-timer", own_timer }, { "own-image", own_image } };

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int fd = make("file");

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(close(make("other")));
	MUST(symlink("file", "link"));
	if (what[0] == 'x')
		harmful(what, fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int n = 0; n < TIMES && !strcmp(what, cases[i].name); n++)
			cases[i].run(fd);
	}
	printf("end\n");
	return 0;
}
