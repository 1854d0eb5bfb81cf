/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/group.h"
#include "mxm/standins.h"
#include "mxm/unforked.h"

#define THREAD_FLAGS                                                                               \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
#define NAME_LEN 16

/* A remote call that fails is an error here. */
static int call(struct tracee *t, long *ret, struct err *err, const char *what, long nr,
	uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	int rc = tracee_remote(t, false, ret, nr, a0, a1, a2, a3, 0, 0);

	if (rc == 0 && *ret < 0 && *ret > -4096)
		rc = (int)*ret;
	return rc < 0 ? err_errno(err, -rc, "%s", what) : 0;
}

/* A new thread or process that @t makes: stopped before its first instruction. */
static int clone_of(struct tracee *t, uint64_t flags, uint64_t tid_at, struct tracee *ret_child,
	struct err *err)
{
	struct stop stop;
	long child;
	int rc = call(t, &child, err, "clone", SYS_clone, flags, 0, 0, tid_at);

	if (rc < 0)
		return rc;
	*ret_child = (struct tracee){ .tid = (pid_t)child,
		.tgid = flags & CLONE_THREAD ? t->tgid : (pid_t)child };
	rc = tracee_wait_for((pid_t)child, &stop);
	if (rc < 0)
		return err_errno(err, -rc, "waiting for the copy");
	if (stop.kind != STOP_NEW) {
		if (stop.kind == STOP_DYING)
			(void)tracee_resume(ret_child, RESUME_RUN, 0);
		return err_set(err, ESRCH, "the copy was killed");
	}
	return 0;
}

/* Until the tracee is gone, whatever stops come first. */
static void await_end(struct tracee *t)
{
	struct stop stop;

	while (tracee_wait_for(t->tid, &stop) == 0 && stop.kind != STOP_GONE)
		(void)tracee_resume(t, RESUME_RUN, 0);
}

/*
 * By way of one that shares the memory and ends at once: its child comes to the engine. The mask of
 * signals is full in all three meanwhile (tracee_remote()).
 */
static int fork_by_proxy(struct tracee *main, struct tracee *ret_copy, struct err *err)
{
	struct tracee proxy;
	long r;
	int rc = clone_of(main, CLONE_VM | CLONE_FS | CLONE_FILES, 0, &proxy, err);

	if (rc < 0)
		return rc;
	proxy.mm = main->mm;
	rc = clone_of(&proxy, 0, 0, ret_copy, err);
	syscall(SYS_kill, proxy.tid, SIGKILL);
	await_end(&proxy);
	if (rc < 0)
		return rc;
	rc = call(main, &r, err, "wait4", SYS_wait4, proxy.tid, 0, __WALL, 0);
	if (rc < 0) {
		syscall(SYS_kill, ret_copy->tid, SIGKILL);
		await_end(ret_copy);
	}
	return rc;
}

/* The process. It is the engine's child, as the program's first one is. */
static int fork_process(struct tracee *main, struct tracee *ret_copy, struct err *err)
{
	int rc = thread_parent(main->tgid) == getpid()
			 ? clone_of(main, CLONE_PARENT, 0, ret_copy, err)
			 : fork_by_proxy(main, ret_copy, err);

	if (rc < 0)
		return rc;
	ret_copy->mm = mm_open(ret_copy->tid);
	ret_copy->mm->no_gateway = false;
	ret_copy->mm->no_vm = main->mm->no_vm;
	return 0;
}

/* With all of its memory. */
static int fork_all(struct task *main, struct tracee *ret_copy, struct err *err)
{
	cleanup_unforked struct unforked memory = { 0 };
	struct err again = { 0 };
	int rc = 0, closed;

	if (main->tuple->proc->marks_memory)
		rc = unforked_open(&main->tracee, &memory, err);
	if (rc == 0)
		rc = fork_process(&main->tracee, ret_copy, err);
	closed = unforked_close(&memory, &main->tracee, &again);
	if (rc == 0 && closed == 0)
		closed = unforked_close(&memory, ret_copy, &again);
	if (rc < 0 || closed == 0)
		return rc;
	copy_kill_one(ret_copy);
	return err_set(err, again.code, "%s", again.text);
}

