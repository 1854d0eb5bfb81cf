/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core files: the memory and registers of a stopped process as an ELF file that gdb opens, for
 * whoever has to fix the bug. As core(5) says, but written by the engine: the process itself goes
 * on or is let go, and the kernel's own core pattern is not asked.
 */
#ifndef MX_REM_CORE_H
#define MX_REM_CORE_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/err.h"
#include "tracee/tracee.h"

struct core_thread {
	pid_t tid;
	struct user_regs_struct regs;
	const struct user_fpregs_struct *fpregs; /* NULL: not known */
	uint64_t blocked;			 /* its signal mask, as the kernel's 64 bits */
};

struct core_request {
	struct tracee *tracee; /* a stopped thread of the process: memory is read through it */
	const struct core_thread *threads; /* the one that crashed comes first */
	int nthreads;			   /* at least 1 */
	int sig;			   /* what it crashed of */
	const siginfo_t *info;		   /* of that signal, or NULL */
	/*
	 * Bytes of memory that may be written, 0: no limit. Stacks and what a debugger needs to
	 * find the objects come first; mappings that do not fit stay in the file without their
	 * bytes.
	 */
	uint64_t max_bytes;
};

/*
 * Writes the core file to @path: mode 0600, under a temporary name until it is complete, nothing is
 * left behind on failure. Pages that were never touched become holes of the file. *@ret_bytes is
 * how many bytes of memory it holds. -ESRCH: the process vanished.
 */
MUST_CHECK int core_write(
	const char *path, const struct core_request *req, uint64_t *ret_bytes, struct err *err);

#endif
