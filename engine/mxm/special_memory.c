/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: mappings that are shared, and futex words. */
#include <linux/futex.h>
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

/*
 * A follower's wait ends as the leader's did, without waiting; but what wakes or changes the word is
 * made by it too: a task of its own may wait there out of the stream's order (rules.h).
 */
static int futex_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	switch (task->call.args[1] & FUTEX_CMD_MASK) {
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
	case FUTEX_WAKE_OP:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		*ret_how = FOLLOW_TO_EXIT;
	}
	return 0;
}

static int futex_followed(struct task *task, struct event *event, int64_t *result)
{
	*result = event->result;
	return 0;
}

const struct special special_futex = { .follow = futex_follow, .followed = futex_followed };
