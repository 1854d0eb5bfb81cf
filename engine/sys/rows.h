/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words that sys.def and the tables of operations are written in. Private to engine/sys;
 * included after all other headers, because the words are short.
 */
#ifndef MX_SYS_ROWS_H
#define MX_SYS_ROWS_H

#include "sys/names.h"
#include "sys/sys.h"

/* Flags, without the prefix. */
enum {
	FREE = SYS_FREE,
	NEWFD = SYS_NEWFD,
	BARRIER = SYS_BARRIER,
	RAISES = SYS_RAISES,
	SAME = SYS_SAME_RESULT,
	PIDRES = SYS_PID_RESULT,
	BLOCKS = SYS_BLOCKS,
	ADDRRES = SYS_ADDR_RESULT,
};

#define COE                                                                                        \
	02000000 /* close on exec: O_CLOEXEC, SOCK_CLOEXEC, EFD_CLOEXEC, ... are all this bit      \
		  */

#define ARG_(k, n, ...)                                                                            \
	{                                                                                          \
		.kind = ARG_##k, .from = -1, .name = #n, ##__VA_ARGS__                             \
	}

/* Values. */
#define INT(n)	      ARG_(INT, n)
#define UINT(n)	      ARG_(UINT, n)
#define LONG(n)	      ARG_(LONG, n)
#define SIZE(n)	      ARG_(SIZE, n)
#define OFF(n)	      ARG_(OFF, n)
#define HEX(n)	      ARG_(HEX, n)
#define MODE(n)	      ARG_(OCT, n)
#define FLAGS(n, set) ARG_(FLAGS, n, .print = &sys_names_##set)
#define ENUM(n, set)  ARG_(ENUM, n, .print = &sys_names_##set)
#define FD(n)	      ARG_(FD, n)
#define DIRFD(n)      ARG_(DIRFD, n)
#define PID(n)	      ARG_(PID, n)
#define TID(n)	      ARG_(TID, n)
#define SIG(n)	      ARG_(SIG, n)
#define IGN(n)	      ARG_(IGNORED, n)
#define ADDR(n)	      ARG_(ADDR, n)
#define PTR(n)	      ARG_(PTR, n)
#define FUTEX(n)      ARG_(FUTEX, n)
#define OPARG(n)      ARG_(UINT, n, .print = &sys_print_op) /* the operation itself */

/* Buffers: IN, OUT and IO (both), then where the length is from. */
#define PATH(n)		     ARG_(PATH, n)
#define STR(n)		     ARG_(STR, n)
#define STRV(n)		     ARG_(STRV, n)
#define FIXED_(k, n, s, ...) ARG_(k, n, .len = LEN_FIXED, .size = s, ##__VA_ARGS__)
#define COUNT_(k, n, f, s, ...)                                                                    \
	{                                                                                          \
		.kind = ARG_##k, .len = LEN_ARG, .from = f, .size = s, .name = #n, ##__VA_ARGS__   \
	}
#define IN(n, s, ...)	      FIXED_(IN, n, s, ##__VA_ARGS__)
#define OUT(n, s, ...)	      FIXED_(OUT, n, s, ##__VA_ARGS__)
#define IO(n, s, ...)	      FIXED_(INOUT, n, s, ##__VA_ARGS__)
#define IN_ARG(n, f, ...)     COUNT_(IN, n, f, 1, ##__VA_ARGS__)
#define OUT_ARG(n, f, ...)    COUNT_(OUT, n, f, 1, ##__VA_ARGS__)
#define IN_ARR(n, f, s, ...)  COUNT_(IN, n, f, s, ##__VA_ARGS__)
#define OUT_ARR(n, f, s, ...) COUNT_(OUT, n, f, s, ##__VA_ARGS__)
#define OUT_RES(n, f, ...)    OUT_RES_ARR(n, f, 1, ##__VA_ARGS__)
#define OUT_RES_ARR(n, f, s, ...)                                                                  \
	{                                                                                          \
		.kind = ARG_OUT, .len = LEN_RESULT, .from = f, .size = s, .name = #n,              \
		##__VA_ARGS__                                                                      \
	}
