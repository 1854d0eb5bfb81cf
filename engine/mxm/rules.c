/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/rules.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

/* The most X's of a template: mkstemp(3) has 6, mktemp(1) 10. */
#define RANDOM_CHARS 16

static bool is_empty(struct task *task, uint64_t path)
{
	char first = 1;

	return path && tracee_read(&task->tracee, raddr(path), &first, 1) == 0 && !first;
}

static void rename_to(
	struct call *call, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	*call = (struct call){ .nr = nr, .issued = call->issued, .args = { a0, a1, a2, a3 } };
}

void rules_rename(struct task *task)
{
	struct call *c = &task->call;
	const uint64_t *a = c->args;

	switch (c->nr) {
	case SYS_newfstatat:
		if ((uint32_t)a[3] == AT_EMPTY_PATH && is_empty(task, a[1]))
			rename_to(c, SYS_fstat, a[0], a[2], 0, 0);
		break;
	case SYS_stat:
		rename_to(c, SYS_newfstatat, (uint32_t)AT_FDCWD, a[0], a[1], 0);
		break;
	case SYS_lstat:
		rename_to(c, SYS_newfstatat, (uint32_t)AT_FDCWD, a[0], a[1], AT_SYMLINK_NOFOLLOW);
		break;
	case SYS_open:
		rename_to(c, SYS_openat, (uint32_t)AT_FDCWD, a[0], a[1], a[2]);
		break;
	}
}

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

bool rules_is_look(const struct call *call)
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

bool rules_is_extra_look(const struct task *task, const struct event *event)
{
	if (!rules_is_look(&task->call))
		return false;
	if (task->call.nr != event->call.nr)
		return true;
	return task->in.len != event->in.len ||
	       memcmp(str_text(&task->in), str_text(&event->in), task->in.len) != 0;
}

/* Which of the remembered clocks the call reads, and how many bytes it is told; -1: none. */
static int clock_of(const struct call *call, int *ret_arg, size_t *ret_len)
{
	switch (call->nr) {
	case SYS_clock_gettime:
		*ret_arg = 1;
		*ret_len = 16;
		return call->args[0] < CLOCKS_SEEN - 2 ? (int)call->args[0] : -1;
	case SYS_gettimeofday:
		*ret_arg = 0;
		*ret_len = 16;
		return CLOCKS_SEEN - 1;
	case SYS_time:
		*ret_arg = 0;
		*ret_len = 8;
		return CLOCKS_SEEN - 2;
	}
	return -1;
}

bool rules_tell_clock(struct task *task)
{
	size_t len;
	int arg, i = clock_of(&task->call, &arg, &len);
	struct seen_clock *seen;

	if (i < 0)
		return false;
	seen = &task->tuple->proc->clocks[task->version][i];
	if (!seen->known)
		return false;
	if (task->call.args[arg] &&
		tracee_write(&task->tracee, raddr(task->call.args[arg]), seen->words, len) < 0)
		return false;
	tracee_skip_call(&task->tracee, task->call.nr == SYS_time ? (int64_t)seen->words[0] : 0);
	return true;
}

void rules_learn_clock(const struct task *task, const struct event *event)
{
	struct seen_clock *seen;
	uint32_t got;
	size_t len;
	int arg, i;

	if (event->kind != EVENT_CALL || event->result < 0)
		return;
	i = clock_of(&event->call, &arg, &len);
	if (i < 0 || event->out.len < sizeof(got) + len)
		return;
	/* The first block of the outputs is the clock's: canon_outputs(). */
	memcpy(&got, event->out.data, sizeof(got));
	if (got != len)
		return;
	seen = &task->tuple->proc->clocks[task->version][i];
	memcpy(seen->words, event->out.data + sizeof(got), len);
	seen->known = true;
}
