/* SPDX-License-Identifier: Apache-2.0 */
#include "tracee/tracee.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/xalloc.h"

#define OPTIONS                                                                                    \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |    \
		PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC |               \
		PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXIT)

/* Has it ended, and only waits to be reaped? The kernel refuses such a one with EPERM too. */
static bool has_ended(pid_t tid)
{
	const char state = thread_state(tid);

	return !state || state == 'Z' || state == 'X';
}

int tracee_seize(pid_t tid, struct err *err)
{
	if (ptrace(PTRACE_SEIZE, tid, 0, OPTIONS) == 0)
		return 0;
	if (errno == EPERM && has_ended(tid))
		return err_set(err, ESRCH, "process %d has ended", tid);
	if (errno == EPERM)
		return err_set(err, EPERM,
			"ptrace of process %d is refused: a seccomp profile or security module "
			"forbids "
			"it (Yama: kernel.yama.ptrace_scope must not be 3), or another tracer "
			"holds it",
			tid);
	return err_errno(err, errno, "ptrace(PTRACE_SEIZE, %d)", tid);
}

static int trap_event(pid_t tid, int event, int sig, struct stop *s)
{
	unsigned long message = 0;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &message);
	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		s->kind = STOP_SECCOMP;
		return 0;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		s->kind = STOP_FORK;
		s->child = (pid_t)message;
		return 0;
	case PTRACE_EVENT_VFORK_DONE:
		s->kind = STOP_VFORK_DONE;
		return 0;
	case PTRACE_EVENT_EXEC:
		s->kind = STOP_EXEC;
		s->former = (pid_t)message;
		return 0;
	case PTRACE_EVENT_EXIT:
		s->kind = STOP_DYING;
		s->status = (int)message;
		return 0;
	case PTRACE_EVENT_STOP:
		s->sig = sig;
		s->kind = sig == SIGTRAP ? STOP_NEW : STOP_GROUP;
		return 0;
	}
	return -EINVAL;
}

static int decode(pid_t tid, int status, struct stop *s)
{
	int event = status >> 16;

	*s = (struct stop){ .tid = tid, .status = status };
	if (!WIFSTOPPED(status)) {
		s->kind = STOP_GONE;
		return 0;
	}
	s->sig = WSTOPSIG(status);
	/* The most frequent stop needs no message. */
	if (event == PTRACE_EVENT_SECCOMP) {
		s->kind = STOP_SECCOMP;
		return 0;
	}
	if (event)
		return trap_event(tid, event, s->sig, s);
	if (s->sig == (SIGTRAP | 0x80)) {
		s->kind = STOP_EXIT_CALL;
		return 0;
	}
	s->kind = STOP_SIGNAL;
	return 0;
}

int tracee_wait(struct stop *ret_stop)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD);

	if (tid < 0)
		return -errno;
	return decode(tid, status, ret_stop);
}

/* " state ppid ...", of "pid (name) state ppid ...": the name may hold any character. NULL: gone.
 */
static const char *stat_behind_name(pid_t tid, struct str *text)
{
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (io_read_file(path, 4096, text, NULL) < 0)
		return NULL;
	at = strrchr(str_text(text), ')');
	return at && strlen(at) > 4 && at[1] == ' ' ? at + 1 : NULL;
}

char thread_state(pid_t tid)
{
	cleanup_str struct str text = STR_INIT;
	const char *at = stat_behind_name(tid, &text);

	return at ? at[1] : '\0';
}

pid_t thread_parent(pid_t tid)
{
	cleanup_str struct str text = STR_INIT;
	const char *at = stat_behind_name(tid, &text);

	return at ? (pid_t)strtol(at + 3, NULL, 10) : 0;
}

uint64_t thread_signals(pid_t tid, const char *which)
{
	cleanup_str struct str text = STR_INIT;
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (io_read_file(path, 65536, &text, NULL) < 0)
		return 0;
	at = strstr(str_text(&text), which);
	return at ? strtoull(at + strlen(which), NULL, 16) : 0;
}

int tracee_wait_for(pid_t tid, struct stop *ret_stop)
{
	int status;

	while (waitpid(tid, &status, __WALL | __WNOTHREAD) < 0) {
		int rc;

		if (errno != EINTR)
			return -errno;
		if (thread_state(tid) != 'Z')
			continue;
		rc = tracee_poll_for(tid, ret_stop);
		return rc == -EAGAIN ? -ESRCH : rc;
	}
	return decode(tid, status, ret_stop);
}

int tracee_poll_for(pid_t tid, struct stop *ret_stop)
{
	int status;
	pid_t got = waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);

	if (got < 0)
		return -errno;
	return got == 0 ? -EAGAIN : decode(got, status, ret_stop);
}

struct user_regs_struct *tracee_regs(struct tracee *t)
{
	if (!t->regs_known) {
		if (ptrace(PTRACE_GETREGS, t->tid, 0, &t->regs) < 0)
			return NULL;
		t->regs_known = true;
		t->regs_dirty = false;
	}
	return &t->regs;
}

struct user_regs_struct *tracee_touch(struct tracee *t)
{
	struct user_regs_struct *regs = tracee_regs(t);

