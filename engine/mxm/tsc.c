/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/tsc.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <x86intrin.h>

/* rdtsc on a monitor (the vDSO's clocks do it, for the event log): reads it in its place. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *regs = uc->uc_mcontext.gregs;
	const uint8_t *insn = (const uint8_t *)regs[REG_RIP];
	int saved = errno;
	unsigned aux = 0;
	uint64_t now;

	if (info->si_code != SI_KERNEL || insn[0] != 0x0f ||
		(insn[1] != 0x31 && (insn[1] != 0x01 || insn[2] != 0xf9))) {
		signal(SIGSEGV, SIG_DFL);
		return; /* faults again, and ends the engine */
	}
	prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
	now = __rdtscp(&aux);
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
	regs[REG_RAX] = (uint32_t)now;
	regs[REG_RDX] = (greg_t)(now >> 32);
	if (insn[1] == 0x01)
		regs[REG_RCX] = aux;
	regs[REG_RIP] += insn[1] == 0x31 ? 2 : 3;
	errno = saved;
}

void tsc_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
}

void tsc_take_back(void)
{
	prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
}

void tsc_give_up(void)
{
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
}
