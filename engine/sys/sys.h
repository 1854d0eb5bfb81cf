/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one description of the system calls of x86-64. sys.def holds the calls, ioctl.def, fcntl.def
 * and so on the operations of the calls that are many calls in one. The comparer, the copier, the
 * printer, the pre-filter and `mx syscalls` are all driven by these rows; there is no second list.
 */
#ifndef MX_SYS_SYS_H
#define MX_SYS_SYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Who carries a call out. See docs/architecture.md, "Classes of system calls". */
enum sys_class {
	SYS_UNSUPPORTED, /* no row, or a row that gives the reason: the followers are let go */
	SYS_LOCAL,	 /* changes only the process: each version runs it, nothing is compared */
	SYS_MIRRORED,	 /* compared, then run by each version */
	SYS_SHARED,	 /* compared, run once by the leader, results copied to the followers */
	SYS_PROCESS,	 /* makes or ends tuples; always irregular */
	SYS_REFUSED,	 /* answered with `refusal` in every version alike; programs fall back */
};

enum sys_flag {
	SYS_FREE = 1 << 0,  /* local in every use: the pre-filter lets it run without a stop */
	SYS_NEWFD = 1 << 1, /* the result is a new descriptor */
	SYS_BARRIER =
		1 << 2, /* an effect outside that cannot be taken back (write, unlink, kill) */
	SYS_RAISES =
		1 << 3, /* may make a signal of the caller's own deliverable before it returns */
	SYS_SAME_RESULT = 1 << 4, /* mirrored: every version must get the same result */
	SYS_PID_RESULT = 1 << 5,  /* the result is a process or thread id */
	SYS_BLOCKS = 1 << 6,	  /* may wait for an outside event for any time */
	SYS_ADDR_RESULT = 1 << 7, /* the result is an address: never compared or copied */
};

/* What one argument is. Lengths come from `from` and `size`, see enum sys_len. */
enum sys_kind {
	ARG_NONE,
	ARG_INT,     /* 32-bit value, signed in print */
	ARG_UINT,    /* 32-bit value */
	ARG_LONG,    /* 64-bit value */
	ARG_SIZE,    /* 64-bit size or count */
	ARG_OFF,     /* 64-bit file offset */
	ARG_HEX,     /* 64-bit value, printed in hex */
	ARG_OCT,     /* file mode */
	ARG_FLAGS,   /* 32-bit bit set, printed with `print`'s names */
	ARG_ENUM,    /* 32-bit choice, printed with `print`'s names */
	ARG_FD,	     /* descriptor */
	ARG_DIRFD,   /* descriptor or AT_FDCWD */
	ARG_PID,     /* process id, 0, -1, or a negated process group */
	ARG_TID,     /* thread id */
	ARG_SIG,     /* signal number */
	ARG_IGNORED, /* not looked at by the kernel, or must not be compared */
	ARG_ADDR,    /* an address that the kernel does not read or write through: never compared */
	ARG_PTR,     /* a pointer of which only NULL or not matters */
	ARG_PATH,    /* in: file name */
	ARG_STR,     /* in: other NUL-terminated string */
	ARG_STRV,    /* in: NULL-terminated vector of strings */
	ARG_IN,	     /* in: bytes */
	ARG_OUT,     /* out: bytes */
	ARG_INOUT,   /* in and out: bytes */
	ARG_IOV_IN,  /* in: struct iovec[count], the bytes that they hold; compared joined */
	ARG_IOV_OUT, /* out: struct iovec[count], as many bytes as the result says */
	ARG_MSG_IN,  /* in: struct msghdr */
	ARG_MSG_OUT, /* out: struct msghdr */
	ARG_MMSG_IN, /* in: struct mmsghdr[count]; msg_len is written */
	ARG_MMSG_OUT,	  /* out: struct mmsghdr[count] */
	ARG_SOCKADDR_IN,  /* in: bytes, length in argument `from` */
	ARG_SOCKADDR_OUT, /* out: bytes, length behind the socklen_t pointer in argument `from` */
	ARG_SOCKLEN,	  /* in and out: the socklen_t that another argument's length is behind */
	ARG_FDS_OUT,	  /* out: int[2], new descriptors */
	ARG_POLLFDS,	  /* in and out: struct pollfd[count]; revents is out */
	ARG_FDSET,	  /* in and out: fd_set of argument 0's bits */
	ARG_EPOLL_EVENT,  /* in: struct epoll_event; its data is translated, never compared */
	ARG_EPOLL_EVENTS, /* out: struct epoll_event[result]; data translated */
	ARG_SIGSET,	 /* in: signal set of `size` bytes; see PSELECT6 below for the packed one */
	ARG_SIGSET_PACK, /* in: pselect6's {const sigset_t *, size_t} */
	ARG_SIGEVENT,	 /* in: struct sigevent; sigval is translated, never compared */
	ARG_SIGACTION,	 /* in: struct kernel sigaction; handler and restorer are never compared */
	ARG_SIGINFO,	 /* out: siginfo_t; holds ids */
	ARG_FUTEX,	 /* the futex word: an address, never compared */
	ARG_FPROG,	 /* in: struct sock_fprog; the filter that it points to is compared */
	ARG_IFCONF,	 /* in and out: struct ifconf, and the list that it points to */
};