	if (regs)
		t->regs_dirty = true;
	return regs;
}

int tracee_flush(struct tracee *t)
{
	if (t->regs_known && t->regs_dirty) {
		if (ptrace(PTRACE_SETREGS, t->tid, 0, &t->regs) < 0)
			return -errno;
		t->regs_dirty = false;
	}
	return 0;
}

int tracee_resume(struct tracee *t, enum resume_how how, int sig)
{
	static const int request[] = {
		[RESUME_RUN] = PTRACE_CONT,
		[RESUME_TO_EXIT] = PTRACE_SYSCALL,
		[RESUME_LISTEN] = PTRACE_LISTEN,
	};
	int rc = tracee_flush(t);

	t->regs_known = t->interrupted = false;
	if (rc < 0)
		return rc;
	return ptrace(request[how], t->tid, 0, sig) < 0 ? -errno : 0;
}

int tracee_step(struct tracee *t, struct stop *ret_stop)
{
	siginfo_t info;
	int rc = tracee_flush(t);

	t->regs_known = t->interrupted = false;
	if (rc < 0)
		return rc;
	if (ptrace(PTRACE_SINGLESTEP, t->tid, 0, 0) < 0)
		return -errno;
	rc = tracee_wait_for(t->tid, ret_stop);
	if (rc < 0)
		return rc;
	if (ret_stop->kind != STOP_SIGNAL || ret_stop->sig != SIGTRAP ||
		tracee_get_siginfo(t, &info) < 0 || info.si_code != TRAP_TRACE)
		return -EAGAIN;
	return 0;
}

int tracee_interrupt(struct tracee *t)
{
	if (ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) < 0)
		return -errno;
	t->interrupted = true;
	return 0;
}

/* AVX-512 and AMX fit (Intel SDM vol. 1, ch. 13). */
#define XSTATE_MAX 16384

int tracee_get_xstate(struct tracee *t, void **ret_state, size_t *ret_len)
{
	cleanup_free uint8_t *state = xmalloc(XSTATE_MAX);
	struct iovec iov = { state, XSTATE_MAX };

	if (ptrace(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, &iov) < 0)
		return -errno;
	*ret_len = iov.iov_len;
	*ret_state = take_ptr(state);
	return 0;
}

int tracee_set_xstate(struct tracee *t, const void *state, size_t len)
{
	struct iovec iov = { (void *)state, len };

	return ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, &iov) < 0 ? -errno : 0;
}

int tracee_get_siginfo(struct tracee *t, siginfo_t *ret_info)
{
	return ptrace(PTRACE_GETSIGINFO, t->tid, 0, ret_info) < 0 ? -errno : 0;
}

int tracee_set_siginfo(struct tracee *t, const siginfo_t *info)
{
	return ptrace(PTRACE_SETSIGINFO, t->tid, 0, info) < 0 ? -errno : 0;
}

int tracee_peek_signals(
	struct tracee *t, bool shared, unsigned from, siginfo_t *ret_infos, unsigned n)
{
	struct __ptrace_peeksiginfo_args args = { from, shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
		(int)n };
	long r = ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, ret_infos);

	return r < 0 ? -errno : (int)r;
}

int tracee_get_sigmask(struct tracee *t, uint64_t *ret_mask)
{
	return ptrace(PTRACE_GETSIGMASK, t->tid, sizeof(*ret_mask), ret_mask) < 0 ? -errno : 0;
}

int tracee_set_sigmask(struct tracee *t, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), &mask) < 0 ? -errno : 0;
}

int tracee_park(struct tracee *t, struct parked *ret_parked)
{
	struct user_regs_struct *regs;
	struct parked parked;
	int rc;

	if (t->mm->no_gateway)
		return -ENOSYS;
	rc = tracee_get_sigmask(t, &parked.sigmask);
	if (rc < 0)
		return rc;
	regs = tracee_touch(t);
	if (!regs)
		return -ESRCH;
	parked.regs = *regs;
	regs->rip = GATEWAY_PARK;
	regs->orig_rax = -1;
	rc = tracee_set_sigmask(t, ~0ul);
	if (rc == 0)
		rc = tracee_flush(t);
	if (rc < 0)
		return rc;
	t->regs_known = false;
	*ret_parked = parked;
	return ptrace(PTRACE_DETACH, t->tid, 0, 0) < 0 ? -errno : 0;
}

int tracee_unpark(struct tracee *t, const struct parked *parked, struct err *err)
{
	struct stop stop;
	int rc = tracee_seize(t->tid, err);

	if (rc == 0)
		rc = tracee_interrupt(t);
	if (rc == 0)
		rc = tracee_wait_for(t->tid, &stop);
	if (rc < 0)
		return rc;
	if (stop.kind == STOP_DYING)
		(void)tracee_resume(t, RESUME_RUN, 0);
	if (stop.kind == STOP_GONE || stop.kind == STOP_DYING)
		return -ESRCH;
	t->regs = parked->regs;
	/* The call that it sleeps in must not be restarted on top of the old registers. */
	t->regs.orig_rax = -1;
	t->regs_known = t->regs_dirty = true;
	return tracee_set_sigmask(t, parked->sigmask);
}
