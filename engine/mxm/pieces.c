/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/pieces.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/canon.h"
#include "mxm/events.h"
#include "mxm/folders.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/late.h"
#include "mxm/positions.h"
#include "mxm/reads.h"
#include "mxm/rules.h"
#include "mxm/special.h"
#include "mxm/surplus.h"
#include "mxm/transfer.h"

/* How long a new leader tries to write what it was told is written, in steps of 100 ms. */
#define OWED_STEPS 100
#define STEP_MS	   100

/* The most of a file that is read for a follower at once; a longer read is told a short count. */
#define REST_MAX (1u << 20)

/* What takes the bytes away, or writes them. */
static bool moves(const struct call *call, const struct str *in, struct transfer *ret)
{
	return transfer_of(call, in, ret) && !ret->peek;
}

bool pieces_moves(const struct call *call, const struct str *in, int *ret_fd, bool *ret_write,
	const char **ret_data, uint64_t *ret_len)
{
	struct transfer t;

	if (!call->row || !moves(call, in, &t))
		return false;
	*ret_fd = t.fd;
	*ret_write = t.write;
	*ret_data = t.data;
	*ret_len = t.len;
	return true;
}

char pieces_flow(const struct task *task)
{
	struct transfer t;

	if (!task->call.row || !moves(&task->call, &task->in, &t))
		return '\0';
	switch (transfer_stream(task, t.fd)) {
	case STREAM_FILE:
		return 'f';
	case STREAM_FLOW:
		return 's';
	case STREAM_MESSAGES:
	case STREAM_NOT:
		break;
	}
	return '\0';
}

bool pieces_may(const struct task *task, const struct event *event)
{
	struct transfer ours, theirs;

	if (!task->call.row || !moves(&task->call, &task->in, &ours) ||
		!moves(&event->call, &event->in, &theirs) || ours.fd != theirs.fd ||
		ours.write != theirs.write)
		return false;
	switch (transfer_stream(task, ours.fd)) {
	case STREAM_FILE:
	case STREAM_FLOW:
		return true;
	case STREAM_MESSAGES:
		/* A message is whole, and none is cut off that was longer than the room for it. */
		return ours.len == theirs.len ||
		       (!ours.write && event->result < (int64_t)least(ours.len, theirs.len));
	case STREAM_NOT:
		break;
	}
	return false;
}

void pieces_keep(struct task *task, const struct event *event)
{
	const char *data;
	struct transfer t;
	size_t len;

	if (event->kind != EVENT_CALL || !event->call.row || event->result <= 0 ||
		!moves(&event->call, &event->in, &t))
		return;
	if (t.write) {
		surplus_forget(task->tuple->proc, task->version,
			transfer_is_socket(task, t.fd) ? t.fd : -1);
		return;
	}
	data = transfer_bytes(event, &len);
	if (data && transfer_stream(task, t.fd) == STREAM_FLOW)
		surplus_keep(task, t.fd, data, len);
}

void pieces_keep_unread(struct task *task)
{
	struct group *group = task->tuple->group;

	list_for_each (at, &group->stream) {
		const struct event *event = container_of(at, struct event, link);

		if (event->tuple == task->tuple && (event->pending & (1u << task->version)))
			pieces_keep(task, event);
	}
}

/*
 * What was read before a seek to a place is not read after it. A leader that seeks from where it is
 * goes back first by what it has not asked for. True: its call is made again.
 */
static bool leave_behind(struct task *task)
{
	const int fd = (int)task->call.args[0];
	struct surplus *s = surplus_of(task->tuple->proc, task->version, fd);
	const bool from_here = (uint32_t)task->call.args[2] == SEEK_CUR;
	long r;
	int rc;

	if (!s || (from_here && task_follows(task)))
		return false; /* positions_forbid() */
	rc = from_here ? tracee_remote(&task->tracee, task->at_entry_stop, &r, SYS_lseek,
				 (uint64_t)fd, -(uint64_t)s->bytes.len, SEEK_CUR, 0, 0, 0)
		       : 0;
	surplus_forget(task->tuple->proc, task->version, fd);
	if (!from_here || rc < 0)
		return rc < 0;
	task->at_entry_stop = false;
	tracee_retry_call(&task->tracee, task->call.issued);
	task_resume(task, RESUME_RUN, 0);
	return true;
}

