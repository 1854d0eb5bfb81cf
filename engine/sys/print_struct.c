/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs as strace shows them. The layouts are the kernel's on x86-64, taken by offset, because
 * the C library's structs of the same names are not all the same. The bytes need not be aligned.
 */
#include "sys/print.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static uint64_t u64(const void *bytes, size_t at)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)bytes + at, sizeof(v));
	return v;
}

static uint32_t u32(const void *bytes, size_t at)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)bytes + at, sizeof(v));
	return v;
}

static uint16_t u16(const void *bytes, size_t at)
{
	uint16_t v;

	memcpy(&v, (const uint8_t *)bytes + at, sizeof(v));
	return v;
}

#define STRUCT(type) const struct sys_print sys_struct_##type = { NULL, 0, show_##type }

static void show_pair(struct str *out, const void *b, const char *first, const char *second)
{
	str_printf(out, "{%s=%" PRId64 ", %s=%" PRId64 "}", first, (int64_t)u64(b, 0), second,
		(int64_t)u64(b, 8));
}

static void show_timespec(struct str *out, const void *b, size_t len)
{
	/* utimensat's special values, in place of nanoseconds */
	if (u64(b, 8) == UTIME_NOW)
		str_puts(out, "UTIME_NOW");
	else if (u64(b, 8) == UTIME_OMIT)
		str_puts(out, "UTIME_OMIT");
	else
		show_pair(out, b, "tv_sec", "tv_nsec");
}
STRUCT(timespec);

static void show_timeval(struct str *out, const void *b, size_t len)
{
	show_pair(out, b, "tv_sec", "tv_usec");
}
STRUCT(timeval);

static void show_timespec2(struct str *out, const void *b, size_t len)
{
	str_putc(out, '[');
	show_timespec(out, b, 16);
	str_puts(out, ", ");
	show_timespec(out, (const uint8_t *)b + 16, 16);
	str_putc(out, ']');
}
STRUCT(timespec2);

static void show_timeval2(struct str *out, const void *b, size_t len)
{
	str_putc(out, '[');
	show_timeval(out, b, 16);
	str_puts(out, ", ");
	show_timeval(out, (const uint8_t *)b + 16, 16);
	str_putc(out, ']');
}
STRUCT(timeval2);

static void show_itimerspec(struct str *out, const void *b, size_t len)
{
	str_puts(out, "{it_interval=");
	show_pair(out, b, "tv_sec", "tv_nsec");
	str_puts(out, ", it_value=");
	show_pair(out, (const uint8_t *)b + 16, "tv_sec", "tv_nsec");
	str_putc(out, '}');
}
STRUCT(itimerspec);

static void show_itimerval(struct str *out, const void *b, size_t len)
{
	str_puts(out, "{it_interval=");
	show_pair(out, b, "tv_sec", "tv_usec");
	str_puts(out, ", it_value=");
	show_pair(out, (const uint8_t *)b + 16, "tv_sec", "tv_usec");
	str_putc(out, '}');
}
STRUCT(itimerval);

static void show_mode(struct str *out, uint32_t mode)
{
	static const char *const types[16] = {
		[1] = "S_IFIFO",
		[2] = "S_IFCHR",
		[4] = "S_IFDIR",
		[6] = "S_IFBLK",
		[8] = "S_IFREG",
		[10] = "S_IFLNK",
		[12] = "S_IFSOCK",
	};
	const char *type = types[mode >> 12 & 15];

	str_printf(out, "st_mode=%s%s0%o", type ? type : "", type ? "|" : "", mode & 07777);
}

static void show_size(struct str *out, uint32_t mode, uint64_t rdev, uint64_t size)
{
	if (S_ISCHR(mode) || S_ISBLK(mode))
		str_printf(out, ", st_rdev=0x%" PRIx64, rdev);
	else
		str_printf(out, ", st_size=%" PRIu64, size);
	str_puts(out, ", ...}");
}

static void show_stat(struct str *out, const void *b, size_t len)
{
	str_putc(out, '{');
	show_mode(out, u32(b, 24));
	show_size(out, u32(b, 24), u64(b, 40), u64(b, 48));
}
STRUCT(stat);

static void show_statx(struct str *out, const void *b, size_t len)
{
	str_puts(out, "{stx_mask=");
	sys_print_names(out, &sys_names_statx, u32(b, 0));
	str_printf(out, ", stx_mode=0%o, stx_size=%" PRIu64 ", ...}", u16(b, 28), u64(b, 40));
}
STRUCT(statx);

