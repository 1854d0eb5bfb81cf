/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/folders.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/rules.h"
#include "mxm/surplus.h"

static bool reads(const struct call *call)
{
	return call->nr == SYS_getdents64;
}

static uint32_t room_of(const struct call *call)
{
	return (uint32_t)call->args[2];
}

static bool are_same(const struct task *task, const struct event *event)
{
	return event->kind == EVENT_CALL && reads(&task->call) && reads(&event->call) &&
	       (int)task->call.args[0] == (int)event->call.args[0] && !event->sig;
}

enum relation folders_relate(const struct task *task, const struct event *event)
{
	if (!are_same(task, event))
		return REL_DIFFERENT;
	if (!event->pending)
		return REL_UNKNOWN;
	/* An entry that does not fit is an error of the one with less room only. */
	return event->result >= 0 && event->result <= (int64_t)room_of(&task->call) ? REL_SAME
										    : REL_DIFFERENT;
}

/* How many bytes the entries have that fit: struct linux_dirent64 is glibc's dirent. */
static size_t fitting(const char *data, size_t len, size_t room)
{
	unsigned short reclen;
	size_t n = 0;

	while (n + offsetof(struct dirent, d_name) <= len) {
		memcpy(&reclen, data + n + offsetof(struct dirent, d_reclen), sizeof(reclen));
		if (!reclen || reclen > len - n || n + reclen > room)
			break;
		n += reclen;
	}
	return n;
}

/* The entries that the leader was given; NULL: there are none. */
static const char *entries(const struct event *event, size_t *ret_len)
{
	uint32_t len;

	if (event->result <= 0 || event->out.len < sizeof(len))
		return NULL;
	memcpy(&len, event->out.data, sizeof(len));
	*ret_len = len;
	return len == event->result && len <= event->out.len - sizeof(len)
		       ? event->out.data + sizeof(len)
		       : NULL;
}

/* Gives the task as many of the entries as fit; how many bytes. */
static int give(struct task *task, const char *data, size_t len)
{
	const size_t n = fitting(data, len, room_of(&task->call));

	return tracee_write(&task->tracee, raddr(task->call.args[1]), data, n) < 0 ? -EFAULT
										   : (int)n;
}

bool folders_consume(struct task *task, struct event *event)
{
	const char *data;
	size_t len;
	int n;

	if (!are_same(task, event))
		return false;
	data = entries(event, &len);
	n = data ? give(task, data, len) : -EFAULT;
	if (n <= 0)
		return false;
	rules_note(task, event, RULE_PIECES);
	if ((size_t)n < len)
		surplus_keep(task, (int)task->call.args[0], data + n, len - (size_t)n);
	event_consumed(event, task->version);
	follow_answer(task, n);
	return true;
}

bool folders_serve(struct task *task)
{
	struct surplus *s;
	int n;

	if (!reads(&task->call))
		return false;
	s = surplus_of(task->tuple->proc, task->version, (int)task->call.args[0]);
	n = s ? give(task, s->bytes.data, s->bytes.len) : -EFAULT;
	if (n < 0)
		return false;
	if (n)
		surplus_use(s, (size_t)n);
	tracee_skip_call(&task->tracee, n ? n : -EINVAL);
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}