bool pieces_serve(struct task *task)
{
	struct proc *proc = task->tuple->proc;
	struct surplus *s;
	struct transfer t;
	size_t n;

	if (!list_is_empty(&proc->surplus) && task->call.nr == SYS_lseek)
		return leave_behind(task);
	if (!list_is_empty(&proc->surplus) && folders_serve(task))
		return true;
	if (list_is_empty(&proc->surplus) || !task->call.row ||
		!transfer_of(&task->call, &task->in, &t) || t.write)
		return false;
	s = surplus_of(proc, task->version, t.fd);
	if (!s)
		return false;
	n = least(s->bytes.len, t.len);
	if (transfer_put(task, &t, s->bytes.data, n) < 0)
		return false;
	/* Of a file the rest may follow; of what flows a short count is what the kernel gives. */
	if (!t.peek && n < t.len && task_follows(task) &&
		transfer_stream(task, t.fd) == STREAM_FILE) {
		surplus_use(s, n);
		task->done = n;
		return false;
	}
	if (!t.peek)
		surplus_use(s, n);
	tracee_skip_call(&task->tracee, (int64_t)n);
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}

/* The follower's call ends with what was done of it. */
static void end_call(struct task *task, int64_t result)
{
	task->done = 0;
	follow_answer(task, result);
}

/*
 * The leader reads no more of a file, and the follower wants more: what is there, as the kernel
 * gives a file's bytes whole.
 */
static void read_rest(struct task *task, const struct transfer *t, const struct event *event)
{
	cleanup_close int copy = reads_only(task, t->fd) ? install_copy(task, t->fd) : -1;
	int64_t at = copy < 0 ? -1 : positions_of(task, event, t->fd);
	size_t len = least(t->len - task->done, REST_MAX);
	cleanup_free char *buf = xmalloc(len + 1);
	ssize_t n = at < 0 ? -1 : pread(copy, buf, len, at);

	if (n <= 0 || transfer_put(task, t, buf, (size_t)n) < 0)
		return;
	positions_follower_read(task, event, t->fd, n);
	task->done += (size_t)n;
}

bool pieces_release(struct task *task, const struct event *event)
{
	struct transfer ours, theirs;
	bool known = moves(&task->call, &task->in, &ours);

	if (known && !ours.write)
		read_rest(task, &ours, event);
	/* A count that is short by the kernel's doing, or since a signal breaks in, is told. */
	else if (known && !task->cut &&
		 !(event->sig && moves(&event->call, &event->in, &theirs) && theirs.write &&
			 theirs.fd == ours.fd))
		return false;
	end_call(task, (int64_t)task->done);
	return true;
}

/* ahead */

static void use_ahead(struct task *task, size_t n)
{
	struct str *bytes = &task->ahead.bytes;

	memmove(bytes->data, bytes->data + n, bytes->len - n);
	bytes->len -= n;
}

/* Does the write of the event go on as the task was answered ahead? */
static bool agrees_with_ahead(const struct task *task, const struct transfer *theirs)
{
	const struct str *bytes = &task->ahead.bytes;

	return theirs->write && theirs->fd == task->ahead.fd &&
	       memcmp(theirs->data, bytes->data, least(theirs->len, bytes->len)) == 0;
}

bool pieces_shown(const struct task *task, const struct event *event)
{
	struct transfer theirs;

	return task->ahead.bytes.len && moves(&event->call, &event->in, &theirs) &&
	       agrees_with_ahead(task, &theirs) && theirs.len <= task->ahead.bytes.len;
}

bool pieces_settle(struct task *task, struct event *event)
{
	struct transfer theirs;
	size_t n;

	if (!task->ahead.bytes.len || event->kind != EVENT_CALL ||
		!moves(&event->call, &event->in, &theirs) || !agrees_with_ahead(task, &theirs))
		return false;
	/* An error, and what comes after it, the follower must show by itself. */
	if (event->result < 0 || event->sig || event->given[task->version])
		return false;
	n = least(event->result, task->ahead.bytes.len);
	use_ahead(task, n);
	event->given[task->version] = n;
	if (n < (size_t)event->result)
		return false;
	event_consumed(event, task->version);
	return true;
}

