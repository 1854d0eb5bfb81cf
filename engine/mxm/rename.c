/* SPDX-License-Identifier: Apache-2.0 */
/* The same call by another name: one form for each family, by the arguments in the registers. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "agent/wire.h"
#include "mxm/rules.h"

/* An argument of the other name: one of this name's, or a value. */
struct from {
	uint8_t arg; /* 1 is the first; 0: none */
	uint32_t value;
};

#define A(n)                                                                                       \
	{                                                                                          \
		(n) + 1, 0                                                                         \
	}
#define K(v)                                                                                       \
	{                                                                                          \
		0, (uint32_t)(v)                                                                   \
	}
#define CWD K(AT_FDCWD)

/* Calls that always stand for another one. */
static const struct renaming {
	uint16_t nr, to;
	struct from args[6];
} renamings[] = {
	{ SYS_stat, SYS_newfstatat, { CWD, A(0), A(1), K(0) } },
	{ SYS_lstat, SYS_newfstatat, { CWD, A(0), A(1), K(AT_SYMLINK_NOFOLLOW) } },
	{ SYS_open, SYS_openat, { CWD, A(0), A(1), A(2) } },
	{ SYS_creat, SYS_openat, { CWD, A(0), K(O_CREAT | O_WRONLY | O_TRUNC), A(1) } },
	{ SYS_access, SYS_faccessat, { CWD, A(0), A(1) } },
	{ SYS_readlink, SYS_readlinkat, { CWD, A(0), A(1), A(2) } },
	{ SYS_mkdir, SYS_mkdirat, { CWD, A(0), A(1) } },
	{ SYS_mknod, SYS_mknodat, { CWD, A(0), A(1), A(2) } },
	{ SYS_unlink, SYS_unlinkat, { CWD, A(0), K(0) } },
	{ SYS_rmdir, SYS_unlinkat, { CWD, A(0), K(AT_REMOVEDIR) } },
	{ SYS_rename, SYS_renameat2, { CWD, A(0), CWD, A(1), K(0) } },
	{ SYS_renameat, SYS_renameat2, { A(0), A(1), A(2), A(3), K(0) } },
	{ SYS_link, SYS_linkat, { CWD, A(0), CWD, A(1), K(0) } },
	{ SYS_symlink, SYS_symlinkat, { A(0), CWD, A(1) } },
	{ SYS_chmod, SYS_fchmodat, { CWD, A(0), A(1) } },
	{ SYS_chown, SYS_fchownat, { CWD, A(0), A(1), A(2), K(0) } },
	{ SYS_lchown, SYS_fchownat, { CWD, A(0), A(1), A(2), K(AT_SYMLINK_NOFOLLOW) } },
	{ SYS_dup, SYS_fcntl, { A(0), K(F_DUPFD), K(0) } },
	{ SYS_pipe, SYS_pipe2, { A(0), K(0) } },
	{ SYS_inotify_init, SYS_inotify_init1, { K(0) } },
	{ SYS_eventfd, SYS_eventfd2, { A(0), K(0) } },
	{ SYS_signalfd, SYS_signalfd4, { A(0), A(1), A(2), K(0) } },
	{ SYS_accept, SYS_accept4, { A(0), A(1), A(2), K(0) } },
	{ SYS_setrlimit, SYS_prlimit64, { K(0), A(0), A(1), K(0) } },
};

#undef A
#undef K

_Static_assert(ARRAY_SIZE(renamings) <= AGENT_NAMES_MAX, "the agent's table has room for them");

static const struct renaming *renaming_of(uint64_t nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(renamings); i++) {
		if (renamings[i].nr == nr)
			return &renamings[i];
	}
	return NULL;
}

int rules_names(struct agent_name *ret_names, uint16_t *ret_nrs)
{
	for (size_t i = 0; i < ARRAY_SIZE(renamings); i++) {
		ret_nrs[i] = renamings[i].nr;
		ret_names[i].nr = renamings[i].to;
		for (int k = 0; k < 6; k++) {
			ret_names[i].from[k] = renamings[i].args[k].arg;
			ret_names[i].values[k] = renamings[i].args[k].value;
		}
	}
	return ARRAY_SIZE(renamings);
}

uint64_t rules_other_name(uint64_t nr)
{
	const struct renaming *r = renaming_of(nr);

	return r ? r->to : nr;
}

static bool is_empty(struct task *task, uint64_t path)
{
	char first = 1;

	return path && tracee_read(&task->tracee, raddr(path), &first, 1) == 0 && !first;
}

