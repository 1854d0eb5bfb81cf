/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asides CASE: two versions of which one asks once more and finds nothing, takes leave of a
 * descriptor before it closes it, closes a file earlier, blocks signals around calls, or has a
 * child by another call; and (cases that begin with x) two that only look so. Each case is done
 * often enough for the agents to have their part in it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

#define TIMES 12

static void say(const char *text)
{
	MUST(write(1, text, strlen(text)));
}

static void pair_of(int p[2])
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
}

static void show_read(int fd)
{
	char buf[16] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	printf("%d %s\n", (int)n, n < 0 ? strerror(errno) : buf);
}

static bool finds_nothing(ssize_t n)
{
	return n < 0 && errno == EAGAIN;
}

/* Once more, until there is nothing. */
static void drained(void)
{
	char buf[16];
	int p[2];

	pair_of(p);
	MUST(write(p[0], "abc", 3));
	show_read(p[1]);
	if (NEW && !finds_nothing(read(p[1], buf, sizeof(buf))))
		say("read\n");
	MUST(write(p[0], "de", 2));
	show_read(p[1]);
	if (!NEW && !finds_nothing(recv(p[1], buf, sizeof(buf), MSG_DONTWAIT)))
		say("received\n");
	say("drained\n");
	MUST(close(p[0]));
	MUST(close(p[1]));
}

static int listening(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	MUST(bind(s, (struct sockaddr *)a, sizeof(*a)));
	MUST(listen(s, 5));
	MUST(getsockname(s, (struct sockaddr *)a, &len));
	return s;
}

static int connected(const struct sockaddr_in *a)
{
	int c = MUST(socket(AF_INET, SOCK_STREAM, 0));

	MUST(connect(c, (const struct sockaddr *)a, sizeof(*a)));
	return c;
}

static void await(int fd)
{
	MUST(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 1000));
}

static void accepted(void)
{
	struct sockaddr_in a;
	int s = listening(&a), c = connected(&a), k, error = 1;
	socklen_t len = sizeof(error);

	await(s);
	k = MUST(accept(s, NULL, NULL));
	if (NEW && !finds_nothing(accept4(s, NULL, NULL, SOCK_CLOEXEC)))
		say("one more\n");
	if (!NEW)
		MUST(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len));
	if (!NEW && (error || len != sizeof(error)))
		say("error\n");
	say("accepted\n");
	MUST(close(k));
	MUST(close(c));
	MUST(close(s));
}

static void asked(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int set = MUST(epoll_create1(0)), p[2];

	MUST(pipe(p));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[0], &ev));
	if (NEW && MUST(epoll_wait(set, &ev, 1, 0)))
		say("ready\n");
	say("asked\n");
	MUST(close(p[0]));
	MUST(close(p[1]));
	MUST(close(set));
}

static void reaped(void)
{
	int p[2], status;
	pid_t child;

	pair_of(p);
	child = MUST(fork());
	if (!child) {
		await(p[1]);
		_exit(3);
	}
	if (!NEW && MUST(waitpid(-1, &status, WNOHANG)) != 0)
		say("ended\n");
	MUST(write(p[0], "end", 3));
	MUST(waitpid(child, &status, 0));
	MUST(close(p[0]));
	MUST(close(p[1]));
	if (NEW && !(waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD))
		say("a child\n");
	say(WEXITSTATUS(status) == 3 ? "reaped\n" : "another\n");
}

/* What the close does as well. */
static void left_set(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int set = MUST(epoll_create1(0)), p[2];

	pair_of(p);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[0], &ev));
	if (NEW)
		MUST(epoll_ctl(set, EPOLL_CTL_DEL, p[0], NULL));
	MUST(close(p[0]));
	MUST(close(p[1]));
	printf("%d\n", MUST(epoll_wait(set, &ev, 1, 0)));
	MUST(close(set));
}

static void shut_down(void)
{
	int p[2];

	pair_of(p);
	MUST(write(p[0], "bye", 3));
	if (NEW)
		MUST(shutdown(p[0], SHUT_RDWR));
	MUST(close(p[0]));
	show_read(p[1]);
	show_read(p[1]);
	MUST(close(p[1]));
}