static void show_statfs(struct str *out, const void *b, size_t len)
{
	str_printf(out,
		"{f_type=0x%" PRIx64 ", f_bsize=%" PRIu64 ", f_blocks=%" PRIu64 ", f_bfree=%" PRIu64
		", ...}",
		u64(b, 0), u64(b, 8), u64(b, 16), u64(b, 24));
}
STRUCT(statfs);

static void show_rusage(struct str *out, const void *b, size_t len)
{
	str_puts(out, "{ru_utime=");
	show_pair(out, b, "tv_sec", "tv_usec");
	str_puts(out, ", ru_stime=");
	show_pair(out, (const uint8_t *)b + 16, "tv_sec", "tv_usec");
	str_puts(out, ", ...}");
}
STRUCT(rusage);

static void show_limit(struct str *out, uint64_t value)
{
	if (value == UINT64_MAX)
		str_puts(out, "RLIM64_INFINITY");
	else if (value % 1024 == 0 && value > 1024)
		str_printf(out, "%" PRIu64 "*1024", value / 1024);
	else
		str_printf(out, "%" PRIu64, value);
}

static void show_rlimit(struct str *out, const void *b, size_t len)
{
	str_puts(out, "{rlim_cur=");
	show_limit(out, u64(b, 0));
	str_puts(out, ", rlim_max=");
	show_limit(out, u64(b, 8));
	str_putc(out, '}');
}
STRUCT(rlimit);

static void show_utsname(struct str *out, const void *b, size_t len)
{
	const char *names = b;

	str_puts(out, "{sysname=");
	print_quoted(out, names, strnlen(names, 65), false);
	str_puts(out, ", nodename=");
	print_quoted(out, names + 65, strnlen(names + 65, 65), false);
	str_puts(out, ", ...}");
}
STRUCT(utsname);

static void show_winsize(struct str *out, const void *b, size_t len)
{
	str_printf(out, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", u16(b, 0), u16(b, 2),
		u16(b, 4), u16(b, 6));
}
STRUCT(winsize);

static void show_termios(struct str *out, const void *b, size_t len)
{
	str_printf(out, "{c_iflag=0x%x, c_oflag=0x%x, c_cflag=0x%x, c_lflag=0x%x, ...}", u32(b, 0),
		u32(b, 4), u32(b, 8), u32(b, 12));
}
STRUCT(termios);

static void show_flock(struct str *out, const void *b, size_t len)
{
	static const char *const types[] = { "F_RDLCK", "F_WRLCK", "F_UNLCK" };

	str_puts(out, "{l_type=");
	if (u16(b, 0) < 3)
		str_puts(out, types[u16(b, 0)]);
	else
		str_printf(out, "%d", (int16_t)u16(b, 0));
	str_puts(out, ", l_whence=");
	sys_print_choice(out, &sys_names_seek, u16(b, 2));
	str_printf(out, ", l_start=%" PRId64 ", l_len=%" PRId64 "}", (int64_t)u64(b, 8),
		(int64_t)u64(b, 16));
}
STRUCT(flock);

static void show_id(struct str *out, const void *b, size_t len)
{
	str_printf(out, "[%d]", (int32_t)u32(b, 0));
}
STRUCT(id);

static void show_off(struct str *out, const void *b, size_t len)
{
	str_printf(out, "[%" PRId64 "]", (int64_t)u64(b, 0));
}
STRUCT(off);

