/* SPDX-License-Identifier: Apache-2.0 */
/* Calls as they are printed. Memory is this program's own. */
#include <arpa/inet.h>
#include <asm/unistd_64.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys/sys.h"
#include "tap.h"

/* What can be read. */
struct range {
	uint64_t low, high;
};

static int memory_fd;

static size_t read_own(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct range *range = ctx;
	ssize_t got;

	if (addr < range->low || addr >= range->high)
		return 0;
	if (len > range->high - addr)
		len = range->high - addr;
	/* By the kernel: the printer asks for more than a short string has. */
	got = pread(memory_fd, buf, len, addr);
	return got > 0 ? got : 0;
}

static uint64_t address(const void *p)
{
	return (uintptr_t)p;
}

static void check(const char *want, const int64_t *result, uint64_t nr, const uint64_t args[6])
{
	struct range all = { 65536, 1ul << 47 };
	struct str out = STR_INIT;

	sys_print_call(&out, sys_resolve(nr, args), nr, args, result, read_own, &all);
	is_str(str_text(&out), want, "%s", want);
	str_free(&out);
}

#define ARGS(...) ((const uint64_t[6]){ __VA_ARGS__ })
#define RESULT(n) (&(int64_t){ n })

static void test_files(void)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = 1234 };
	struct iovec iov[2] = { { (char *)"ab", 2 }, { (char *)"cdef", 4 } };
	uint64_t how[3] = { O_RDWR | O_CREAT, 0600, 8 };
	char zeros[3] = { 0 };
	int fds[2] = { 3, 4 };
	int64_t off = 77;

	check("openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC) = 3", RESULT(3), SYS_openat,
		ARGS((uint32_t)AT_FDCWD, address("/etc/passwd"), O_CLOEXEC, 0x77));
	check("openat(5, \"a\\\"b\\n\", O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 EACCES (Permission "
	      "denied)",
		RESULT(-EACCES), SYS_openat,
		ARGS(5, address("a\"b\n"), O_WRONLY | O_CREAT | O_TRUNC, 0644));
	check("openat2(AT_FDCWD, \"x\", {flags=O_RDWR|O_CREAT, mode=0600, resolve=0x8}, 24)", NULL,
		SYS_openat2, ARGS(AT_FDCWD, address("x"), address(how), 24));
	check("read(0, \"hi\\0\", 3) = 3", RESULT(3), SYS_read, ARGS(0, address("hi\0"), 3));
	check("read(0, \"\", 3) = 0", RESULT(0), SYS_read, ARGS(0, address("hi\0"), 3));
	check("read(0, 0x10, 3)", NULL, SYS_read, ARGS(0, 0x10, 3));
	check("write(1, \"\\0\\0\\0\", 3) = -1 EPIPE (Broken pipe)", RESULT(-EPIPE), SYS_write,
		ARGS(1, address(zeros), 3));
	check("write(1, \"\\0011\", 2) = 2", RESULT(2), SYS_write, ARGS(1, address("\0011"), 2));
	check("write(1, \"0123456789012345678901234567890\\t\"..., 40)", NULL, SYS_write,
		ARGS(1, address("0123456789012345678901234567890\t--------"), 40));
	check("writev(1, [{iov_base=\"ab\", iov_len=2}, {iov_base=\"cdef\", iov_len=4}], 2) = 6",
		RESULT(6), SYS_writev, ARGS(1, address(iov), 2));
	check("readv(1, [{iov_base=\"ab\", iov_len=2}, {iov_base=\"c\", iov_len=4}], 2) = 3",
		RESULT(3), SYS_readv, ARGS(1, address(iov), 2));
	check("fstat(3, {st_mode=S_IFREG|0644, st_size=1234, ...}) = 0", RESULT(0), SYS_fstat,
		ARGS(3, address(&st)));
	check("fstat(3, NULL) = -1 EFAULT (Bad address)", RESULT(-EFAULT), SYS_fstat, ARGS(3, 0));
	check("pipe2([3, 4], O_CLOEXEC) = 0", RESULT(0), SYS_pipe2, ARGS(address(fds), O_CLOEXEC));
	check("sendfile(4, 3, [77], 10) = 10", RESULT(10), SYS_sendfile,
		ARGS(4, 3, address(&off), 10));
	check("lseek(3, -5, SEEK_END) = 9", RESULT(9), SYS_lseek, ARGS(3, (uint64_t)-5, SEEK_END));
	check("access(\"/\", F_OK) = 0", RESULT(0), SYS_access, ARGS(address("/"), F_OK));
	check("access(\"/\", R_OK|X_OK) = 0", RESULT(0), SYS_access,
		ARGS(address("/"), R_OK | X_OK));
	check("umask(022) = 0", RESULT(0), SYS_umask, ARGS(022));
	check("fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0", RESULT(0), SYS_fcntl,
		ARGS(3, F_SETFL, O_RDWR | O_NONBLOCK));
	check("fcntl(3, F_SETFD, FD_CLOEXEC) = 0", RESULT(0), SYS_fcntl, ARGS(3, F_SETFD, 1));
	check("fcntl(3, F_GETFD) = 1", RESULT(1), SYS_fcntl, ARGS(3, F_GETFD, 0x99));
	check("unlinkat(AT_FDCWD, \"d\", AT_REMOVEDIR) = 0", RESULT(0), SYS_unlinkat,
		ARGS(AT_FDCWD, address("d"), AT_REMOVEDIR));
	check("unlinkat(AT_FDCWD, \"d\", 0) = 0", RESULT(0), SYS_unlinkat,
		ARGS(AT_FDCWD, address("d"), 0));
}