static void unlocked(void)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = MUST(open("file", O_RDWR));

	MUST(flock(fd, LOCK_EX));
	if (NEW)
		MUST(flock(fd, LOCK_UN));
	MUST(close(fd));
	fd = MUST(open("file", O_RDWR));
	MUST(fcntl(fd, F_SETLK, &lock));
	lock.l_type = F_UNLCK;
	if (!NEW)
		MUST(fcntl(fd, F_SETLK, &lock));
	MUST(close(fd));
	say("unlocked\n");
}

/* A file is closed before something else, or after it. */
static void closed(void)
{
	char buf[4] = "";
	int fd = MUST(open("file", O_RDONLY)), other = MUST(open("made", O_RDWR | O_CREAT, 0600));

	MUST(read(fd, buf, 3));
	if (NEW)
		MUST(close(fd));
	say(buf);
	MUST(write(other, buf, 3));
	if (!NEW) {
		MUST(close(fd));
		MUST(close(other));
	}
	MUST(unlink("made"));
	say(" closed\n");
	if (NEW)
		MUST(close(other));
}

/* Signals are blocked around a few calls. */
static void masked(void)
{
	sigset_t all, before;
	int fd;

	sigfillset(&all);
	if (NEW)
		MUST(sigprocmask(SIG_BLOCK, &all, &before));
	fd = MUST(open("made", O_RDWR | O_CREAT, 0600));
	MUST(write(fd, "one", 3));
	MUST(lseek(fd, 0, SEEK_SET));
	show_read(fd);
	MUST(close(fd));
	MUST(unlink("made"));
	if (NEW)
		MUST(sigprocmask(SIG_SETMASK, &before, NULL));
	say("masked\n");
}

/* A child that executes a program: of fork, of vfork, of posix_spawn. */
static int run_by(char by, const char *program, const char *word)
{
	char *const args[] = { (char *)program, (char *)word, NULL };
	int status;
	pid_t child = -1;

	if (by == 's')
		MUST(-(posix_spawn(&child, program, NULL, NULL, args, environ) != 0));
	else
		child = MUST(by == 'v' ? vfork() : fork());
	if (!child) {
		execve(program, args, environ);
		_exit(9);
	}
	MUST(waitpid(child, &status, 0));
	return status;
}

static void vforked(void)
{
	printf("%x\n", run_by(NEW ? 'v' : 'f', "/bin/echo", "executed"));
}

static void unexecuted(void)
{
	printf("%x\n", run_by(NEW ? 'v' : 'f', "/nowhere", "x"));
}

static void spawned(void)
{
	printf("%x\n", run_by(NEW ? 's' : 'v', "/bin/echo", "spawned"));
	printf("%x\n", run_by(NEW ? 's' : 'f', "/bin/echo", "again"));
}

static void harmful_children(const char *what)
{
	volatile int seen = 0;
	pid_t child;

	if (!strcmp(what, "x-vfork-program"))
		run_by(NEW ? 'v' : 'f', NEW ? "/bin/true" : "/bin/false", "x");
	/* The child of one does not become a program, and its parent goes on. */
	if (!strcmp(what, "x-vfork-stays")) {
		if (NEW)
			run_by('v', "/bin/true", "x");
		else if (!MUST(fork()))
			_exit(usleep(100000));
	}
	if (!strcmp(what, "x-spawn-word"))
		run_by(NEW ? 's' : 'f', "/bin/echo", NEW ? "one" : "another");
	if (!strcmp(what, "x-vfork-memory") || !strcmp(what, "x-vfork-status")) {
		child = MUST(NEW ? vfork() : fork());
		if (!child) {
			seen = 1;
			_exit(NEW && !strcmp(what, "x-vfork-status"));
		}
		MUST(waitpid(child, NULL, 0));
		if (!strcmp(what, "x-vfork-memory"))
			printf("%d\n", seen);
	}
}

