/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/alike.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mxm/canon.h"
#include "mxm/canon_shape.h"
#include "mxm/files.h"
#include "mxm/settings.h"

/* bytes at a place */

static bool is_vector(const struct call *call)
{
	return call->nr == SYS_preadv || call->nr == SYS_pwritev;
}

static bool writes_at(const struct call *call)
{
	return call->nr == SYS_pwrite64 || call->nr == SYS_pwritev;
}

static bool reads_at(const struct call *call)
{
	return call->nr == SYS_pread64 || call->nr == SYS_preadv;
}

static uint64_t read_length(const struct call *call, const struct str *in)
{
	uint64_t len = call->args[2];

	return is_vector(call) && !canon_vector_len(in, &len) ? UINT64_MAX : len;
}

bool alike_at_place(const struct call *a, const struct str *our_in, const struct call *b,
	const struct str *their_in)
{
	uint64_t our_len, their_len;
	const char *ours, *theirs;

	if (a->nr == b->nr || (int)a->args[0] != (int)b->args[0] || a->args[3] != b->args[3])
		return false;
	if (reads_at(a) && reads_at(b)) {
		our_len = read_length(a, our_in);
		return our_len != UINT64_MAX && our_len == read_length(b, their_in);
	}
	if (!writes_at(a) || !writes_at(b))
		return false;
	ours = canon_payload(our_in, is_vector(a), &our_len);
	theirs = canon_payload(their_in, is_vector(b), &their_len);
	return ours && theirs && our_len == their_len && memcmp(ours, theirs, our_len) == 0;
}

/* names */

/* The folder that the task's names without a slash before them begin at, as the task sees it. */
static bool cwd_of(const struct task *task, char cwd[static PATH_MAX])
{
	char link[64], root[PATH_MAX];
	ssize_t n, len;

	snprintf(link, sizeof(link), "/proc/%d/root", task->tracee.tid);
	n = readlink(link, root, sizeof(root));
	snprintf(link, sizeof(link), "/proc/%d/cwd", task->tracee.tid);
	len = readlink(link, cwd, PATH_MAX);
	/* A root of its own, or a folder that was removed: not told. */
	if (n != 1 || len <= 0 || len == PATH_MAX)
		return false;
	cwd[len] = '\0';
	return cwd[0] == '/' && access(cwd, F_OK) == 0;
}

/* Appends what the steps of @name have: no empty ones, no ".". A slash at the end stays. */
static void put_steps(struct str *out, const char *name)
{
	const char *end;

	for (; *name; name = end) {
		while (*name == '/')
			name++;
		end = strchrnul(name, '/');
		if (*end && end - name == 1 && *name == '.')
			continue;
		if (*name || (out->len && out->data[out->len - 1] != '/'))
			str_putc(out, '/');
		str_append(out, name, (size_t)(end - name));
	}
}

static void put_name(struct str *out, const char *name, const char *cwd)
{
	if (*name && *name != '/')
		put_steps(out, cwd);
	put_steps(out, name);
}

bool alike_by_path(const struct task *task, const struct event *event)
{
	const struct call *a = &task->call, *b = &event->call;
	size_t p = 0, q = 0, ours, theirs, our_len, their_len, next_p, next_q;
	char cwd[PATH_MAX];
	bool differ = false;

	/* What an interpreter is told of its script is the text itself. */
	if (!a->row || a->row != b->row || a->nr == SYS_execve || a->nr == SYS_execveat ||
		!cwd_of(task, cwd))
		return false;
	for (int i = 0; i < a->row->nargs && a->row->args[i].kind != ARG_NONE; i++) {
		cleanup_str struct str x = STR_INIT, y = STR_INIT;
		const bool name = a->row->args[i].kind == ARG_PATH;

		if (!canon_span(a, &task->in, i, p, &ours, &our_len, &next_p) ||
			!canon_span(b, &event->in, i, q, &theirs, &their_len, &next_q))
			break;
		if (name) {
			/* From a folder's descriptor it is another place. */
			if (i && a->row->args[i - 1].kind == ARG_DIRFD &&
				(int)a->args[i - 1] != AT_FDCWD)
				return false;
			put_name(&x, task->in.data + ours, cwd);
			put_name(&y, event->in.data + theirs, cwd);
			differ |= our_len != their_len;
			if (strcmp(str_text(&x), str_text(&y)) != 0)
				return false;
		} else if (next_p - p != next_q - q ||
			   memcmp(str_text(&task->in) + p, str_text(&event->in) + q, next_p - p) !=
				   0) {
			return false;
		}
		p = next_p;
		q = next_q;
	}
	return differ && task->in.len - p == event->in.len - q &&
	       memcmp(str_text(&task->in) + p, str_text(&event->in) + q, event->in.len - q) == 0;
}

/* Which argument is the mode of what the call makes, -1: it makes nothing. */
static int mode_arg(const struct call *call)
{
	switch (call->nr) {
	case SYS_openat:
		return call->args[2] & O_CREAT ? 3 : -1;
	case SYS_mkdirat:
	case SYS_mknodat:
		return 2;
	}
	return -1;
}

/* Of the folder that the name is in: what is made there is given that, and the umask is not asked.
 */
static bool has_default_acl(const struct task *task, const char *name)
{
	char path[FILES_PLACE_SIZE], *slash;

	files_place(task, (int)task->call.args[0], name, path);
	slash = strrchr(path, '/');
	if (slash)
		slash[1] = '\0';
	return getxattr(path, "system.posix_acl_default", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

bool alike_under_umask(const struct task *task, const struct event *event)
{
	const struct call *a = &task->call, *b = &event->call;
	const int mode = mode_arg(a);
	size_t at = 0, name = 0, begin, len, next = 0;
	cleanup_str struct str ours = STR_INIT;
	uint64_t mask;

	if (mode < 0 || a->row != b->row || task->in.len != event->in.len ||
		(a->nr == SYS_openat && (a->args[2] ^ b->args[2])) ||
		!settings_umask(task, &mask) || ((a->args[mode] ^ b->args[mode]) & 07777 & ~mask))
		return false;
	for (int i = 0; i <= mode; i++) {
		at = next;
		if (!canon_span(a, &task->in, i, at, &begin, &len, &next))
			return false;
		name = i == 1 ? begin : name;
	}
	if (next > task->in.len)
		return false;
	/* But for the mode they are the same. */
	str_append(&ours, task->in.data, task->in.len);
	memcpy(ours.data + at, event->in.data + at, next - at);
	return memcmp(ours.data, event->in.data, ours.len) == 0 &&
	       !has_default_acl(task, ours.data + name);
}

bool alike_is_same(const struct task *task, const struct event *event)
{
	return event->kind == EVENT_CALL && task->call.nr == event->call.nr &&
	       task->call.row == event->call.row && task->in.len == event->in.len &&
	       memcmp(str_text(&task->in), str_text(&event->in), task->in.len) == 0;
}

bool alike_is_own_memory(const struct call *call)
{
	switch (call->nr) {
	case SYS_mlock:
	case SYS_mlock2:
	case SYS_munlock:
	case SYS_mlockall:
	case SYS_munlockall:
		return true;
	case SYS_prctl:
		return call->args[0] == PR_SET_TIMERSLACK || call->args[0] == PR_SET_THP_DISABLE;
	}
	return false;
}
