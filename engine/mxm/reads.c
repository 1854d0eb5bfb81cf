/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/reads.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/late.h"
#include "mxm/positions.h"
#include "mxm/rules.h"

enum file { FILE_OTHER, FILE_REGULAR, FILE_READ_ONLY, FILE_RANDOM };

static enum file file_of(const struct task *task, int fd)
{
	cleanup_close int copy = install_copy(task, fd);
	struct stat st;

	if (copy < 0 || fstat(copy, &st) < 0)
		return FILE_OTHER;
	if (S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 &&
		(minor(st.st_rdev) == 8 || minor(st.st_rdev) == 9))
		return FILE_RANDOM;
	if (!S_ISREG(st.st_mode))
		return FILE_OTHER;
	return (fcntl(copy, F_GETFL) & O_ACCMODE) == O_RDONLY ? FILE_READ_ONLY : FILE_REGULAR;
}

bool reads_only(const struct task *task, int fd)
{
	return file_of(task, fd) == FILE_READ_ONLY;
}

static bool is_sequential(const struct call *call)
{
	return call->nr == SYS_read || call->nr == SYS_readv;
}

/* The descriptor that the call reads from; -1: it is no such call. */
static int read_from(const struct call *call)
{
	switch (call->nr) {
	case SYS_read:
	case SYS_readv:
	case SYS_pread64:
	case SYS_preadv:
		return (int)call->args[0];
	case SYS_mmap:
		return call->args[2] & PROT_WRITE ? -1 : (int)call->args[4];
	}
	return -1;
}

const char *reads_rule(const struct task *task, const struct call *call)
{
	int fd = read_from(call);
	enum file file = fd < 0 ? FILE_OTHER : file_of(task, fd);

	return file == FILE_OTHER ? NULL : file == FILE_RANDOM ? RULE_RANDOM : RULE_READ;
}

/* The leader's read; one that waits to be made can still turn out to find the end. */
static bool may_pass_over(struct task *task, const struct event *event)
{
	int fd = event->kind == EVENT_CALL && event->call.row && !event->sig
			 ? read_from(&event->call)
			 : -1;
	enum file file = fd < 0 ? FILE_OTHER : file_of(task, fd);

	if (file == FILE_OTHER || file == FILE_RANDOM)
		return file == FILE_RANDOM;
	if (!event->pending)
		return true;
	if (event->result <= 0 && event->call.nr != SYS_mmap)
		return true;
	return file == FILE_READ_ONLY &&
	       (!is_sequential(&event->call) || positions_of(task, event, fd) >= 0);
}

static bool is_beyond_end(const struct task *task, int fd, int64_t at)
{
	cleanup_close int copy = install_copy(task, fd);
	struct stat st;

	return copy >= 0 && fstat(copy, &st) == 0 && at >= st.st_size;
}

static bool may_go_alone(struct task *task, const struct event *event)
{
	int fd = read_from(&task->call);
	enum file file = fd < 0 ? FILE_OTHER : file_of(task, fd);
	int64_t at;

	if (file == FILE_OTHER || file == FILE_RANDOM)
		return file == FILE_RANDOM;
	if (late_is(task, fd))
		return false;
	if (task->call.nr == SYS_mmap)
		return file == FILE_READ_ONLY;
	if (!is_sequential(&task->call))
		return file == FILE_READ_ONLY ||
		       is_beyond_end(task, fd, (int64_t)task->call.args[3]);
	at = positions_of(task, event, fd);
	return at >= 0 && (file == FILE_READ_ONLY || is_beyond_end(task, fd, at));
}

/* A position that a read depends on: is it known in a moment? */
static bool is_moving(const struct task *task, const struct event *event, const struct call *call)
{
	int fd = read_from(call);

	return event->pending && fd >= 0 && is_sequential(call) &&
	       positions_are_moving(task, event, fd) && file_of(task, fd) == FILE_READ_ONLY;
}

enum relation reads_relate(struct task *task, const struct event *event)
{
	if (is_moving(task, event, &event->call) || is_moving(task, event, &task->call))
		return REL_UNKNOWN;
	if (may_pass_over(task, event))
		return REL_PASS_OVER;
	return may_go_alone(task, event) ? REL_ALONE : REL_DIFFERENT;
}

void reads_pass_over(struct task *task, const struct event *event)
{
	if (event->kind != EVENT_CALL || !reads_rule(task, &event->call))
		return;
	late_stop(task);
	if (is_sequential(&event->call) && event->result > 0 &&
		file_of(task, (int)event->call.args[0]) == FILE_READ_ONLY)
		positions_lead_read(task, event);
}

void reads_go_alone(struct task *task, const struct event *event)
{
	const uint64_t *a = task->call.args;
	int64_t at;
	long r;
	int rc;

	rules_note(task, event, reads_rule(task, &task->call));
	late_stop(task);
	if (!is_sequential(&task->call) || file_of(task, (int)a[0]) == FILE_RANDOM) {
		baton_take(task);
		task_enter(task, TASK_RUNNING);
		local_run(task);
		return;
	}
	at = positions_of(task, event, (int)a[0]);
	rc = tracee_remote(&task->tracee, task->at_entry_stop, &r,
		task->call.nr == SYS_read ? SYS_pread64 : SYS_preadv, a[0], a[1], a[2],
		(uint64_t)at, 0, 0);
	if (rc < 0) {
		follow_vanish(task);
		return;
	}
	task->at_entry_stop = false;
	positions_follower_read(task, event, (int)a[0], r);
	follow_answer(task, r);
}
