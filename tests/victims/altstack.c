/* SPDX-License-Identifier: Apache-2.0 */
/* A handler on an alternate stack: a fault of the program's own that it recovers from. */
#include <setjmp.h>
#include <signal.h>

#include "victim.h"

static char stack[65536];
static sigjmp_buf back;
static volatile int on_stack;

static void handler(int sig)
{
	char here;

	on_stack = &here >= stack && &here < stack + sizeof(stack);
	if (sig == SIGBUS)
		siglongjmp(back, 1);
}

int main(void)
{
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK | SA_NODEFER };

	MUST(sigaltstack(&ss, NULL));
	MUST(sigaltstack(NULL, &old));
	SEE(old.ss_sp == stack);
	MUST(sigaction(SIGUSR1, &sa, NULL));
	MUST(sigaction(SIGBUS, &sa, NULL));
	raise(SIGUSR1);
	SEE(on_stack);
	on_stack = 0;
	if (!sigsetjmp(back, 1))
		raise(SIGBUS);
	else
		SEE(on_stack);
	return 0;
}
