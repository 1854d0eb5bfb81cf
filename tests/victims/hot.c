/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls so many that an in-process agent takes them, and what can befall it there: bad pointers, a
 * signal that breaks into a call that waits, a closed pipe, children, threads, descriptors that
 * come and go. Prints what it saw. With a file's name, waits first until there is such a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MANY 400

static volatile sig_atomic_t alarms, pipes;

static void on_alarm(int sig)
{
	struct timespec now;

	/* In the handler as well. */
	for (int i = 0; i < 20; i++)
		clock_gettime(CLOCK_MONOTONIC, &now);
	alarms++;
}

static void on_pipe(int sig)
{
	pipes++;
}

static unsigned sum(const unsigned char *p, size_t n)
{
	unsigned s = 1;

	while (n--)
		s = s * 31 + *p++;
	return s;
}

/* Pieces of all sizes through a pipe, plain and gathered. */
static void transfer(const char *what)
{
	static unsigned char in[20000], out[20000];
	unsigned total = 0;
	int fds[2];

	if (pipe(fds) < 0)
		exit(1);
	for (int i = 0; i < MANY; i++) {
		size_t n = 1 + (size_t)i * 37 % sizeof(in), half = n / 2, got = 0;
		struct iovec iov[2] = { { in, half }, { in + half, n - half } };

		for (size_t k = 0; k < n; k++)
			in[k] = (unsigned char)(i + k);
		if ((i % 2 ? write(fds[1], in, n) : writev(fds[1], iov, 2)) != (ssize_t)n)
			exit(1);
		while (got < n) {
			ssize_t r = read(fds[0], out + got, n - got);

			if (r <= 0)
				exit(1);
			got += (size_t)r;
		}
		total += sum(out, n);
	}
	close(fds[0]);
	close(fds[1]);
	printf("%s: %u\n", what, total);
}

/* Are the registers that a call must keep as they were, after a write() of what cannot be read? */
static int keeps_registers(int fd)
{
	long kept, args[3] = { fd, 8, 64 };

	__asm__ volatile("lea -256(%%rsp), %%rsp\n\t" /* the red zone */
			 "mov %%rsp, %%r15\n\t"
			 "and $-16, %%rsp\n\t"
			 "mov $0x1111, %%ebx\n\t"
			 "mov $0x2222, %%r12d\n\t"
			 "mov $0x3333, %%r13d\n\t"
			 "mov $0x4444, %%r14d\n\t"
			 "call write@PLT\n\t"
			 "mov %%r15, %%rsp\n\t"
			 "lea 256(%%rsp), %%rsp\n\t"
			 "lea (%%rbx,%%r12), %%rax\n\t"
			 "add %%r13, %%rax\n\t"
			 "add %%r14, %%rax\n\t"
			 : "=&a"(kept), "+D"(args[0]), "+S"(args[1]), "+d"(args[2])
			 :
			 : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			 "memory", "cc");
	return kept == 0x1111 + 0x2222 + 0x3333 + 0x4444;
}

static void bad_pointers(void)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), efault = 0, worked = 0;
	char buf[64], *volatile low = (char *)8;

	for (int i = 0; i < MANY; i++) {
		ssize_t r = read(zero, i % 10 ? buf : low, sizeof(buf));

		worked += r == sizeof(buf);
		efault += r < 0 && errno == EFAULT;
		if (i % 10 == 0 && !keeps_registers(zero))
			exit(1);
	}
	close(zero);
	for (int i = 0; i < 20; i++)
		efault += read(zero, buf, 1) < 0 && errno == EBADF;
	printf("bad pointers: %d worked, %d failed\n", worked, efault);
}

/* A timer breaks into a read that waits, each time. */
static void broken_off(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	/* Again and again: the first may come before the read does. */
	struct itimerval soon = { { 0, 3000 }, { 0, 3000 } }, never = { 0 };
	int fds[2], broken = 0;
	char byte;

	if (pipe(fds) < 0)
		exit(1);
	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < 30; i++) {
		if (write(fds[1], "x", 1) != 1 || read(fds[0], &byte, 1) != 1)
			exit(1);
		setitimer(ITIMER_REAL, &soon, NULL);
		broken += read(fds[0], &byte, 1) < 0 && errno == EINTR;
		setitimer(ITIMER_REAL, &never, NULL);
	}
	close(fds[0]);
	close(fds[1]);
	printf("broken off: %d, alarms: %s\n", broken, alarms >= 30 ? "enough" : "too few");
}