static void show_wstatus(struct str *out, const void *b, size_t len)
{
	int status = (int)u32(b, 0);

	if (WIFEXITED(status))
		str_printf(out, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
	else if (WIFSTOPPED(status))
		str_printf(out, "[{WIFSTOPPED(s) && WSTOPSIG(s) == %s}]",
			sys_signal_name(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		str_puts(out, "[{WIFCONTINUED(s)}]");
	else
		str_printf(out, "[{WIFSIGNALED(s) && WTERMSIG(s) == %s%s}]",
			sys_signal_name(WTERMSIG(status)),
			WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
}
STRUCT(wstatus);

static void show_clone_args(struct str *out, const void *b, size_t len)
{
	str_puts(out, "{flags=");
	sys_print_names(out, &sys_names_clone, u64(b, 0));
	str_puts(out, ", exit_signal=");
	if (u64(b, 32))
		str_puts(out, sys_signal_name((int)u64(b, 32)));
	else
		str_putc(out, '0');
	str_printf(out, ", stack=0x%" PRIx64 ", stack_size=0x%" PRIx64 ", ...}", u64(b, 40),
		u64(b, 48));
}
STRUCT(clone_args);

static void show_open_how(struct str *out, const void *b, size_t len)
{
	if (len < 24) {
		print_quoted(out, b, len, false);
		return;
	}
	str_puts(out, "{flags=");
	sys_print_names(out, &sys_names_open, u64(b, 0));
	if (u64(b, 8))
		str_printf(out, ", mode=0%" PRIo64, u64(b, 8));
	str_printf(out, ", resolve=0x%" PRIx64 "}", u64(b, 16));
}
STRUCT(open_how);

void show_sigset(struct str *out, const void *b, size_t len)
{
	uint64_t set = u64(b, 0);
	bool any = false;

	/* Sets that are almost full read better the other way round. */
	if (__builtin_popcountll(set) > 48) {
		str_putc(out, '~');
		set = ~set;
	}
	str_putc(out, '[');
	for (int sig = 1; sig <= 64; sig++) {
		if (!(set >> (sig - 1) & 1))
			continue;
		str_printf(out, "%s%s", any ? " " : "", sys_signal_name(sig) + 3);
		any = true;
	}
	str_putc(out, ']');
}
STRUCT(sigset);

void show_sigaction(struct str *out, const void *b, size_t len)
{
	uint64_t handler = u64(b, 0);

	str_puts(out, "{sa_handler=");
	if (handler < 2)
		str_puts(out, handler ? "SIG_IGN" : "SIG_DFL");
	else
		print_addr(out, handler);
	str_puts(out, ", sa_mask=");
	show_sigset(out, (const uint8_t *)b + 24, 8);
	str_puts(out, ", sa_flags=");
	sys_print_names(out, &sys_names_sa_flags, (uint32_t)u64(b, 8));
	str_putc(out, '}');
}
STRUCT(sigaction);

void show_sigevent(struct str *out, const void *b, size_t len)
{
	static const char *const notify[] = { "SIGEV_SIGNAL", "SIGEV_NONE", "SIGEV_THREAD", NULL,
		"SIGEV_THREAD_ID" };
	uint32_t how = u32(b, 12);

	str_printf(out, "{sigev_value=0x%" PRIx64 ", sigev_signo=%s, sigev_notify=", u64(b, 0),
		sys_signal_name((int)u32(b, 8)));
	if (how < 5 && notify[how])
		str_puts(out, notify[how]);
	else
		str_printf(out, "%u", how);
	if (how == 4)
		str_printf(out, ", sigev_notify_thread_id=%d", (int)u32(b, 16));
	str_putc(out, '}');
}

void show_siginfo(struct str *out, const void *b, size_t len)
{
	int signo = (int)u32(b, 0);

	if (!signo) {
		str_puts(out, "{}");
		return;
	}
	str_printf(out, "{si_signo=%s, si_code=%d", sys_signal_name(signo), (int)u32(b, 8));
	if ((int)u32(b, 8) <= 0 || signo == SIGCHLD)
		str_printf(out, ", si_pid=%d, si_uid=%d", (int)u32(b, 16), (int)u32(b, 20));
	if (signo == SIGCHLD)
		str_printf(out, ", si_status=%d", (int)u32(b, 24));
	str_puts(out, ", ...}");
}

static void show_unix(struct str *out, const uint8_t *b, size_t len)
{
	size_t n = len - 2;

	str_puts(out, ", sun_path=");
	if (n && !b[2]) { /* the name has no end but the length's */
		str_putc(out, '@');
		print_quoted(out, b + 3, n - 1, false);
		return;
	}
	print_quoted(out, b + 2, strnlen((const char *)b + 2, n), false);
}

void show_sockaddr(struct str *out, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	char text[INET6_ADDRSTRLEN];
	uint16_t family;

	if (len < 2) {
		print_quoted(out, b, len, false);
		return;
	}
	family = u16(b, 0);
	str_puts(out, "{sa_family=");
	sys_print_choice(out, &sys_names_family, family);
	if (family == AF_UNIX && len > 2)
		show_unix(out, b, len);
	else if (family == AF_INET && len >= 8)
		str_printf(out, ", sin_port=htons(%u), sin_addr=inet_addr(\"%s\")",
			ntohs(u16(b, 2)), inet_ntop(AF_INET, b + 4, text, sizeof(text)));
	else if (family == AF_INET6 && len >= 24)
		str_printf(out, ", sin6_port=htons(%u), inet_pton(AF_INET6, \"%s\")",
			ntohs(u16(b, 2)), inet_ntop(AF_INET6, b + 8, text, sizeof(text)));
	else if (family == AF_NETLINK && len >= 12)
		str_printf(out, ", nl_pid=%d, nl_groups=0x%08x", (int)u32(b, 4), u32(b, 8));
	else if (len > 2) {
		str_puts(out, ", sa_data=");
		print_quoted(out, b + 2, len - 2 < PRINT_BYTES ? len - 2 : PRINT_BYTES,
			len - 2 > PRINT_BYTES);
	}
	str_putc(out, '}');
}
