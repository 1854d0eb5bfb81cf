/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: mappings that are shared, and futex words. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "mxm/agent.h"
#include "mxm/install.h"
#include "mxm/shadows.h"
#include "mxm/special.h"

static bool maps_file_shared(const struct call *call)
{
	int flags = (int)call->args[3];

	return call->nr == SYS_mmap && (flags & MAP_TYPE) != MAP_PRIVATE &&
	       !(flags & MAP_ANONYMOUS);
}

static bool is_writable(const struct task *task, int fd)
{
	cleanup_str struct str info = STR_INIT;
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", task->tracee.tid, fd);
	if (io_read_file(path, 65536, &info, NULL) < 0)
		return false;
	at = strstr(str_text(&info), "flags:");
	return at && (strtoul(at + 6, NULL, 8) & O_ACCMODE) != O_RDONLY;
}

static int mmap_led(struct task *task, struct event *event, int64_t *result)
{
	int prot = (int)task->call.args[2], flags = (int)task->call.args[3], rc;

	if (task->call.nr != SYS_mmap || (*result < 0 && *result > -4096))
		return 0;
	if ((flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE))
		task->tuple->proc->shares_memory = true;
	if (!event || !maps_file_shared(&task->call))
		return 0;
	if (!(prot & PROT_WRITE) && is_writable(task, (int)task->call.args[4]))
		task->tuple->proc->maps_written_files = true;
	rc = shadows_take(task, event, (int)task->call.args[4], prot & PROT_WRITE);
	/* Others of the group must not write to the file unseen; this one has the baton still. */
	agent_refresh(task->tuple->group);
	return rc;
}

static int mmap_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	const uint64_t *a = task->call.args;
	struct mxm *mxm = task->tuple->group->mxm;
	int shadow, there, rc;
	long r, closed;

	if (!maps_file_shared(&task->call) || (event->result < 0 && event->result > -4096))
		return 0;
	shadow = shadows_of(mxm, event, task->version);
	if (shadow < 0)
		return 0;
	rc = install_send(task, shadow, &there);
	if (rc == 0)
		rc = tracee_remote(
			&task->tracee, false, &r, SYS_mmap, a[0], a[1], a[2], a[3], there, a[5]);
	if (rc == 0)
		rc = tracee_remote(&task->tracee, false, &closed, SYS_close, there, 0, 0, 0, 0, 0);
	task->made_result = rc < 0 ? rc : r;
	task->tuple->proc->has_shadows[task->version] = true;
	*ret_how = FOLLOW_MADE;
	return rc == -ESRCH ? rc : 0;
}

const struct special special_mmap = { .led = mmap_led, .follow = mmap_follow };

/*
 * A follower's wait ends as the leader's did, without waiting; but what wakes or changes the word
 * is made by it too: a task of its own may wait there out of the stream's order (rules.h).
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
