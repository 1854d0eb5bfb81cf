/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows say about printing: names of values, and structs that the printer can take apart.
 * Private to engine/sys.
 */
#ifndef MX_SYS_NAMES_H
#define MX_SYS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct sys_name {
	uint64_t value;
	uint64_t mask; /* the value stands for these bits; in an enum: all */
	const char *name;
};

/* Shows @len bytes that were found at @addr; fewer than the struct has are a short read. */
typedef void sys_show_fn(struct str *out, const void *bytes, size_t len);

struct sys_print {
	const struct sys_name *names;
	size_t count;
	sys_show_fn *show;
};

/* Stands for "the operation that the row's name has in parentheses". */
extern const struct sys_print sys_print_op;

void sys_print_names(struct str *out, const struct sys_print *print, uint64_t value);
/* As above for a choice; a value without a name is printed as a number. */
void sys_print_choice(struct str *out, const struct sys_print *print, uint64_t value);

extern const struct sys_print sys_names_access;
extern const struct sys_print sys_names_at;
extern const struct sys_print sys_names_clock;
extern const struct sys_print sys_names_clone;
extern const struct sys_print sys_names_close_range;
extern const struct sys_print sys_names_epoll_op;
extern const struct sys_print sys_names_epoll_create;
extern const struct sys_print sys_names_eventfd;
extern const struct sys_print sys_names_fadvise;
extern const struct sys_print sys_names_fallocate;
extern const struct sys_print sys_names_family;
extern const struct sys_print sys_names_fd_cloexec;
extern const struct sys_print sys_names_timerfd;
extern const struct sys_print sys_names_signalfd;
extern const struct sys_print sys_names_inotify_init;
extern const struct sys_print sys_names_flock;
extern const struct sys_print sys_names_getrandom;
extern const struct sys_print sys_names_inotify;
extern const struct sys_print sys_names_ipc_get;
extern const struct sys_print sys_names_ipc_msg;
extern const struct sys_print sys_names_itimer;
extern const struct sys_print sys_names_madvise;
extern const struct sys_print sys_names_memfd;
extern const struct sys_print sys_names_mmap;
extern const struct sys_print sys_names_mremap;
extern const struct sys_print sys_names_msg;
extern const struct sys_print sys_names_msync;
extern const struct sys_print sys_names_open;
extern const struct sys_print sys_names_pidfd;
extern const struct sys_print sys_names_prio;
extern const struct sys_print sys_names_prot;
extern const struct sys_print sys_names_rename;
extern const struct sys_print sys_names_rlimit;
extern const struct sys_print sys_names_rusage_who;
extern const struct sys_print sys_names_rwf;
extern const struct sys_print sys_names_sched;
extern const struct sys_print sys_names_seals;
extern const struct sys_print sys_names_seek;
extern const struct sys_print sys_names_shut;
extern const struct sys_print sys_names_sig_how;
extern const struct sys_print sys_names_sock_flags;
extern const struct sys_print sys_names_sock_type;
extern const struct sys_print sys_names_sol;
extern const struct sys_print sys_names_splice;
extern const struct sys_print sys_names_statx;
extern const struct sys_print sys_names_timer_flags;
extern const struct sys_print sys_names_unlinkat;
extern const struct sys_print sys_names_wait;
extern const struct sys_print sys_names_waitid;
extern const struct sys_print sys_names_sa_flags;
extern const struct sys_print sys_names_pipe2;
extern const struct sys_print sys_names_poll;
extern const struct sys_print sys_names_epoll_events;

/* Sizes are the kernel's, which are not always those of the C library. */
#define SIZEOF_flock	  32
#define SIZEOF_id	  4
#define SIZEOF_itimerspec 32
#define SIZEOF_itimerval  32
#define SIZEOF_off	  8
#define SIZEOF_rlimit	  16
#define SIZEOF_rusage	  144
#define SIZEOF_sigaction  32
#define SIZEOF_sigset	  8
#define SIZEOF_stat	  144
#define SIZEOF_statfs	  120
#define SIZEOF_statx	  256
#define SIZEOF_termios	  36
#define SIZEOF_timespec	  16
#define SIZEOF_timespec2  32
#define SIZEOF_timeval	  16
#define SIZEOF_timeval2	  32
#define SIZEOF_utsname	  390
#define SIZEOF_winsize	  8
#define SIZEOF_wstatus	  4
#define SIZEOF_clone_args 64
#define SIZEOF_open_how	  24

extern const struct sys_print sys_struct_flock;
extern const struct sys_print sys_struct_id;
extern const struct sys_print sys_struct_itimerspec;
extern const struct sys_print sys_struct_itimerval;
extern const struct sys_print sys_struct_off;
extern const struct sys_print sys_struct_rlimit;
extern const struct sys_print sys_struct_rusage;
extern const struct sys_print sys_struct_sigaction;
extern const struct sys_print sys_struct_sigset;
extern const struct sys_print sys_struct_stat;
extern const struct sys_print sys_struct_statfs;
extern const struct sys_print sys_struct_statx;
extern const struct sys_print sys_struct_termios;
extern const struct sys_print sys_struct_timespec;
extern const struct sys_print sys_struct_timespec2;
extern const struct sys_print sys_struct_timeval;
extern const struct sys_print sys_struct_timeval2;
extern const struct sys_print sys_struct_utsname;
extern const struct sys_print sys_struct_winsize;
extern const struct sys_print sys_struct_wstatus;
extern const struct sys_print sys_struct_clone_args;
extern const struct sys_print sys_struct_open_how;

#endif