static void test_memory(void)
{
	check("mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, "
	      "-1, 0) = 0x7f0000000000",
		RESULT(0x7f0000000000), SYS_mmap,
		ARGS(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1));
	check("mmap(NULL, 10, PROT_NONE, MAP_SHARED, 3, 4096) = -1 ENODEV (No such device)",
		RESULT(-ENODEV), SYS_mmap, ARGS(0, 10, PROT_NONE, MAP_SHARED, 3, 4096));
	check("madvise(0x1000, 4096, MADV_DONTNEED) = 0", RESULT(0), SYS_madvise,
		ARGS(0x1000, 4096, MADV_DONTNEED));
	check("brk(NULL) = 0x55550000", RESULT(0x55550000), SYS_brk, ARGS(0));
}

static void test_sockets(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(80),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(81), .sin6_addr = IN6ADDR_LOOPBACK_INIT
	};
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	struct iovec iov = { (char *)"abc", 3 };
	struct msghdr msg = {
		.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &iov, .msg_iovlen = 1
	};
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789a };
	struct pollfd fds[2] = { { 3, POLLIN, POLLIN }, { -1, POLLIN | POLLOUT, 0 } };
	uint32_t len = sizeof(in);
	fd_set set;

	FD_ZERO(&set);
	FD_SET(0, &set);
	FD_SET(5, &set);
	check("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 6) = 3", RESULT(3),
		SYS_socket, ARGS(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 6));
	check("connect(3, {sa_family=AF_INET, sin_port=htons(80), "
	      "sin_addr=inet_addr(\"127.0.0.1\")}, 16)"
	      " = -1 EINPROGRESS (Operation now in progress)",
		RESULT(-EINPROGRESS), SYS_connect, ARGS(3, address(&in), sizeof(in)));
	check("bind(3, {sa_family=AF_INET6, sin6_port=htons(81), inet_pton(AF_INET6, \"::1\")}, "
	      "28) = 0",
		RESULT(0), SYS_bind, ARGS(3, address(&in6), sizeof(in6)));
	check("bind(3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = 0", RESULT(0), SYS_bind,
		ARGS(3, address(&un), sizeof(un)));
	check("accept4(3, {sa_family=AF_INET, sin_port=htons(80), "
	      "sin_addr=inet_addr(\"127.0.0.1\")}, "
	      "[16], SOCK_CLOEXEC) = 4",
		RESULT(4), SYS_accept4, ARGS(3, address(&in), address(&len), SOCK_CLOEXEC));
	check("accept(3, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)",
		RESULT(-EAGAIN), SYS_accept, ARGS(3, 0, 0));
	check("sendmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(80), "
	      "sin_addr=inet_addr(\"127.0.0.1\")},"
	      " msg_namelen=16, msg_iov=[{iov_base=\"abc\", iov_len=3}], msg_iovlen=1, "
	      "msg_controllen=0, "
	      "msg_flags=0}, MSG_NOSIGNAL) = 3",
		RESULT(3), SYS_sendmsg, ARGS(3, address(&msg), MSG_NOSIGNAL));
	check("epoll_ctl(4, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLET, data=0x123456789a}) = 0",
		RESULT(0), SYS_epoll_ctl, ARGS(4, EPOLL_CTL_ADD, 3, address(&ev)));
	check("epoll_wait(4, [{events=EPOLLIN|EPOLLET, data=0x123456789a}], 8, -1) = 1", RESULT(1),
		SYS_epoll_wait, ARGS(4, address(&ev), 8, (uint64_t)-1));
	check("poll([{fd=3, events=POLLIN, revents=POLLIN}, {fd=-1, events=POLLIN|POLLOUT}], 2, "
	      "100) = 1",
		RESULT(1), SYS_poll, ARGS(address(fds), 2, 100));
	check("select(6, [0 5], NULL, NULL, NULL) = 2", RESULT(2), SYS_select,
		ARGS(6, address(&set)));
}

