/* SPDX-License-Identifier: Apache-2.0 */
/* rt_sigaction: which signals the program handles, and how calls go on after them. */
#include "mxm/special.h"

static int sigaction_led(struct task *task, struct event *event, int64_t *result)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} sa;
	uint64_t sig = task->call.args[0], at = task->call.args[1];

	if (*result < 0 || !at || sig < 1 || sig > 64)
		return 0;
	if (tracee_read(&task->tracee, raddr(at), &sa, sizeof(sa)) < 0)
		return 0;
	task->tuple->proc->sig[sig - 1] = (struct sigaction_known){ sa.handler, sa.flags, sa.mask };
	return 0;
}

const struct special special_sigaction = { .led = sigaction_led };
