/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>

#include "base/io.h"

/* The kernel keeps this much below the stack at least, and takes no more than this from a limit. */
#define GAP_MIN	     (128ul << 20)
#define RANDOM_PAGES (1ul << 28)
/* How long arguments may be is a quarter of the stack limit; well below that it does not matter. */
#define ARGS_SHORT (1ul << 16)

void layout_fix(void)
{
	int now = personality(0xffffffff);

	if (now != -1)
		personality((unsigned long)now | ADDR_NO_RANDOMIZE);
}

bool layout_is_fixed(pid_t pid)
{
	cleanup_str struct str text = STR_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/personality", pid);
	return io_read_file(path, 64, &text, NULL) < 0 ||
	       (strtoul(str_text(&text), NULL, 16) & ADDR_NO_RANDOMIZE);
}

static uint64_t draw(const struct proc *proc, unsigned n)
{
	uint64_t x = proc->seed + 0x9e3779b97f4a7c15ul * (n + 1);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

void layout_before_exec(struct task *task)
{
	const struct proc *proc = task->tuple->proc;
	struct rlimit limit, random;

	if (task->stack_limit_changed || task->in.len > ARGS_SHORT)
		return;
	if (prlimit(task->tracee.tgid, RLIMIT_STACK, NULL, &limit) < 0)
		return;
	random = limit;
	random.rlim_cur = GAP_MIN + draw(proc, proc->execs[task->version]) % RANDOM_PAGES * 4096;
	if (limit.rlim_max != RLIM_INFINITY && random.rlim_cur > limit.rlim_max)
		return;
	if (prlimit(task->tracee.tgid, RLIMIT_STACK, &random, NULL) < 0)
		return;
	task->stack_limit = limit;
	task->stack_limit_changed = true;
}

void layout_after_exec(struct task *task)
{
	if (!task->stack_limit_changed)
		return;
	task->stack_limit_changed = false;
	(void)prlimit(task->tracee.tgid, RLIMIT_STACK, &task->stack_limit, NULL);
}