static void test_processes(void)
{
	const char *argv[] = { "ls", "-l", NULL };
	uint64_t act[4] = { 1, 0x04000000 | SA_RESTART, 0x4000, 1u << (SIGINT - 1) };
	uint64_t set = 1u << (SIGTERM - 1) | 1u << (SIGCHLD - 1);
	struct timespec half = { 0, 500000000 };
	struct rlimit limit = { 8192 * 1024, RLIM_INFINITY };
	struct winsize size = { 24, 80, 0, 0 };
	int status = 3 << 8;
	uint32_t word = 2;

	check("execve(\"/bin/ls\", [\"ls\", \"-l\"], [])", NULL, SYS_execve,
		ARGS(address("/bin/ls"), address(argv), address(&argv[2])));
	check("rt_sigaction(SIGINT, {sa_handler=SIG_IGN, sa_mask=[INT], "
	      "sa_flags=SA_RESTORER|SA_RESTART}, "
	      "NULL, 8) = 0",
		RESULT(0), SYS_rt_sigaction, ARGS(SIGINT, address(act), 0, 8));
	check("rt_sigprocmask(SIG_BLOCK, [TERM CHLD], NULL, 8) = 0", RESULT(0), SYS_rt_sigprocmask,
		ARGS(SIG_BLOCK, address(&set), 0, 8));
	check("kill(-5, SIGSEGV) = 0", RESULT(0), SYS_kill, ARGS((uint32_t)-5, SIGSEGV));
	check("wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], WNOHANG, NULL) = 9", RESULT(9),
		SYS_wait4, ARGS((uint64_t)-1, address(&status), WNOHANG));
	check("nanosleep({tv_sec=0, tv_nsec=500000000}, NULL) = ? ERESTART_RESTARTBLOCK",
		RESULT(-516), SYS_nanosleep, ARGS(address(&half), 0));
	check("futex(0xffff0000ffff0000, FUTEX_WAKE, 1) = 0", RESULT(0), SYS_futex,
		ARGS(0xffff0000ffff0000, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1));
	check("ioctl(1, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0",
		RESULT(0), SYS_ioctl, ARGS(1, TIOCGWINSZ, address(&size)));
	check("ioctl(1, 0x1234, 0x10) = -1 ENOTTY (Inappropriate ioctl for device)",
		RESULT(-ENOTTY), SYS_ioctl, ARGS(1, 0x1234, 0x10));
	check("prlimit64(0, RLIMIT_STACK, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}, NULL) = "
	      "0",
		RESULT(0), SYS_prlimit64, ARGS(0, RLIMIT_STACK, address(&limit), 0));
	check("getresuid([2], [2], [2]) = 0", RESULT(0), SYS_getresuid,
		ARGS(address(&word), address(&word), address(&word)));
	check("clone(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, NULL, NULL, 0x10, NULL) = 7",
		RESULT(7), SYS_clone,
		ARGS(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0, 0, 0x10, 0));
	check("exit_group(0)", NULL, SYS_exit_group, ARGS(0));
	check("syscall_999(0x1, 0, 0x3, 0, 0, 0) = -1 ENOSYS (Function not implemented)",
		RESULT(-ENOSYS), 999, ARGS(1, 0, 3));
}