#define OUT_PTR(n, f)                                                                              \
	{                                                                                          \
		.kind = ARG_OUT, .len = LEN_PTR, .from = f, .size = 1, .name = #n                  \
	}
#define SELF_(k, n, at, h, s, ...)                                                                 \
	{                                                                                          \
		.kind = ARG_##k, .len = LEN_SELF, .from = at, .head = h, .size = s, .name = #n,    \
		##__VA_ARGS__                                                                      \
	}
/* @at: where the word is that says how many bytes there are after the first @head. */
#define IN_SELF(n, at, h, ...)	  SELF_(IN, n, at, h, 1, ##__VA_ARGS__)
#define OUT_SELF(n, at)		  SELF_(OUT, n, at, 0, 1)
#define IO_SELF(n, at, h, s, ...) SELF_(INOUT, n, at, h, s, ##__VA_ARGS__)

/* The same for structs that the printer knows: the size is SIZEOF_<type> of names.h. */
#define IN_T(n, t, ...)	 IN(n, SIZEOF_##t, .print = &sys_struct_##t, ##__VA_ARGS__)
#define OUT_T(n, t, ...) OUT(n, SIZEOF_##t, .print = &sys_struct_##t, ##__VA_ARGS__)
#define IO_T(n, t, ...)	 IO(n, SIZEOF_##t, .print = &sys_struct_##t, ##__VA_ARGS__)

/* Kinds with a meaning of their own. */
#define IOV_IN(n, f)	  COUNT_(IOV_IN, n, f, 16)
#define IOV_OUT(n, f)	  COUNT_(IOV_OUT, n, f, 16)
#define MSG_IN_(n)	  FIXED_(MSG_IN, n, 56)
#define MSG_OUT_(n)	  FIXED_(MSG_OUT, n, 56)
#define MMSG_IN(n, f)	  COUNT_(MMSG_IN, n, f, 64)
#define MMSG_OUT(n, f)	  COUNT_(MMSG_OUT, n, f, 64)
#define SOCKADDR_IN(n, f) COUNT_(SOCKADDR_IN, n, f, 1)
#define SOCKADDR_OUT(n, f)                                                                         \
	{                                                                                          \
		.kind = ARG_SOCKADDR_OUT, .len = LEN_PTR, .from = f, .size = 1, .name = #n         \
	}
#define SOCKLEN(n)    FIXED_(SOCKLEN, n, 4)
#define FDS_OUT(n)    FIXED_(FDS_OUT, n, 8)
#define POLLFDS(n, f) COUNT_(POLLFDS, n, f, 8)
#define FDSET(n)                                                                                   \
	{                                                                                          \
		.kind = ARG_FDSET, .len = LEN_ARG, .from = 0, .name = #n                           \
	}
#define EPOLL_EVENT(n) FIXED_(EPOLL_EVENT, n, 12)
#define EPOLL_EVENTS(n, f)                                                                         \
	{                                                                                          \
		.kind = ARG_EPOLL_EVENTS, .len = LEN_RESULT, .from = f, .size = 12, .name = #n     \
	}
#define SIGSET(n)      FIXED_(SIGSET, n, 8)
#define SIGSET_PACK(n) FIXED_(SIGSET_PACK, n, 16)
#define SIGEVENT(n)    FIXED_(SIGEVENT, n, 64)
#define SIGACTION(n)   FIXED_(SIGACTION, n, 32)
#define SIGINFO(n)     FIXED_(SIGINFO, n, 128)
#define FPROG(n)       FIXED_(FPROG, n, 16)

#define NARGS_(...) (sizeof((struct sys_arg[]){ __VA_ARGS__ }) / sizeof(struct sys_arg))

#define ROW_(text, number, c, s, f, ca, cb, e, why, ...)                                           \
	{                                                                                          \
		.name = text, .nr = number, .class = SYS_##c, .special = SPECIAL_##s,              \
		.nargs = NARGS_(__VA_ARGS__), .cloexec_arg = ca, .cloexec = cb, .flags = f,        \
		.refusal = e, .reason = why, .args = { __VA_ARGS__ },                              \
	}

#endif