static int note_user_side(struct copy_thread *t, struct err *err)
{
	const struct user_regs_struct *regs = tracee_regs(&t->task->tracee);
	int rc = -ESRCH;

	if (regs) {
		t->regs = *regs;
		free(t->xstate);
		t->xstate = NULL;
		rc = tracee_get_xstate(&t->task->tracee, &t->xstate, &t->xstate_len);
	}
	t->clear_tid_at = t->task->clear_tid_at;
	t->slot = t->task->slot;
	return rc < 0 ? err_errno(err, -rc, "reading a thread's registers") : 0;
}

int copy_note(struct copy_thread *t, struct err *err)
{
	struct tracee *from = &t->task->tracee;
	long r;
	int rc = tracee_get_sigmask(from, &t->sigmask);

	if (rc < 0)
		return err_errno(err, -rc, "reading a signal mask");
	if (syscall(SYS_get_robust_list, from->tid, &t->robust, &t->robust_len) < 0)
		t->robust = 0;
	rc = call(from, &r, err, "sigaltstack", SYS_sigaltstack, 0, GATEWAY_SCRATCH, 0, 0);
	if (rc == 0)
		rc = tracee_read(from, raddr(GATEWAY_SCRATCH), &t->stack, sizeof(t->stack));
	return rc < 0 ? err_errno(err, -rc, "reading a thread's stack for signals")
		      : note_user_side(t, err);
}

/* Where a thread that is called to a signal finds its stack. */
static int give_signal_stack(struct copy_thread *t, struct err *err)
{
	stack_t stack = t->stack;
	long r;
	int rc;

	if (stack.ss_flags & SS_DISABLE)
		return 0;
	/* On it or not is for the stack pointer to say. */
	stack.ss_flags &= ~SS_ONSTACK;
	rc = tracee_write(&t->twin, raddr(GATEWAY_SCRATCH), &stack, sizeof(stack));
	return rc < 0 ? rc
		      : call(&t->twin, &r, err, "sigaltstack", SYS_sigaltstack, GATEWAY_SCRATCH, 0,
				0, 0);
}

static bool read_name(const struct tracee *t, char ret_name[NAME_LEN])
{
	char path[64], text[NAME_LEN + 1] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", t->tgid, t->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	/* With a line end, which is not the name's. */
	memset(ret_name, 0, NAME_LEN);
	memcpy(ret_name, text, n - 1);
	return true;
}

/*
 * It has its maker's until it is given its own. A thread that runs on may change its name: then the
 * twin comes to that call, too. One that is gone has none to tell.
 */
static int give_name(struct copy_thread *t, struct err *err)
{
	char name[NAME_LEN], now[NAME_LEN];
	long r;
	int rc;

	if (!read_name(&t->task->tracee, name) || !read_name(&t->twin, now) ||
		memcmp(name, now, NAME_LEN) == 0)
		return 0;
	rc = tracee_write(&t->twin, raddr(GATEWAY_SCRATCH), name, sizeof(name));
	return rc < 0 ? rc
		      : call(&t->twin, &r, err, "prctl(PR_SET_NAME)", SYS_prctl, PR_SET_NAME,
				GATEWAY_SCRATCH, 0, 0);
}

int copy_finish(struct copy_thread *t, struct err *err)
{
	long r;
	int rc = 0;

	if (t->robust)
		rc = call(&t->twin, &r, err, "set_robust_list", SYS_set_robust_list, t->robust,
			t->robust_len, 0, 0);
	if (rc == 0)
		rc = give_signal_stack(t, err);
	if (rc == 0)
		rc = give_name(t, err);
	return rc < 0 ? err_errno(err, -rc, "what a thread has in the kernel") : 0;
}

