/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote calls: a stopped tracee is led through a system call of the engine's choice and put back.
 * The call is followed by syscall stops instead of a trap instruction, so that no SIGTRAP is ever
 * forced on a program that blocks or ignores it.
 */
#include "tracee/tracee.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/wire.h"

void tracee_retry_call(struct tracee *t, uint64_t nr)
{
	struct user_regs_struct *regs = tracee_touch(t);

	if (!regs)
		return;
	regs->orig_rax = -1;
	regs->rax = nr;
	regs->rip -= 2;
}

void tracee_skip_call(struct tracee *t, int64_t result)
{
	struct user_regs_struct *regs = tracee_touch(t);

	if (!regs)
		return;
	regs->orig_rax = -1;
	regs->rax = result;
}

/* Runs on until the next stop, -ESRCH if that is its end. */
static int run_to_stop(struct tracee *t, enum resume_how how, struct stop *ret_stop)
{
	int rc = tracee_resume(t, how, 0);

	if (rc == 0)
		rc = tracee_wait_for(t->tid, ret_stop);
	if (rc < 0)
		return rc;
	/* Its end must be seen by the event loop: let it go there. */
	if (ret_stop->kind == STOP_DYING)
		tracee_resume(t, RESUME_RUN, 0);
	return ret_stop->kind == STOP_GONE || ret_stop->kind == STOP_DYING ? -ESRCH : 0;
}

/*
 * Runs on until the exit of a call. Other stops on the way are passed over. A child that it has
 * made, and does not live to tell of, ends with it: nobody else knows of that.
 */
static int run_to_exit(struct tracee *t)
{
	struct __ptrace_syscall_info info;
	struct stop stop;
	pid_t child = 0;
	int rc;

	for (;;) {
		rc = run_to_stop(t, RESUME_TO_EXIT, &stop);
		if (rc < 0 && child)
			syscall(SYS_kill, child, SIGKILL);
		if (rc < 0)
			return rc;
		if (stop.kind == STOP_FORK)
			child = stop.child;
		if (stop.kind != STOP_EXIT_CALL)
			continue;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) < 0)
			return -errno;
		if (info.op == PTRACE_SYSCALL_INFO_EXIT)
			return 0;
	}
}

/* Blocks all signals, and leaves the call at whose entry the tracee may stand. */
static int begin_remote(
	struct tracee *t, bool at_entry, struct user_regs_struct *ret_saved, uint64_t *ret_mask)
{
	struct user_regs_struct *regs;
	int rc = tracee_get_sigmask(t, ret_mask);

	if (rc == 0)
		rc = tracee_set_sigmask(t, ~0ul);
	if (rc < 0)
		return rc;
	if (at_entry) {
		regs = tracee_touch(t);
		if (!regs)
			return -ESRCH;
		regs->orig_rax = -1;
		rc = run_to_exit(t);
		if (rc < 0)
			return rc;
	}
	regs = tracee_touch(t);
	if (!regs)
		return -ESRCH;
	*ret_saved = *regs;
	return 0;
}

static int end_remote(struct tracee *t, const struct user_regs_struct *saved, uint64_t mask)
{
	struct user_regs_struct *regs = tracee_touch(t);

	if (!regs)
		return -ESRCH;
	*regs = *saved;
	regs->orig_rax = -1;
	return tracee_set_sigmask(t, mask);
}

/* As tracee_remote(), by the syscall instruction at @insn. */
static int remote_at(struct tracee *t, uint64_t insn, bool at_entry, long *ret_result, long nr,
	const uint64_t a[6])
{
	struct user_regs_struct *regs, saved;
	uint64_t mask;
	int rc = begin_remote(t, at_entry, &saved, &mask);

	if (rc < 0)
		return rc;
	regs = tracee_touch(t);
	regs->rip = insn;
	regs->rax = nr;
	regs->orig_rax = -1;
	regs->rdi = a[0];
	regs->rsi = a[1];
	regs->rdx = a[2];
	regs->r10 = a[3];
	regs->r8 = a[4];
	regs->r9 = a[5];
	rc = run_to_exit(t);
	if (rc < 0)
		return rc;
	regs = tracee_touch(t);
	if (!regs)
		return -ESRCH;
	*ret_result = regs->rax;
	return end_remote(t, &saved, mask);
}