/*
 * Where the length of a buffer comes from. `head` more bytes come first that no length counts
 * (msgsnd's type, file_handle's header).
 */
enum sys_len {
	LEN_NONE,
	LEN_FIXED,  /* `size` bytes */
	LEN_ARG,    /* args[from] elements of `size` bytes */
	LEN_RESULT, /* result elements of `size` bytes (out), never more than args[from] where from
		       >= 0 */
	LEN_PTR,    /* bytes behind the 32-bit pointer args[from], before and after the call */
	LEN_SELF,   /* as many elements of `size` bytes as the 32-bit word at offset `from` of the
		       buffer   itself says; out: after the call; in and out: never more than before
		       it
		     */
};

/* When the call writes an out or inout buffer. 0: where the result is >= 0, only. */
enum sys_when {
	ARG_ON_ERROR = 1 << 0,	    /* after an error too (the time left of ppoll, of nanosleep) */
	ARG_NOT_ON_RESULT = 1 << 1, /* not where the result is >= 0 (the time left of nanosleep) */
};

struct sys_print; /* names for values and decoders for structs, known to print.c only */

struct sys_arg {
	uint8_t kind; /* enum sys_kind */
	uint8_t len;  /* enum sys_len */
	int8_t from;  /* an argument's index, or an offset (LEN_SELF), -1: none */
	uint8_t when; /* enum sys_when, bits */
	uint16_t size;
	uint16_t head;
	/*
	 * In and inout: bit n set: the 4 bytes at 4n of the buffer (LEN_ARG with a size above 1: of
	 * each element) are input and compared, all others are padding, addresses or outputs. 0:
	 * all bytes are compared. See sys_mask_input().
	 */
	uint64_t words;
	const char *name;	       /* the man page's parameter name */
	const struct sys_print *print; /* may be NULL */
};

/* Irregular calls name the family whose special_<family>.c knows them. */
enum sys_special {
	SPECIAL_NONE,
	SPECIAL_MMAP,	   /* mmap, mremap, munmap */
	SPECIAL_CLONE,	   /* clone, clone3, fork, vfork */
	SPECIAL_EXEC,	   /* execve, execveat */
	SPECIAL_EXIT,	   /* exit, exit_group */
	SPECIAL_WAIT,	   /* wait4, waitid */
	SPECIAL_SIGACTION, /* rt_sigaction */
	SPECIAL_SIGWAIT,   /* rt_sigsuspend, pause: run by each when a signal ends them */
	SPECIAL_EPOLL,	   /* epoll_ctl, epoll_wait, epoll_pwait, epoll_pwait2 */
	SPECIAL_CLOSE,	   /* close, close_range */
	SPECIAL_DUP,	   /* dup, dup2, dup3, fcntl(F_DUPFD*) */
	SPECIAL_CLOEXEC,   /* fcntl(F_SETFD), ioctl(FIOCLEX), ioctl(FIONCLEX) */
	SPECIAL_PIDS,	   /* getpid and the like, set_tid_address: each sees the leader's ids */
	SPECIAL_AFFINITY,  /* sched_setaffinity, sched_getaffinity */
	SPECIAL_PGID,	   /* setpgid: a follower's processes come to it in another order */
	SPECIAL_SHM,	   /* shmat, shmdt, shmctl(IPC_STAT) */
	SPECIAL_KILL,	   /* kill and the like: who is killed by the program has not crashed */
	SPECIAL_CRED,	   /* setuid and the like: the engine's access must survive them */
	SPECIAL_PRCTL,	   /* prctl options that touch what the engine relies on */
	SPECIAL_LOCK,	   /* fcntl(F_SETLK*): locks belong to a process and move at a take-over */
	SPECIAL_TTY, /* ioctl(TIOCSPGRP), TIOCSCTTY: belong to a process and move at a take-over */
	SPECIAL_RESTART, /* restart_syscall, rt_sigreturn */
	SPECIAL_OPEN,	 /* open, openat, openat2, creat: version-private paths */
	SPECIAL_UNSHARE, /* unshare: followers join the leader's namespaces */
	SPECIAL_LIMIT,	 /* setrlimit, prlimit64: the limit of CPU time moves at a take-over */
	/* setitimer, alarm, timer_*: belong to a process and move at a take-over; rt_sigtimedwait:
	 * they may have fired */
	SPECIAL_TIMER,
};