/* A folder of its own, in which the entries have one order for both. */
static int folder_of(int files)
{
	char name[40];

	MUST(mkdir("folder", 0700));
	for (int i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "folder/%0*d", 5 + i % 20, i);
		MUST(close(MUST(open(name, O_WRONLY | O_CREAT, 0600))));
	}
	return MUST(open("folder", O_RDONLY | O_DIRECTORY));
}

/* Up to @times reads; how many entries. */
static int read_folder(int fd, size_t room, int times, bool tells)
{
	char buf[32768];
	int count = 0;
	long n;

	while (times-- && (n = MUST(syscall(SYS_getdents64, fd, buf, room))) > 0) {
		for (long at = 0; at < n; count++) {
			struct dirent *e = (struct dirent *)(buf + at);

			if (tells)
				printf("%s\n", e->d_name);
			at += e->d_reclen;
		}
	}
	return count;
}

static void folders(void)
{
	int fd = folder_of(60), other;

	printf("%d\n", read_folder(fd, NEW ? 200 : 32768, -1, true));
	MUST(lseek(fd, 0, SEEK_SET));
	printf("%d\n", read_folder(fd, NEW ? 32768 : 300, -1, true));
	MUST(close(fd));
	/* Left in the midst, and begun anew. */
	other = MUST(open("folder", O_RDONLY | O_DIRECTORY));
	read_folder(other, NEW ? 100 : 32768, 1, false);
	MUST(lseek(other, 0, SEEK_SET));
	printf("%d\n", read_folder(other, 4096, -1, true));
	MUST(close(other));
}

static void harmful_folders(const char *what)
{
	int fd;

	if (strncmp(what, "x-folder", 8) != 0)
		return;
	fd = folder_of(60);
	if (!strcmp(what, "x-folder-less"))
		read_folder(fd, 300, NEW ? 1 : 2, false);
	if (!strcmp(what, "x-folder-room")) /* for no entry */
		SEE(syscall(SYS_getdents64, fd, (char[200]){ 0 }, NEW ? 200 : 10) > 0);
}

static void harmful_masks(const char *what)
{
	sigset_t all, before;
	int p[2], times = !strcmp(what, "x-masked-long") ? 40 : 0;

	if (strncmp(what, "x-masked", 8) != 0)
		return;
	pair_of(p);
	MUST(fcntl(p[1], F_SETFL, 0));
	signal(SIGUSR1, SIG_IGN);
	sigfillset(&all);
	if (NEW)
		MUST(sigprocmask(SIG_BLOCK, &all, &before));
	MUST(write(p[0], "one", 3));
	for (int i = 0; i < times; i++)
		MUST(write(p[0], "more", 4));
	MUST(close(p[0])); /* nobody waits for ever */
	if (!strcmp(what, "x-masked-wait"))
		show_read(p[1]);
	if (!strcmp(what, "x-masked-poll"))
		await(p[1]);
	if (!strcmp(what, "x-masked-signal"))
		MUST(kill(getpid(), SIGUSR1));
	if (NEW && strcmp(what, "x-masked-kept") != 0)
		MUST(sigprocmask(SIG_SETMASK, &before, NULL));
}

static void harmful_asking(const char *what)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sockaddr_in a;
	char buf[16];
	int p[2], error, status, s, set;
	socklen_t len = sizeof(error);

	pair_of(p);
	if (!strcmp(what, "x-drains")) {
		MUST(write(p[0], "abcdef", 6));
		MUST(read(p[1], buf, 3));
		if (NEW)
			MUST(read(p[1], buf, 3));
		say("read\n");
	}
	if (!strcmp(what, "x-accepts")) {
		s = listening(&a);
		connected(&a);
		await(s);
		if (NEW)
			MUST(accept4(s, NULL, NULL, 0));
		say("accepted\n");
	}
	if (!strcmp(what, "x-ready")) {
		set = MUST(epoll_create1(0));
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[1], &ev));
		MUST(write(p[0], "a", 1));
		say(NEW && MUST(epoll_wait(set, &ev, 1, 0)) ? "ready\n" : "not ready\n");
	}
	if (!strcmp(what, "x-error")) {
		s = listening(&a);
		MUST(close(s));
		s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
		SEE(connect(s, (struct sockaddr *)&a, sizeof(a)) < 0);
		MUST(poll(&(struct pollfd){ s, POLLOUT, 0 }, 1, 1000));
		if (NEW)
			MUST(getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &len));
		say("asked\n");
	}
	if (!strcmp(what, "x-reaps")) {
		if (!MUST(fork()))
			_exit(3);
		MUST(waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
		if (NEW)
			MUST(waitpid(-1, &status, WNOHANG));
		say("waited\n");
	}
}

