/* SPDX-License-Identifier: Apache-2.0 */
/* mmap: what a mapping means for who shares memory with whom. */
#include <sys/mman.h>

#include "mxm/special.h"

static int mmap_led(struct task *task, struct event *event, int64_t *result)
{
	int prot = (int)task->call.args[2], flags = (int)task->call.args[3];

	if (*result >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE))
		task->tuple->proc->shares_memory = true;
	return 0;
}

const struct special special_mmap = { .led = mmap_led };