static void test_unreadable(void)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct range range = { address(pages), address(pages) + 4096 };
	uint64_t args[6] = { range.high - 3 };
	struct str out = STR_INIT;
	char want[64];

	memset(pages, 'x', 8192);
	sys_print_call(&out, sys_row(SYS_chdir), SYS_chdir, args, NULL, read_own, &range);
	is_str(str_text(&out), "chdir(\"xxx\"...)", "a string that runs into unmapped memory");
	str_reset(&out);
	args[0] = range.high;
	sys_print_call(&out, sys_row(SYS_chdir), SYS_chdir, args, NULL, read_own, &range);
	snprintf(want, sizeof(want), "chdir(0x%llx)", (unsigned long long)range.high);
	is_str(str_text(&out), want, "one that is not there at all");
	str_reset(&out);
	sys_print_call(&out, sys_row(SYS_chdir), SYS_chdir, args, NULL, NULL, NULL);
	is_str(str_text(&out), want, "no memory to read from");
	str_free(&out);
	munmap(pages, 8192);
}

/* Arguments at random must not lead anywhere but to text. */
static void test_random(void)
{
	static uint64_t memory[512];
	struct str out = STR_INIT;
	struct range range = { address(memory), address(&memory[512]) };
	unsigned printed = 0;

	srandom(1);
	for (unsigned i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
		memory[i] = random() % 3 ? address(&memory[random() % 256]) : (uint64_t)random();
	for (unsigned round = 0; round < 50000; round++) {
		uint64_t nr = random() % (sys_max() + 1), args[6];
		int64_t result = random() % 4 ? random() % 5000 : -(random() % 530);

		for (int i = 0; i < 6; i++)
			args[i] = random() % 2 ? address(&memory[random() % 500])
					       : (uint64_t)random() % 300;
		str_reset(&out);
		sys_print_call(&out, sys_resolve(nr, args), nr, args, random() % 2 ? &result : NULL,
			read_own, &range);
		printed += out.len > 3;
	}
	is_int(printed, 50000, "calls with random arguments are printed");
	str_free(&out);
}

int main(void)
{
	memory_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	ok(memory_fd >= 0, "own memory can be read");
	test_files();
	test_memory();
	test_sockets();
	test_processes();
	test_unreadable();
	test_random();
	is_str(sys_signal_name(SIGSEGV), "SIGSEGV", "SIGSEGV");
	is_str(sys_signal_name(34), "SIGRT_2", "a real-time signal");
	is_str(sys_signal_name(77), "SIG_77", "no signal");
	is_str(sys_errno_name(EAGAIN), "EAGAIN", "EAGAIN");
	is_str(sys_errno_name(4000), "E_4000", "no error");
	return tap_done();
}
