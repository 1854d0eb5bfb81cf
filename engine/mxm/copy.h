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
	uint64_t worked_ns; /* its CPU time */
	uint64_t sigmask;
	uint64_t robust, robust_len; /* its robust list, 0: none */
	stack_t stack;		     /* for signals */
	uint64_t clear_tid_at, slot; /* as struct task's */
	struct user_regs_struct regs;
	void *xstate;
	size_t xstate_len;
	/* Stopped, with these registers. .tid 0: it is to be made yet, and .mm its reference. */
	struct tracee twin;
};

/* A process of the program, to copy with others: its threads, the main one first. */
struct copy {
	struct proc *proc;
	struct copy_thread *threads;
	int n;
	bool has_agent; /* it had one when it was copied */
};

/* All that are to be copied at once. */
struct copies {
	struct copy *v;
	int n;
};

/* The main thread of @copy's process, and its twin. */
static inline struct task *copy_main(const struct copy *copy)
{
	return copy->threads[0].task;
}

static inline struct tracee *copy_twin(const struct copy *copy)
{
	return &copy->threads[0].twin;
}

void copies_free(struct copies *copies);
#define cleanup_copies __attribute__((cleanup(copies_free)))

/* What @thread, stopped in user mode, has at this moment: its registers, and what the kernel holds.
 * Goes on with it, as its twin will. */
MUST_CHECK int copy_note(struct copy_thread *thread, struct err *err);

/*
 * Copies the process of @threads, of which the first is its main thread. All are stopped and noted.
 * On success the main thread's twin is stopped and traced by this monitor, every twin holds a
 * reference to its own struct mm, and the threads may run on. On failure nothing is left.
 */
MUST_CHECK int copy_process(struct copy_thread *threads, int n, struct err *err);

/* The twin of another one of @threads, in the process that was made of them: stopped, and traced by
 * this monitor. */
MUST_CHECK int copy_thread(struct copy_thread *threads, int i, struct err *err);

/* What @thread has in the kernel, and a new thread has not, is given to its twin: it can run then.
 */
MUST_CHECK int copy_finish(struct copy_thread *thread, struct err *err);

/*
 * Is a child of process @pid born into the namespaces that @pid is in (pid_namespaces(7),
 * time_namespaces(7): unshare() and setns() move the children only)? Where not, a copy would be
 * another namespace's init, or its proxy would be, and would take the namespace with it.
 */
bool copy_stays_in_namespaces(pid_t pid);

/* Ends the twins, those that were made. */
void copy_kill(struct copy_thread *threads, int n);

/*
 * A child of @t's, stopped before its first instruction, that has nothing but its memory: no
 * descriptors. It ends as any child does, with SIGCHLD. @t is stopped in user mode.
 */
MUST_CHECK int copy_bare_child(struct tracee *t, struct tracee *ret_child, struct err *err);
/* Kills it, and waits for its end. */
void copy_kill_one(struct tracee *t);

#endif
