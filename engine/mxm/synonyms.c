/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/synonyms.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "mxm/canon.h"
#include "mxm/canon_shape.h"
#include "mxm/files.h"
#include "mxm/install.h"
#include "mxm/modes.h"
#include "mxm/rules.h"

/* One of the two calls. */
struct side {
	const struct task *task;   /* the follower's, or the leader's */
	const struct event *event; /* NULL: it is the follower's */
	const struct call *call;
	const struct str *in;
};

/* a file */

struct subject {
	unsigned what; /* the same number for the same request */
	int name;      /* the argument that is a name, or -1 */
	int rest;      /* the first of those that say what is wanted, */
	int nrest;
	bool folder; /* the argument before the name is a folder's descriptor */
};

static bool subject_of(const struct call *call, struct subject *ret)
{
	const uint64_t *a = call->args;

	switch (call->nr) {
	case SYS_fchmodat:
		*ret = (struct subject){ SYS_fchmod, 1, 2, 1, true };
		return true;
	case SYS_fchownat:
		*ret = (struct subject){ SYS_fchown, 1, 2, 2, true };
		return !(uint32_t)a[4];
	case SYS_truncate:
		*ret = (struct subject){ SYS_ftruncate, 0, 1, 1, false };
		return true;
	case SYS_chdir:
		*ret = (struct subject){ SYS_fchdir, 0, 0, 0, false };
		return true;
	case SYS_fchmod:
	case SYS_ftruncate:
	case SYS_fchown:
	case SYS_fchdir:
		*ret = (struct subject){ call->nr, -1, 1,
			call->nr == SYS_fchown	 ? 2
			: call->nr == SYS_fchdir ? 0
						 : 1,
			false };
		return true;
	}
	return false;
}

/* What the call is about, as the follower's process finds it. */
static bool find(const struct side *side, const struct subject *s, const struct task *follower,
	struct stat *ret)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_close int copy = -1;
	char name[PATH_MAX], path[FILES_PLACE_SIZE];
	const uint64_t *a = side->call->args;
	size_t len;

	if (s->name < 0) {
		copy = install_copy(follower, (int)a[0]);
		return copy >= 0 && fstat(copy, ret) == 0;
	}
	if (side->event) {
		len = canon_recall(side->event, a[s->name], name, sizeof(name));
		if (!len || name[len - 1])
			return false;
	} else if (tracee_read_str((struct tracee *)&follower->tracee, raddr(a[s->name]),
			   sizeof(name) - 1, &text) == 0) {
		strcpy(name, str_text(&text));
	} else {
		return false;
	}
	files_place(follower, s->folder ? (int)a[0] : AT_FDCWD, name, path);
	return stat(path, ret) == 0;
}

static bool same_file(const struct side *a, const struct side *b)
{
	struct subject x, y;
	struct stat p, q;

	if (!subject_of(a->call, &x) || !subject_of(b->call, &y) || x.what != y.what ||
		(x.name < 0) == (y.name < 0))
		return false;
	for (int i = 0; i < x.nrest; i++) {
		if (a->call->args[x.rest + i] != b->call->args[y.rest + i])
			return false;
	}
	return find(a, &x, a->task, &p) && find(b, &y, a->task, &q) && p.st_dev == q.st_dev &&
	       p.st_ino == q.st_ino;
}

/* messages */

/* A sendto in the form of a sendmsg: canon.c's put_message(). */
static bool as_message(const struct call *call, const struct str *in, struct str *ret)
{
	const size_t tail = sizeof(uint32_t); /* the address' length */
	const char here = MARK_HERE, none = MARK_NULL, *data, *rest;
	uint64_t len;

	if (call->nr == SYS_sendmsg) {
		str_append(ret, in->data, in->len);
		return true;
	}
	data = call->nr == SYS_sendto ? canon_payload(in, false, &len) : NULL;
	if (!data)
		return false;
	rest = data + len + sizeof(uint64_t) + sizeof(uint32_t); /* its length, the flags */
	str_append(ret, in->data, sizeof(uint32_t));
	str_append(ret, &here, 1);
	str_append(ret, rest, (size_t)(in->data + in->len - rest) - tail);
	str_append(ret, &here, 1);
	str_append(ret, &len, sizeof(len));
	str_append(ret, data, len);
	str_append(ret, &none, 1);
	str_append(ret, rest - sizeof(uint32_t), sizeof(uint32_t));
	return true;
}

static bool same_message(const struct side *a, const struct side *b)
{
	cleanup_str struct str x = STR_INIT, y = STR_INIT;

	return a->call->nr != b->call->nr && as_message(a->call, a->in, &x) &&
	       as_message(b->call, b->in, &y) && x.len == y.len &&
	       memcmp(str_text(&x), str_text(&y), x.len) == 0;
}

/* signals */

static bool has_one_thread(const struct task *task)
{
	list_for_each (at, &task->tuple->group->tuples) {
		const struct tuple *other = container_of(at, struct tuple, link);

		if (other != task->tuple && other->proc == task->tuple->proc)
			return false;
	}
	return true;
}

