/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/rules.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

/* The most X's of a template: mkstemp(3) has 6, mktemp(1) 10. */
#define RANDOM_CHARS 16

static bool makes_new_file(const struct call *call)
{
	switch (call->nr) {
	case SYS_open:
		return (call->args[1] & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	case SYS_openat:
		return (call->args[2] & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	case SYS_mkdir:
	case SYS_mkdirat:
	case SYS_mknod:
	case SYS_mknodat:
		return true;
	}
	return false;
}

bool rules_temporary_name(struct task *task, const struct event *event)
{
	const char *a = str_text(&task->in), *b = str_text(&event->in);
	bool at = task->call.nr == SYS_openat || task->call.nr == SYS_mkdirat ||
		  task->call.nr == SYS_mknodat;
	size_t begin = at ? sizeof(uint32_t) + 1 : 1, len, first, last;
	uint64_t path = task->call.args[at ? 1 : 0];

	if (!makes_new_file(&task->call) || task->in.len != event->in.len || task->in.len <= begin)
		return false;
	len = strnlen(b + begin, event->in.len - begin);
	for (first = 0; first < task->in.len && a[first] == b[first]; first++) {
	}
	for (last = task->in.len - 1; last > first && a[last] == b[last]; last--) {
	}
	if (first < begin || last >= begin + len || last - first >= RANDOM_CHARS)
		return false;
	for (size_t i = first; i <= last; i++) {
		if (!isalnum((unsigned char)a[i]) || !isalnum((unsigned char)b[i]))
			return false;
	}
	if (tracee_write(&task->tracee, raddr(path + first - begin), b + first, last - first + 1) <
		0)
		return false;
	str_reset(&task->in);
	str_append(&task->in, b, event->in.len);
	return true;
}

static bool looks(const struct call *call)
{
	switch (call->nr) {
	case SYS_getrandom:
	case SYS_clock_gettime:
	case SYS_gettimeofday:
	case SYS_time:
	case SYS_getcpu:
	case SYS_futex:
		return true;
	}
	return false;
}

bool rules_is_look(const struct event *event)
{
	return event->kind == EVENT_CALL && looks(&event->call);
}

bool rules_is_extra_look(struct task *task, const struct event *event)
{
	if (!looks(&task->call))
		return false;
	if (task->call.nr != event->call.nr)
		return true;
	return task->in.len != event->in.len ||
	       memcmp(str_text(&task->in), str_text(&event->in), task->in.len) != 0;
}