/* The registers, all of them, and the mask. */
static int give_user_side(struct copy_thread *t, struct err *err)
{
	struct tracee *to = &t->twin;
	int rc;

	to->regs = t->regs;
	to->regs.orig_rax = -1;
	to->regs_known = to->regs_dirty = true;
	rc = tracee_set_xstate(to, t->xstate, t->xstate_len);
	if (rc == 0)
		rc = tracee_set_sigmask(to, t->sigmask);
	return rc < 0 ? err_errno(err, -rc, "copying a thread's registers") : 0;
}

void copies_free(struct copies *copies)
{
	for (int i = 0; i < copies->n; i++) {
		for (int k = 0; k < copies->v[i].n; k++)
			free(copies->v[i].threads[k].xstate);
		free(copies->v[i].threads);
	}
	free(copies->v);
	*copies = (struct copies){ 0 };
}

void copy_kill_one(struct tracee *t)
{
	syscall(SYS_kill, t->tid, SIGKILL);
	t->regs_dirty = false;
	await_end(t);
	mm_put(t->mm);
	*t = (struct tracee){ 0 };
}

int copy_bare_child(struct tracee *t, struct tracee *ret_child, struct err *err)
{
	struct tracee child;
	long r;
	int rc = clone_of(t, CLONE_VM | CLONE_FILES | SIGCHLD, 0, &child, err);

	if (rc < 0)
		return rc;
	child.mm = mm_get(t->mm);
	/* A copy of the table would keep open what the parent closes. */
	rc = call(&child, &r, err, "close_range", SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE, 0);
	if (rc < 0) {
		copy_kill_one(&child);
		return rc;
	}
	*ret_child = child;
	return 0;
}

static bool has_ended(pid_t pid)
{
	const char state = thread_state(pid);

	return state == 'Z' || state == 'X' || !state;
}

bool copy_stays_in_namespaces(pid_t pid)
{
	static const char *const of_children[][2] = { { "pid", "pid_for_children" },
		{ "time", "time_for_children" } };

	for (unsigned i = 0; i < ARRAY_SIZE(of_children); i++) {
		struct stat own, childrens;
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, of_children[i][0]);
		if (stat(path, &own) < 0)
			continue; /* a kernel without this kind */
		/* A PID namespace that has no process yet has no file either; nor has who has
		 * ended, and may be a thread that others go on without. */
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, of_children[i][1]);
		if (stat(path, &childrens) < 0 ? !has_ended(pid) : childrens.st_ino != own.st_ino)
			return false;
	}
	return true;
}

int copy_process(struct copy_thread *threads, int n, struct err *err)
{
	struct tracee *twin = &threads[0].twin;
	int rc = fork_all(threads[0].task, twin, err);

	if (rc < 0)
		return rc;
	for (int i = 1; i < n; i++)
		threads[i].twin = (struct tracee){ .tgid = twin->tgid, .mm = mm_get(twin->mm) };
	rc = give_user_side(&threads[0], err);
	if (rc < 0)
		copy_kill(threads, n);
	return rc;
}

int copy_thread(struct copy_thread *threads, int i, struct err *err)
{
	const uint64_t at = threads[i].clear_tid_at;
	struct mm *mm = threads[i].twin.mm;
	int rc = clone_of(&threads[0].twin, THREAD_FLAGS | (at ? CLONE_CHILD_CLEARTID : 0), at,
		&threads[i].twin, err);

	threads[i].twin.mm = mm;
	return rc == 0 ? give_user_side(&threads[i], err) : rc;
}

void copy_kill(struct copy_thread *threads, int n)
{
	if (threads[0].twin.tid)
		syscall(SYS_kill, threads[0].twin.tid, SIGKILL);
	/* The main thread's end is reported when the others are gone. */
	for (int i = n - 1; i >= 0; i--) {
		struct tracee *twin = &threads[i].twin;

		twin->regs_dirty = false;
		if (twin->tid)
			await_end(twin);
		if (twin->mm)
			mm_put(twin->mm);
		*twin = (struct tracee){ 0 };
	}
}