/* The signal that a call sends to the task itself; -1: none. */
static int64_t to_itself(const struct task *task, const struct call *call)
{
	const uint64_t *a = call->args;
	const pid_t pid = task->tuple->proc->ids->known, tid = task->tuple->ids->known;

	switch (call->nr) {
	case SYS_kill:
		return (pid_t)a[0] == pid ? (int)a[1] : -1;
	case SYS_tkill:
		return (pid_t)a[0] == tid ? (int)a[1] : -1;
	case SYS_tgkill:
		return (pid_t)a[0] == pid && (pid_t)a[1] == tid ? (int)a[2] : -1;
	}
	return -1;
}

static bool same_signal(const struct side *a, const struct side *b)
{
	int64_t sig = to_itself(a->task, a->call);

	return sig >= 0 && sig == to_itself(a->task, b->call) && has_one_thread(a->task);
}

/* timers */

/* After how many seconds the alarm comes: setitimer's form is that of put_block() in canon.c. */
static bool seconds_of(const struct call *call, const struct str *in, uint64_t *ret)
{
	const size_t head = sizeof(uint32_t) + 2 + sizeof(uint64_t);
	struct itimerval value;

	if (call->nr == SYS_alarm) {
		*ret = (uint32_t)call->args[0];
		return true;
	}
	if (call->nr != SYS_setitimer || (uint32_t)call->args[0] != ITIMER_REAL ||
		in->len < head + sizeof(value))
		return false;
	memcpy(&value, in->data + head, sizeof(value));
	*ret = (uint64_t)value.it_value.tv_sec;
	return !value.it_interval.tv_sec && !value.it_interval.tv_usec && !value.it_value.tv_usec &&
	       *ret <= INT_MAX;
}

static bool same_alarm(const struct side *a, const struct side *b)
{
	uint64_t x, y;

	return a->call->nr != b->call->nr && seconds_of(a->call, a->in, &x) &&
	       seconds_of(b->call, b->in, &y) && x == y;
}

/* answers */

/* Both accept, and one asks from whom: the forms but for that. */
static bool same_accept(const struct side *a, const struct side *b)
{
	const size_t with = 2 * sizeof(uint32_t) + 1, without = sizeof(uint32_t) + 1;
	const uint64_t *x = a->call->args, *y = b->call->args;
	cleanup_str struct str ours = STR_INIT;

	if (a->call->nr != SYS_accept4 || b->call->nr != SYS_accept4 || !x[1] == !y[1] ||
		(x[1] && !x[2]) || (y[1] && !y[2]) || (int)x[0] != (int)y[0] ||
		a->in->len < without || b->in->len < without)
		return false;
	str_append(&ours, b->in->data, least(y[1] ? with : without, b->in->len));
	str_append(&ours, a->in->data + a->in->len - sizeof(uint32_t), sizeof(uint32_t));
	return (ours.len == b->in->len && memcmp(ours.data, b->in->data, ours.len) == 0) ||
	       rules_same_flags(a->call, &ours, b->call, b->in, modes_may_part(a->task, b->call));
}

static enum relation relate_room(const struct side *a, const struct side *b)
{
	const uint64_t *x = a->call->args, *y = b->call->args;

	if (a->call->nr != SYS_epoll_wait || b->call->nr != SYS_epoll_wait || x[0] != y[0] ||
		(uint32_t)x[3] != (uint32_t)y[3] || (int)x[2] <= 0 || (int)y[2] <= 0)
		return REL_DIFFERENT;
	if ((int)x[2] >= (int)y[2])
		return REL_SAME;
	if (!b->event->pending)
		return REL_UNKNOWN;
	return b->event->result <= (int)x[2] ? REL_SAME : REL_DIFFERENT;
}

enum relation synonyms_relate(const struct task *task, const struct event *event)
{
	const struct side ours = { task, NULL, &task->call, &task->in };
	const struct side theirs = { task, event, &event->call, &event->in };

	if (event->kind != EVENT_CALL || !task->call.row || !event->call.row)
		return REL_DIFFERENT;
	if (same_file(&ours, &theirs) || same_message(&ours, &theirs) ||
		same_signal(&ours, &theirs) || same_alarm(&ours, &theirs) ||
		same_accept(&ours, &theirs))
		return REL_SAME;
	return relate_room(&ours, &theirs);
}

/* translations */

static void put_peer(const struct task *task, const struct event *event, struct str *out)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (!event->nfds || getpeername(event->fds[0].fd, (struct sockaddr *)&peer, &len) < 0)
		len = 0; /* it has gone already */
	canon_put_block(out, &peer, (uint32_t)least(len, task->lens[1]));
	canon_put_block(out, &len, sizeof(len));
}

int synonyms_translate(const struct task *task, const struct event *event, struct str *ret_out,
	int64_t *ret_result)
{
	const struct call *ours = &task->call, *theirs = &event->call;
	struct itimerval old = { 0 };

	if (ours->nr == SYS_accept4 && event->result >= 0 && !ours->args[1] != !theirs->args[1]) {
		if (ours->args[1]) {
			put_peer(task, event, ret_out);
		} else {
			canon_put_block(ret_out, NULL, 0);
			canon_put_block(ret_out, NULL, 0);
		}
		return 1;
	}
	if (ours->nr == SYS_alarm && theirs->nr == SYS_setitimer) {
		*ret_result = (int64_t)event->value;
		return 1;
	}
	if (ours->nr == SYS_setitimer && theirs->nr == SYS_alarm) {
		old.it_value.tv_sec = event->result;
		canon_put_block(ret_out, &old, ours->args[2] ? sizeof(old) : 0);
		*ret_result = 0;
		return 1;
	}
	return 0;
}