/* Runs on to the entry of a call that stops, and gives that up. */
static int run_to_entry(struct tracee *t)
{
	struct user_regs_struct *regs;
	struct stop stop;
	int rc;

	do {
		rc = run_to_stop(t, RESUME_RUN, &stop);
		if (rc < 0)
			return rc;
		/* All that can be blocked is. */
		if (stop.kind == STOP_SIGNAL)
			return -EFAULT;
	} while (stop.kind != STOP_SECCOMP);
	regs = tracee_touch(t);
	if (!regs)
		return -ESRCH;
	regs->orig_rax = -1;
	return run_to_exit(t);
}

int tracee_remote_batch(
	struct tracee *t, bool at_entry, uint64_t code, struct agent_batched *calls, int n)
{
	struct user_regs_struct *regs, saved;
	uint64_t mask;
	int rc, ended;

	if (t->mm->no_gateway)
		return -ENOSYS;
	rc = tracee_write(t, raddr(GATEWAY_SCRATCH), calls, n * sizeof(*calls));
	if (rc == 0)
		rc = begin_remote(t, at_entry, &saved, &mask);
	if (rc < 0)
		return rc;
	regs = tracee_touch(t);
	regs->rip = code;
	regs->rbx = GATEWAY_SCRATCH;
	regs->r12 = n;
	regs->gs_base = AGENT_SLOTS;
	regs->rsp = AGENT_SLOTS + AGENT_SLOT_SIZE - 16;
	regs->orig_rax = -1;
	rc = run_to_entry(t);
	if (rc == -ESRCH)
		return rc;
	if (rc == 0)
		rc = tracee_read(t, raddr(GATEWAY_SCRATCH), calls, n * sizeof(*calls));
	ended = end_remote(t, &saved, mask);
	return rc < 0 ? rc : ended;
}

int tracee_remote(struct tracee *t, bool at_entry, long *ret_result, long nr, uint64_t a0,
	uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t a[6] = { a0, a1, a2, a3, a4, a5 };

	if (t->mm->no_gateway)
		return -ENOSYS;
	return remote_at(t, GATEWAY_SYSCALL, at_entry, ret_result, nr, a);
}

/*
 * A call made at GATEWAY_SYSCALL returns to GATEWAY_ALLOWED, where a parked tracee goes round
 * again; tracee_remote() stops the others before they get there. Before GATEWAY_NOTIFY stands no
 * system call, so that only the engine can make a call return to it.
 */
static const uint8_t gateway_code[64] = {
	[0] = 0x0f,
	0x05, /* syscall */
	0xeb,
	GATEWAY_PARK - GATEWAY_ADDR - 4, /* jmp GATEWAY_PARK */
	[14] = 0xcc,
	0xcc, /* int3 */
	0xff,
	0xe1, /* GATEWAY_NOTIFY: jmp *%rcx */
	[32] = 0xb8,
	34,
	0,
	0,
	0, /* GATEWAY_PARK: mov $SYS_pause,%eax */
	0xeb,
	256 - (32 + 7), /* jmp GATEWAY_SYSCALL */
};

int tracee_map_gateway(struct tracee *t, struct err *err)
{
	static const uint8_t insn[2] = { 0x0f, 0x05 };
	const uint64_t code_args[6] = { GATEWAY_ADDR, 4096, PROT_READ | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0 };
	const uint64_t data_args[6] = { GATEWAY_SCRATCH, GATEWAY_SCRATCH_SIZE,
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0 };
	struct user_regs_struct *regs = tracee_regs(t);
	uint8_t saved[2];
	struct raddr at;
	long got[2] = { -1, -1 };
	int rc;

	if (!regs)
		return -ESRCH;
	at = raddr(regs->rip);
	rc = tracee_read(t, at, saved, sizeof(saved));
	if (rc == 0)
		rc = tracee_poke(t, at, insn, sizeof(insn));
	if (rc == 0)
		rc = remote_at(
			t, at.addr, true, &got[0], SYS_mmap, code_args); /* out of execve first */
	if (rc == 0)
		rc = remote_at(t, at.addr, false, &got[1], SYS_mmap, data_args);
	if (rc == 0)
		rc = tracee_poke(t, at, saved, sizeof(saved));
	if (rc == 0 && got[0] == (long)GATEWAY_ADDR && got[1] == (long)GATEWAY_SCRATCH)
		rc = tracee_poke(t, raddr(GATEWAY_ADDR), gateway_code, sizeof(gateway_code));
	else if (rc == 0)
		return err_set(err, EEXIST,
			"the program uses the engine's address %#lx (mmap gave %ld and %ld)",
			GATEWAY_ADDR, got[0], got[1]);
	if (rc == 0)
		t->mm->no_gateway = false;
	return rc;
}