/*
 * Values of cloexec_arg: an argument's index, or one of these. On a row without SYS_NEWFD the bit
 * is that of the descriptors which the call makes in memory (pipe2, socketpair, recvmsg).
 */
#define SYS_CLOEXEC_NEVER  (-1)
#define SYS_CLOEXEC_ALWAYS (-2) /* pidfd_open and the like */
#define SYS_CLOEXEC_HOW	   (-3) /* openat2: the bit is in the 64-bit word behind args[2] */

struct sys_row {
	const char *name; /* "openat", "ioctl(TCGETS)" */
	uint32_t nr;
	uint8_t class;	 /* enum sys_class */
	uint8_t special; /* enum sys_special */
	uint8_t nargs;
	int8_t cloexec_arg; /* argument whose bit `cloexec` makes the new descriptor close-on-exec
			     */
	uint32_t cloexec;
	uint32_t flags;	    /* enum sys_flag */
	int refusal;	    /* SYS_REFUSED: the errno */
	const char *reason; /* unsupported and refused: why */
	struct sys_arg args[6];
};

/*
 * The row for a call. For calls that are many in one (ioctl, fcntl, prctl, futex, arch_prctl,
 * shmctl, semctl, msgctl, ...) the operation's own row where there is one. NULL: there is no row;
 * the caller treats that as SYS_UNSUPPORTED. Never allocates.
 */
const struct sys_row *sys_resolve(uint64_t nr, const uint64_t args[6]);

/* Highest number that has a row; every number up to it resolves or is a hole in the kernel's table.
 */
uint32_t sys_max(void);

/* Base row of a number, before sub-tables; NULL for a hole. For the pre-filter and `mx syscalls`.
 */
const struct sys_row *sys_row(uint32_t nr);

/* Does the call wait for one of many descriptors to become ready (select(2), poll(2), epoll(7))? */
bool sys_awaits_fds(uint64_t nr);

/* Calls @fn for every operation of every call that is many in one. */
void sys_each_operation(void (*fn)(const struct sys_row *row, void *arg), void *arg);

/*
 * How many bytes the buffer of argument @i has, of any kind with a length; UINT32_MAX where it is
 * more than that.
 * @word is what LEN_PTR finds behind args[from], and LEN_SELF at offset `from` of the buffer;
 * @result is for LEN_RESULT, and 0 where the call has not returned. Nobody else computes lengths.
 */
uint64_t sys_arg_bytes(
	const struct sys_row *row, int i, const uint64_t args[6], uint32_t word, int64_t result);

/* The value of an argument as the kernel sees it: the upper half of a 32-bit one is garbage. */
uint64_t sys_arg_value(const struct sys_row *row, int i, const uint64_t args[6]);

/* Clears the bytes of an input buffer that are not compared: what `words` leaves out. */
void sys_mask_input(const struct sys_arg *arg, void *buf, size_t len);

const char *sys_class_name(enum sys_class class);

/* "SIGSEGV", "EAGAIN"; "SIG_77"-like text in a static buffer of the thread for unknown numbers. */
const char *sys_signal_name(int sig);
const char *sys_errno_name(int err);

/*
 * Prints a call as strace does: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3`.
 * @read fetches bytes behind an argument's address in the version that made the call and returns
 * how many it got (short reads and 0 are fine: the printer shows the bare address instead).
 * Out-arguments are printed only where @result is not NULL. @row may be NULL (`syscall_467(0x1,
 * ...)`). Long buffers are cut at 32 bytes with "...".
 */
typedef size_t sys_read_fn(void *ctx, uint64_t addr, void *buf, size_t len);
void sys_print_call(struct str *out, const struct sys_row *row, uint64_t nr, const uint64_t args[6],
	const int64_t *result, sys_read_fn *read, void *ctx);

#endif