/* The time that epoll_pwait2(2) is given, if epoll_wait(2) can be given the same. */
static bool is_milliseconds(struct task *task, uint64_t at, uint32_t *ret)
{
	struct timespec ts;

	if (!at) {
		*ret = (uint32_t)-1;
		return true;
	}
	if (tracee_read(&task->tracee, raddr(at), &ts, sizeof(ts)) < 0 || ts.tv_sec < 0 ||
		ts.tv_sec >= INT_MAX / 1000 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000 ||
		ts.tv_nsec % 1000000)
		return false;
	*ret = (uint32_t)(ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
	return true;
}

/* What openat2(2) is asked for, if openat(2) can be: no more than that, and nothing amiss in it. */
static bool is_plain_open(struct task *task, uint64_t at, uint64_t size, struct open_how *ret)
{
	const uint64_t known = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |
			       O_NONBLOCK | O_SYNC | O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW |
			       O_NOATIME | O_CLOEXEC;

	return size == sizeof(*ret) &&
	       tracee_read(&task->tracee, raddr(at), ret, sizeof(*ret)) == 0 && !ret->resolve &&
	       !(ret->flags & ~known) && (ret->flags & O_ACCMODE) != O_ACCMODE &&
	       !(ret->mode & ~(uint64_t)((ret->flags & O_CREAT) ? 07777 : 0));
}

static void rename_to(
	struct call *call, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	*call = (struct call){ .nr = nr, .issued = call->issued, .args = { a0, a1, a2, a3 } };
}

/* Those that stand for another one with certain arguments only. */
static void rename_some(struct task *task)
{
	struct call *c = &task->call;
	const uint64_t *a = c->args;
	struct open_how how;
	uint32_t ms;

	switch (c->nr) {
	case SYS_newfstatat:
		if ((uint32_t)a[3] == AT_EMPTY_PATH && is_empty(task, a[1]))
			rename_to(c, SYS_fstat, a[0], a[2], 0, 0);
		break;
	case SYS_fchownat:
		if ((uint32_t)a[4] == AT_EMPTY_PATH && (int)a[0] >= 0 && is_empty(task, a[1]))
			rename_to(c, SYS_fchown, a[0], a[2], a[3], 0);
		break;
	case SYS_faccessat2:
		if (!(uint32_t)a[3])
			rename_to(c, SYS_faccessat, a[0], a[1], a[2], 0);
		break;
	case SYS_dup3:
		if (!(uint32_t)a[2] && (uint32_t)a[0] != (uint32_t)a[1])
			rename_to(c, SYS_dup2, a[0], a[1], 0, 0);
		break;
	case SYS_openat2:
		if (is_plain_open(task, a[2], a[3], &how))
			rename_to(c, SYS_openat, a[0], a[1], how.flags, how.mode);
		break;
	case SYS_epoll_create:
		if ((int)a[0] > 0)
			rename_to(c, SYS_epoll_create1, 0, 0, 0, 0);
		break;
	case SYS_epoll_pwait:
		if (!a[4])
			rename_to(c, SYS_epoll_wait, a[0], a[1], a[2], a[3]);
		break;
	case SYS_epoll_pwait2:
		if (!a[4] && is_milliseconds(task, a[3], &ms))
			rename_to(c, SYS_epoll_wait, a[0], a[1], a[2], ms);
		break;
	case SYS_clock_nanosleep:
		/* For a length of time the two clocks are the same: clock_nanosleep(2). */
		if (!(uint32_t)a[1] &&
			((uint32_t)a[0] == CLOCK_REALTIME || (uint32_t)a[0] == CLOCK_MONOTONIC))
			rename_to(c, SYS_nanosleep, a[2], a[3], 0, 0);
		break;
	case SYS_preadv2:
	case SYS_pwritev2:
		/* Without flags; where no place is given, at the file's position. */
		if (!(uint32_t)a[5])
			rename_to(c,
				(int64_t)a[3] == -1 ? c->nr == SYS_preadv2 ? SYS_readv : SYS_writev
				: c->nr == SYS_preadv2 ? SYS_preadv
						       : SYS_pwritev,
				a[0], a[1], a[2], (int64_t)a[3] == -1 ? 0 : a[3]);
		break;
	case SYS_ioctl:
		if (a[1] == FIOCLEX || a[1] == FIONCLEX)
			rename_to(c, SYS_fcntl, a[0], F_SETFD, a[1] == FIOCLEX ? FD_CLOEXEC : 0, 0);
		break;
	}
}

void rules_rename(struct task *task)
{
	struct call *c = &task->call;
	const struct renaming *r = renaming_of(c->nr);
	struct call other;

	if (r) {
		other = (struct call){ .nr = r->to, .issued = c->issued };
		for (int i = 0; i < 6; i++)
			other.args[i] =
				r->args[i].arg ? c->args[r->args[i].arg - 1] : r->args[i].value;
		*c = other;
	}
	rename_some(task);
}