enum pieces pieces_vet(struct task *task, struct event *event, bool waits)
{
	struct transfer ours, theirs;
	size_t shown = task->ahead.bytes.len, left, n;

	if (!pieces_may(task, event) || !moves(&event->call, &event->in, &theirs) ||
		!moves(&task->call, &task->in, &ours))
		return PIECES_NOT;
	if (!ours.write)
		return PIECES_VETTED;
	if (!waits)
		return PIECES_WAITING;
	if (shown && (!agrees_with_ahead(task, &theirs) || theirs.len <= shown))
		return PIECES_NOT;
	left = ours.len - task->done;
	n = least(theirs.len - shown, left);
	if (memcmp(theirs.data + shown, ours.data + task->done, n) != 0)
		return PIECES_NOT;
	if (left >= theirs.len - shown)
		return PIECES_VETTED;
	rules_note(task, event, RULE_PIECES);
	task->ahead.fd = ours.fd;
	str_append(&task->ahead.bytes, ours.data + task->done, left);
	end_call(task, (int64_t)ours.len);
	return PIECES_MOVED;
}

static void end_with_error(struct task *task, struct event *event)
{
	int64_t result = event->result;

	event_consumed(event, task->version);
	end_call(task, result);
}

static enum pieces consume_write(struct task *task, struct event *event,
	const struct transfer *ours, const struct transfer *theirs)
{
	size_t *given = &event->given[task->version], n, total = ours->len;
	bool whole;

	n = event->result < 0 ? least(theirs->len, ours->len - task->done)
			      : least(event->result - *given, ours->len - task->done);
	if (memcmp(theirs->data + *given, ours->data + task->done, n) != 0 ||
		(event->result == -EAGAIN && theirs->now && !ours->now))
		return PIECES_NOT;
	rules_note(task, event, RULE_PIECES);
	if (event->result < 0) {
		/* What it was told is written stands; it will meet the error at its next try. */
		if (task->done) {
			end_call(task, (int64_t)task->done);
			return PIECES_MOVED;
		}
		end_with_error(task, event);
		return PIECES_MOVED;
	}
	*given += n;
	task->done += n;
	task->cut = (size_t)event->result < theirs->len;
	whole = *given == (size_t)event->result;
	/* Before the task runs: what it does next is compared with the next event. */
	if (whole)
		event_consumed(event, task->version);
	if (task->done == total)
		end_call(task, (int64_t)total);
	return PIECES_MOVED;
}

static enum pieces consume_read(struct task *task, struct event *event, const struct transfer *ours,
	const struct transfer *theirs)
{
	const char *data;
	size_t len, n;

	/* The leader has found nothing, and did not want to wait. */
	if (event->result == -EAGAIN && theirs->now && !ours->now) {
		rules_note(task, event, RULE_PIECES);
		event_consumed(event, task->version);
		return PIECES_MOVED;
	}
	if (ours->address && transfer_has_address(task, ours->fd))
		return PIECES_NOT;
	if (event->result <= 0) {
		rules_note(task, event, RULE_PIECES);
		if (task->done) {
			end_call(task, (int64_t)task->done);
			return PIECES_MOVED;
		}
		end_with_error(task, event);
		return PIECES_MOVED;
	}
	data = transfer_bytes(event, &len);
	if (!data)
		return PIECES_NOT;
	n = least(len, ours->len - task->done);
	if (ours->all && n < ours->len)
		return PIECES_NOT;
	if (transfer_put(task, ours, data, n) < 0)
		return PIECES_NOT;
	rules_note(task, event, RULE_PIECES);
	if (n < len)
		surplus_keep(task, ours->fd, data + n, len - n);
	task->done += n;
	event_consumed(event, task->version);
	if (task->done == ours->len || transfer_stream(task, ours->fd) == STREAM_MESSAGES)
		end_call(task, (int64_t)task->done);
	return PIECES_MOVED;
}

