/* SPDX-License-Identifier: Apache-2.0 */
/* An interrupt that the kernel has forgotten, since another stop came first, is not waited for. */
#include <sys/syscall.h>

#include "traced.h"

static int wire[2];

static void crash_and_read(void *arg)
{
	char c;

	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
	syscall(SYS_read, wire[0], &c, 1);
	for (;;)
		syscall(SYS_getppid);
}

int main(void)
{
	struct tracee t;
	struct stop stop;

	if (pipe2(wire, O_CLOEXEC) < 0)
		return 1;
	t = traced_start(crash_and_read, NULL);
	/* Calls until it sleeps in read(2). */
	do {
		struct user_regs_struct *regs;

		tracee_resume(&t, RESUME_TO_EXIT, 0);
		if (tracee_wait_for(t.tid, &stop) < 0)
			return 1;
		regs = tracee_regs(&t);
		if (regs && regs->orig_rax == SYS_read && (int64_t)regs->rax == -38)
			break;
	} while (stop.kind != STOP_GONE);
	tracee_resume(&t, RESUME_TO_EXIT, 0);
	ok(!t.interrupted, "it runs, and was not interrupted");
	ok(tracee_interrupt(&t) == 0 && t.interrupted, "it is interrupted in a call");
	ok(tracee_wait_for(t.tid, &stop) == 0 && stop.kind == STOP_EXIT_CALL,
		"the exit of the call comes first");
	ok(tracee_resume(&t, RESUME_TO_EXIT, 0) == 0 && !t.interrupted,
		"what goes on from there is interrupted no more");
	ok(write(wire[1], "", 1) == 1 && tracee_wait_for(t.tid, &stop) == 0 &&
			stop.kind != STOP_NEW,
		"the stop of the interrupt does not come");
	traced_end(&t);
	return tap_done();
}