static void on_beat(int sig)
{
	alarms++;
}

/* A timer breaks in anywhere: before a call, in its midst and after it; each is made once. */
static void anywhere(void)
{
	struct sigaction sa = { .sa_handler = on_beat, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	bool in_order = true;
	int fds[2];

	if (pipe(fds) < 0)
		exit(1);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; alarms < 100; i++) {
		int got = -1;

		in_order &= write(fds[1], &i, sizeof(i)) == sizeof(i) &&
			    read(fds[0], &got, sizeof(got)) == sizeof(got) && got == i;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	close(fds[0]);
	close(fds[1]);
	alarms = 0;
	printf("anywhere: %s\n", in_order ? "in order" : "out of order");
}

static void closed_pipe(void)
{
	struct sigaction sa = { .sa_handler = on_pipe };
	int fds[2], failed = 0;

	sigaction(SIGPIPE, &sa, NULL);
	if (pipe(fds) < 0)
		exit(1);
	close(fds[0]);
	for (int i = 0; i < 40; i++) {
		failed += write(fds[1], "x", 1) < 0 && errno == EPIPE;
		if (pipes != failed)
			exit(1);
	}
	close(fds[1]);
	printf("closed pipe: %d, signals %d\n", failed, (int)pipes);
}

static void sets(void)
{
	struct epoll_event ev = { .events = EPOLLIN }, got[4];
	int set = epoll_create1(EPOLL_CLOEXEC), pair[2], bytes = 0;
	char byte;

	if (set < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		exit(1);
	/* An address of the heap: the same in both copies, or else translated. */
	ev.data.ptr = malloc(100);
	if (epoll_ctl(set, EPOLL_CTL_ADD, pair[1], &ev) < 0)
		exit(1);
	for (int i = 0; i < MANY; i++) {
		if (send(pair[0], "y", 1, 0) != 1 || epoll_wait(set, got, 4, -1) != 1 ||
			got[0].data.ptr != ev.data.ptr || recv(pair[1], &byte, 1, 0) != 1)
			exit(1);
		bytes++;
		if (i % 50 == 7) {
			ev.data.ptr = malloc(100);
			if (epoll_ctl(set, EPOLL_CTL_MOD, pair[1], &ev) < 0)
				exit(1);
		}
	}
	printf("sets: %d, then %d\n", bytes, epoll_wait(set, got, 4, 1));
	close(set);
	close(pair[0]);
	close(pair[1]);
}

static void children(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t child;
		int status;

		fflush(stdout);
		child = fork();
		if (child == 0) {
			transfer("child");
			fflush(stdout);
			_exit(i);
		}
		if (waitpid(child, &status, 0) != child)
			exit(1);
		printf("child %d ended with %d\n", i, WEXITSTATUS(status));
		fflush(stdout);
	}
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int shared;

static void *count(void *arg)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char buf[8];

	for (int i = 0; i < MANY; i++) {
		pthread_mutex_lock(&lock);
		shared += read(zero, buf, sizeof(buf)) == sizeof(buf);
		pthread_mutex_unlock(&lock);
	}
	close(zero);
	return arg;
}

static void threads(void)
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, count, NULL);
	count(NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("threads: %d\n", shared);
}

static void ids(void)
{
	pid_t pid = getpid();
	int same = 0;

	for (int i = 0; i < MANY; i++)
		same += syscall(SYS_getpid) == pid && syscall(SYS_gettid) == pid;
	printf("ids: %d\n", same);
}

static void clocks(void)
{
	struct timespec before = { 0 }, now;
	struct timeval tv;
	int forward = 0;

	for (int i = 0; i < MANY; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		forward += now.tv_sec > before.tv_sec ||
			   (now.tv_sec == before.tv_sec && now.tv_nsec >= before.tv_nsec);
		before = now;
		gettimeofday(&tv, NULL);
	}
	printf("clocks: %d\n", forward);
}

int main(int argc, char **argv)
{
	while (argc > 1 && access(argv[1], F_OK) < 0)
		usleep(1000);
	clocks();
	transfer("transfer");
	ids();
	bad_pointers();
	anywhere();
	broken_off();
	closed_pipe();
	sets();
	children();
	transfer("again");
	threads();
	return 5;
}