enum pieces pieces_consume(struct task *task, struct event *event)
{
	struct transfer ours, theirs;
	bool both = moves(&event->call, &event->in, &theirs) &&
		    moves(&task->call, &task->in, &ours) && ours.fd == theirs.fd &&
		    ours.write == theirs.write && !event->sig;

	if (!both || !pieces_may(task, event))
		return task->done && pieces_release(task, event) ? PIECES_MOVED : PIECES_NOT;
	return ours.write ? consume_write(task, event, &ours, &theirs)
			  : consume_read(task, event, &ours, &theirs);
}

/* Can the descriptor take a chunk without blocking? 1, 0, or -ESRCH. */
static int can_write(struct task *task, int fd, bool at_entry)
{
	const uint64_t at = GATEWAY_SCRATCH;
	struct pollfd p = { fd, POLLOUT, 0 };
	long r = 0;
	int rc = tracee_write(&task->tracee, raddr(at), &p, sizeof(p));

	if (rc == 0)
		rc = tracee_remote(&task->tracee, at_entry, &r, SYS_poll, at, 1, STEP_MS, 0, 0, 0);
	return rc < 0 ? rc : r > 0;
}

/*
 * Writes the bytes in the task's name, in chunks that a pipe takes whole once it is writable
 * (pipe(7), PIPE_BUF). What could not be written is left in @bytes.
 */
static int write_for(struct task *task, int fd, struct str *bytes)
{
	const uint64_t at = GATEWAY_SCRATCH, room = GATEWAY_SCRATCH_SIZE;
	bool at_entry = true;

	for (int steps = 0; bytes->len && steps < OWED_STEPS; steps++) {
		size_t n = least(bytes->len, room);
		long r = 0;
		int rc = can_write(task, fd, at_entry);

		at_entry = false;
		if (rc > 0)
			rc = tracee_write(&task->tracee, raddr(at), bytes->data, n) < 0
				     ? -ESRCH
				     : tracee_remote(&task->tracee, false, &r, SYS_write,
					       (uint64_t)fd, at, n, 0, 0, 0);
		if (rc < 0)
			return rc;
		if (r < 0 && r != -EAGAIN && r != -EINTR)
			break;
		if (r <= 0)
			continue;
		memmove(bytes->data, bytes->data + r, bytes->len - r);
		bytes->len -= r;
		steps = -1;
	}
	return 0;
}

/* The rest of a write of which a part was done; the program sees it as one. */
static void write_rest(struct task *task, const struct transfer *t)
{
	cleanup_str struct str rest = STR_INIT;
	struct user_regs_struct *regs;

	str_append(&rest, t->data + task->done, t->len - task->done);
	if (write_for(task, t->fd, &rest) < 0)
		return;
	regs = tracee_touch(&task->tracee);
	if (!regs)
		return;
	regs->orig_rax = -1;
	regs->rax = t->len - rest.len;
	task->done = 0;
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
}

bool pieces_take_over(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	struct str *ahead = &task->ahead.bytes;
	struct transfer t;

	if (ahead->len) {
		if (write_for(task, task->ahead.fd, ahead) < 0)
			return true;
		if (ahead->len)
			mxm->ops->note(mxm->ops_arg, "not-carried-over", task->version,
				task->tuple->ids->known,
				"bytes that the version was told are written could not be written");
		str_reset(ahead);
		tracee_retry_call(&task->tracee, task->call.issued);
		task->at_entry_stop = false;
		task_resume(task, RESUME_RUN, 0);
		return true;
	}
	if (!task->done)
		return false;
	if (moves(&task->call, &task->in, &t) && t.write) {
		if (t.shape != BUFFER) {
			write_rest(task, &t);
			return true;
		}
		/* pieces_result() adds what was done. */
		return special_set_arg(task, 1, task->call.args[1] + task->done) < 0 ||
		       special_set_arg(task, 2, t.len - task->done) < 0;
	}
	tracee_skip_call(&task->tracee, (int64_t)task->done);
	task->done = 0;
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}

int64_t pieces_result(struct task *task, int64_t result)
{
	int64_t done = (int64_t)task->done;

	task->done = 0;
	return result < 0 ? done : result + done;
}