/* Somebody else gets a copy: the close alone does nothing then. */
static void pass_on(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct msghdr m = { .msg_iov = &(struct iovec){ "x", 1 },
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	MUST(sendmsg(to, &m, 0));
}

static void harmful_leaving(const char *what)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct flock lock = { .l_type = F_WRLCK };
	int p[2], q[2], fd = MUST(open("file", O_RDWR)), set = MUST(epoll_create1(0));

	pair_of(p);
	pair_of(q);
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, p[1], &ev));
	if (!strcmp(what, "x-shutdown") && NEW)
		MUST(shutdown(p[0], SHUT_WR));
	if (!strcmp(what, "x-shutdown-copied") || !strcmp(what, "x-shutdown-passed")) {
		if (!strcmp(what, "x-shutdown-copied"))
			MUST(dup(p[0]));
		else
			pass_on(q[0], p[0]);
		if (NEW)
			MUST(shutdown(p[0], SHUT_WR));
		MUST(close(p[0]));
	}
	if (!strcmp(what, "x-deletes") && NEW)
		MUST(epoll_ctl(set, EPOLL_CTL_DEL, p[1], NULL));
	if (!strcmp(what, "x-deletes-copied")) {
		MUST(dup(p[1]));
		if (NEW)
			MUST(epoll_ctl(set, EPOLL_CTL_DEL, p[1], NULL));
		MUST(close(p[1]));
	}
	if (!strcmp(what, "x-unlocks-copied")) {
		MUST(flock(fd, LOCK_EX));
		MUST(dup(fd));
		if (NEW)
			MUST(flock(fd, LOCK_UN));
		MUST(close(fd));
	}
	if (!strcmp(what, "x-close-socket") && NEW)
		MUST(close(q[0]));
	if (!strcmp(what, "x-close-locked")) {
		MUST(fcntl(fd, F_SETLK, &lock));
		if (NEW)
			MUST(close(fd));
	}
	if (!strcmp(what, "x-close-written")) {
		if (NEW)
			MUST(close(fd));
		else
			MUST(write(fd, "more", 4));
	}
	say("left\n");
	if ((!strcmp(what, "x-close-locked") || !strcmp(what, "x-close-socket")) && !NEW)
		MUST(close(!strcmp(what, "x-close-locked") ? fd : q[0]));
	if (strcmp(what, "x-deletes-copied") != 0)
		show_read(p[1]);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = { { "drained", drained }, { "accepted", accepted }, { "asked", asked },
	{ "reaped", reaped }, { "left-set", left_set }, { "shut-down", shut_down },
	{ "unlocked", unlocked }, { "closed", closed }, { "masked", masked },
	{ "vforked", vforked }, { "spawned", spawned }, { "unexecuted", unexecuted } };

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	bool found = what[0] == 'x';
	int fd = MUST(open("file", O_WRONLY | O_CREAT | O_TRUNC, 0600));

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(write(fd, "text", 4));
	MUST(close(fd));
	if (!strcmp(what, "folders")) {
		found = true;
		folders();
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_it = !strcmp(what, cases[i].name);

		for (int n = 0; is_it && n < TIMES; n++)
			cases[i].run();
		found |= is_it;
	}
	if (what[0] == 'x') {
		harmful_asking(what);
		harmful_leaving(what);
		harmful_masks(what);
		harmful_children(what);
		harmful_folders(what);
	}
	say("end\n");
	return found ? 0 : 2;
}
