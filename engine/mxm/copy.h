/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a stopped process, with all its threads: rejoin.h. Here are the kernel's objects only;
 * what the program knows of them is the caller's.
 */
#ifndef MX_MXM_COPY_H
#define MX_MXM_COPY_H

#include "mxm/state.h"

/* A stopped thread of the process to copy, with no call pending, and its twin. */
struct copy_thread {
	struct task *task;
	uint64_t sigmask;
	struct tracee twin; /* stopped, with the registers that the thread has */
};

/*
 * Copies the process of @threads, of which the first is its main thread. All are stopped; their
 * registers are what both go on with. On success every twin is stopped, traced by this monitor, and
 * holds a reference to its own struct mm. On failure nothing is left.
 */
MUST_CHECK int copy_process(struct copy_thread *threads, int n, struct err *err);

/*
 * Is a child of process @pid born into the namespaces that @pid is in (pid_namespaces(7),
 * time_namespaces(7): unshare() and setns() move the children only)? Where not, a copy would be
 * another namespace's init, or its proxy would be, and would take the namespace with it.
 */
bool copy_stays_in_namespaces(pid_t pid);

/* Ends the twins, whatever became of them. */
void copy_kill(struct copy_thread *threads, int n);

#endif
