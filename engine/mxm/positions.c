/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/positions.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mxm/by_fd.h"
#include "mxm/canon.h"
#include "mxm/group.h"
#include "mxm/places.h"
#include "mxm/reads.h"
#include "mxm/rules.h"
#include "mxm/surplus.h"

/* A file on which a follower's position is not the leader's, or has not been. */
struct parted {
	struct by_fd of; /* proc->parted */
	bool appends;	 /* each write is at the end, and brings both there */
	int64_t own;	 /* the follower's */
	int64_t lead; /* the leader's, as of the last event that the follower had; or PLACE_UNKNOWN
		       */
};

static struct parted *parted_of(const struct proc *proc, int version, int fd)
{
	return (struct parted *)by_fd_find(&proc->parted, version, fd);
}

static void rejoined(struct parted *p)
{
	by_fd_free(&p->of);
}

void positions_forget(struct proc *proc, int version, int fd)
{
	by_fd_forget(&proc->parted, version, fd, by_fd_free);
}

/* The same bytes to or from the same file, but for where the place comes from. */
static bool same_bytes(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b)
{
	const bool write = a->nr == SYS_write || a->nr == SYS_pwrite64;
	const bool other = b->nr == SYS_write || b->nr == SYS_pwrite64;
	const char *x, *y;
	uint64_t n, m;

	if ((int)a->args[0] != (int)b->args[0] || write != other || a->args[2] != b->args[2])
		return false;
	if (!write)
		return true;
	x = canon_payload(in_a, false, &n);
	y = canon_payload(in_b, false, &m);
	return x && y && n == m && memcmp(x, y, n) == 0;
}

void positions_note(struct task *task, struct event *event)
{
	int64_t now;

	if (!places_goes(&task->call))
		return;
	now = places_now(task, (int)task->call.args[0]);
	event->value = now < 0 ? 0 : (uint64_t)now + 1;
}

/* verdicts */

/* Where the leader's seek leads, made or not; PLACE_UNKNOWN: it cannot be told before it is made.
 */
static int64_t target_of(const struct event *event, bool made)
{
	if (made)
		return event->result;
	return (uint32_t)event->call.args[2] == SEEK_SET ? (int64_t)event->call.args[1]
							 : PLACE_UNKNOWN;
}

/* To where the file was already. */
static bool goes_nowhere(const struct event *event, bool made)
{
	return event->value && target_of(event, made) == (int64_t)event->value - 1;
}

/* The leader seeks, the follower does not. */
static enum wanted leader_goes(const struct task *task, const struct event *event, bool made)
{
	const struct call *ours = &task->call;
	int fd = (int)event->call.args[0];
	int64_t to = target_of(event, made);

	if (parted_of(task->tuple->proc, task->version, fd) || goes_nowhere(event, made) ||
		((reads_only(task, fd) || places_only_appends(task, fd)) &&
			(!made || event->value)))
		return WANTED_PASS_OVER;
	/* The first: it has to be a part of what the follower does at a place. */
	if (!places_is_at(ours) || (int)ours->args[0] != fd || to != (int64_t)ours->args[3] ||
		to < 0 || (made && !event->value) || !places_may_part(task, fd))
		return WANTED_NOT;
	return WANTED_PASS_OVER;
}

/* The follower seeks, the leader does not. */
static enum wanted follower_goes(
	const struct task *task, const struct event *event, struct wanted_verdict *ret)
{
	const uint64_t *a = task->call.args;
	const struct parted *p = parted_of(task->tuple->proc, task->version, (int)a[0]);
	int64_t to = (int64_t)a[1];

	bool reads = reads_only(task, (int)a[0]), appends = places_only_appends(task, (int)a[0]);
	bool only = reads || appends;

	if (p && (uint32_t)a[2] == SEEK_CUR)
		to += p->own;
	else if (reads && (uint32_t)a[2] == SEEK_END)
		to += places_size(task, (int)a[0]);
	else if (appends && (uint32_t)a[2] == SEEK_END) {
		if (places_is_moving(task->tuple->group, event, (int)a[0]))
			return WANTED_HOLD;
		to += places_end_before(task, event, (int)a[0]);
	} else if ((uint32_t)a[2] != SEEK_SET)
		return WANTED_NOT;
	if (to < 0)
		return WANTED_NOT;
	if (!p && !only &&
		(!places_is_at(&event->call) || event->call.args[0] != a[0] ||
			(int64_t)event->call.args[3] != to || !places_may_part(task, (int)a[0])))
		return WANTED_NOT;
	ret->result = to;
	return WANTED_ANSWER;
}

/* Has the leader done nothing since that could have changed a file? */
static bool is_newest(const struct task *task, const struct event *event)
{
	const struct group *group = task->tuple->group;

	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *t = &tuple->tasks[group->leader];

		if (t->state != TASK_ABSENT && t->state != TASK_ASKING &&
			(t->state != TASK_RUNNING || tuple->proc->agents[group->leader]))
			return false;
	}
	return event->link.next == &group->stream;
}

/* Where the follower's seek would lead, beside one of the leader's that was made. */
static int64_t our_target(const struct task *task, const struct event *event)
{
	const uint64_t *a = task->call.args;
	const struct parted *p = parted_of(task->tuple->proc, task->version, (int)a[0]);
	int64_t own = p ? p->own : (int64_t)event->value - 1;

	switch ((uint32_t)a[2]) {
	case SEEK_SET:
		return (int64_t)a[1];
	case SEEK_CUR:
		return own < 0 ? PLACE_UNKNOWN : own + (int64_t)a[1];
	case SEEK_END:
		return reads_only(task, (int)a[0]) || is_newest(task, event)
			       ? places_size(task, (int)a[0]) + (int64_t)a[1]
			       : PLACE_UNKNOWN;
	}
	return PLACE_UNKNOWN;
}

/* Both seek on the same file, in other words: WANTED_NOT, if not to the same place. */
static enum wanted both_go(const struct task *task, const struct event *event, bool made)
{
	const int fd = (int)task->call.args[0];

	if (!places_goes(&task->call) || !places_goes(&event->call) ||
		(int)event->call.args[0] != fd)
		return WANTED_NOT;
	if (!made)
		return parted_of(task->tuple->proc, task->version, fd) ? WANTED_NOT : WANTED_HOLD;
	return event->result >= 0 && our_target(task, event) == event->result ? WANTED_SAME
									      : WANTED_NOT;
}

enum wanted positions_judge(
	struct task *task, const struct event *event, bool made, struct wanted_verdict *ret)
{
	const struct call *ours = &task->call, *theirs = &event->call;
	enum wanted wanted = WANTED_NOT;
	const struct parted *p;

	if (event->kind != EVENT_CALL || (made && event->sig))
		return WANTED_NOT;
	p = parted_of(task->tuple->proc, task->version, (int)ours->args[0]);
	wanted = both_go(task, event, made);
	if (wanted != WANTED_NOT) {
		ret->rule = RULE_POSITION;
		return wanted;
	}
	if (places_goes(theirs) && !places_goes(ours)) {
		wanted = leader_goes(task, event, made);
	} else if (places_goes(ours)) {
		wanted = follower_goes(task, event, ret);
		if (wanted == WANTED_NOT && places_goes(theirs))
			wanted = leader_goes(task, event, made);
	} else if (p && same_bytes(ours, &task->in, theirs, &event->in)) {
		if (places_is_at(ours) && places_in_turn(theirs))
			wanted = p->lead == (int64_t)ours->args[3] ? WANTED_SAME : WANTED_NOT;
		else if (places_in_turn(ours) && places_is_at(theirs))
			wanted = p->own == (int64_t)theirs->args[3] ? WANTED_SAME : WANTED_NOT;
	}
	ret->rule = wanted == WANTED_NOT ? NULL : RULE_POSITION;
	return wanted;
}

static struct parted *part(struct task *task, int fd, int64_t own, int64_t lead)
{
	struct parted *p = by_fd_add(&task->tuple->proc->parted, sizeof(*p), task->version, fd);

	p->appends = places_only_appends(task, fd);
	p->own = own;
	p->lead = lead;
	return p;
}

/* The event was the leader's own seek. */
static void leader_went(struct task *task, const struct event *event)
{
	int fd = (int)event->call.args[0];
	struct parted *p = parted_of(task->tuple->proc, task->version, fd);

	if (event->result < 0 || (!p && goes_nowhere(event, true)))
		return;
	if (!p)
		p = part(task, fd, (int64_t)event->value - 1, PLACE_UNKNOWN);
	p->lead = event->result;
}

/* The follower's own seek was answered. */
static void follower_went(struct task *task, const struct event *event, int64_t to)
{
	int fd = (int)task->call.args[0];
	struct parted *p = parted_of(task->tuple->proc, task->version, fd);

	if (!p)
		p = part(task, fd, PLACE_UNKNOWN, places_before(task, event, fd));
	p->own = to;
}

/* Both have moved, or been moved, by the same event. */
static void both_went(struct task *task, const struct event *event)
{
	int fd = (int)event->call.args[0];
	struct parted *p = parted_of(task->tuple->proc, task->version, fd);

	if (!p || event->result < 0 || (int)task->call.args[0] != fd)
		return;
	if (places_goes(&event->call)) {
		p->own = p->lead = event->result; /* to the same place */
		return;
	}
	if (p->appends && places_is_write(&event->call)) {
		rejoined(p); /* both are at the end */
		return;
	}
	if (places_depends(&event->call) && !places_in_turn(&event->call)) {
		rejoined(p); /* they were at the same place, and still are */
		return;
	}
	if (places_in_turn(&event->call) && p->lead != PLACE_UNKNOWN)
		p->lead += event->result;
	if (places_in_turn(&task->call))
		p->own += event->result;
}

void positions_in_pieces(struct task *task)
{
	struct parted *p = parted_of(task->tuple->proc, task->version, (int)task->call.args[0]);

	if (p && (p->appends || p->own == p->lead))
		rejoined(p);
}

bool positions_differ(const struct proc *proc)
{
	list_for_each (at, &proc->parted) {
		const struct parted *p = container_of(at, struct parted, of.link);

		if (p->own != p->lead)
			return true;
	}
	return false;
}

/* May both not make that call? Of what is only appended to, no copy says where it stands. */
static bool forbids(const struct parted *p, const struct call *c)
{
	return p->own != p->lead && (!p->appends || c->nr == SYS_lseek);
}

static bool any_forbids(const struct proc *proc, const struct call *c)
{
	list_for_each (at, &proc->parted) {
		if (forbids(container_of(at, struct parted, of.link), c))
			return true;
	}
	return false;
}

void positions_settled(struct task *task, const struct event *event, const struct wanted_verdict *v,
	enum wanted wanted)
{
	if (event->kind != EVENT_CALL)
		return;
	if (wanted == WANTED_SAME) {
		if (!list_is_empty(&task->tuple->proc->parted))
			both_went(task, event);
		return;
	}
	if (!v->rule || strcmp(v->rule, RULE_POSITION) != 0)
		return;
	if (wanted == WANTED_PASS_OVER)
		leader_went(task, event);
	else if (wanted == WANTED_ANSWER)
		follower_went(task, event, v->result);
}

bool positions_forbid(const struct task *task, const struct event *event)
{
	const struct proc *proc = task->tuple->proc;
	const struct call *c = &event->call;

	/* It is behind the leader by what it has not asked for. */
	if (event->kind == EVENT_CALL && c->nr == SYS_lseek && (uint32_t)c->args[2] == SEEK_CUR &&
		by_fd_find(&proc->surplus, task->version, (int)c->args[0]))
		return true;
	if (!positions_differ(proc) || event->kind != EVENT_CALL || !places_depends(c) ||
		places_is_look(c))
		return false;
	if (c->row->special == SPECIAL_CLONE || c->row->special == SPECIAL_EXEC)
		return any_forbids(proc, c);
	for (int i = 0; i < c->row->nargs; i++) {
		const struct parted *p = c->row->args[i].kind == ARG_FD
						 ? parted_of(proc, task->version, (int)c->args[i])
						 : NULL;

		if (p && forbids(p, c))
			return true;
	}
	return false;
}

bool positions_are_moving(const struct task *task, const struct event *event, int fd)
{
	return !parted_of(task->tuple->proc, task->version, fd) &&
	       places_is_moving(task->tuple->group, event, fd);
}

int64_t positions_of(const struct task *task, const struct event *event, int fd)
{
	const struct parted *p = parted_of(task->tuple->proc, task->version, fd);

	if (!list_is_empty(&task->tuple->proc->surplus))
		return PLACE_UNKNOWN;
	/* A move that the leader is at may or may not have been made. */
	if (!event->pending && (int)event->call.args[0] == fd &&
		(places_goes(&event->call) || places_depends(&event->call)))
		return PLACE_UNKNOWN;
	return p ? p->own : places_before(task, event, fd);
}

void positions_lead_read(struct task *task, const struct event *event)
{
	int fd = (int)event->call.args[0];
	struct parted *p = parted_of(task->tuple->proc, task->version, fd);

	if (!p) {
		int64_t before = places_before(task, event, fd);

		p = part(task, fd, before, before);
	}
	if (p->lead != PLACE_UNKNOWN)
		p->lead += event->result;
	if (p->lead == p->own)
		rejoined(p);
}

void positions_follower_read(struct task *task, const struct event *event, int fd, int64_t n)
{
	struct parted *p = parted_of(task->tuple->proc, task->version, fd);

	if (n <= 0)
		return;
	if (!p) {
		int64_t before = places_before(task, event, fd);

		p = part(task, fd, before, before);
	}
	p->own += n;
	if (p->lead == p->own)
		rejoined(p);
}

/* What the follower has not asked for of what the leader has read. */
static const struct surplus *behind_of(const struct task *task, int fd)
{
	return (const struct surplus *)by_fd_find(&task->tuple->proc->surplus, task->version, fd);
}

bool positions_are_asked(const struct task *task)
{
	const int fd = (int)task->call.args[0];

	return places_is_look(&task->call) &&
	       (parted_of(task->tuple->proc, task->version, fd) || behind_of(task, fd));
}

bool positions_are_unsettled(const struct task *task, const struct event *event)
{
	return places_is_look(&task->call) && event->kind == EVENT_CALL && !event->pending &&
	       event->call.args[0] == task->call.args[0] && !places_goes(&event->call) &&
	       !places_is_look(&event->call) && places_depends(&event->call);
}

bool positions_tell(const struct task *task, const struct event *event, int64_t *ret_result)
{
	const int fd = (int)task->call.args[0];
	const struct parted *p = parted_of(task->tuple->proc, task->version, fd);
	const struct surplus *s = behind_of(task, fd);
	int64_t lead;

	if (!places_is_look(&task->call) || (!p && !event))
		return false;
	if (p) {
		*ret_result = p->own;
		return true;
	}
	if ((int)event->call.args[0] == fd && places_goes(&event->call))
		lead = (int64_t)event->value - 1;
	else if ((int)event->call.args[0] == fd && event->pending && places_is_look(&event->call))
		lead = event->result;
	else
		lead = places_before(task, event, fd);
	*ret_result = lead - (s ? (int64_t)s->bytes.len : 0);
	return lead >= 0;
}

void positions_part_ways(struct task *task, const struct event *event)
{
	int fd = event ? (int)event->call.args[0] : -1;

	if (!event || event->kind != EVENT_CALL || !places_goes(&event->call) || !event->executed ||
		!event->value || parted_of(task->tuple->proc, task->version, fd))
		return;
	part(task, fd, (int64_t)event->value - 1, PLACE_UNKNOWN);
}

bool positions_take_over(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	bool set = false;

	list_for_each_safe (at, &task->tuple->proc->parted) {
		struct parted *p = container_of(at, struct parted, of.link);
		long r = 0;
		int rc;

		if (p->of.version != task->version) {
			/* A follower's, which may have been let go. */
			if (!mxm->versions[p->of.version].alive)
				rejoined(p);
			continue;
		}
		rc = tracee_remote(&task->tracee, task->at_entry_stop, &r, SYS_lseek, p->of.fd,
			(uint64_t)p->own, SEEK_SET, 0, 0, 0);
		task->at_entry_stop = false;
		set = true;
		rejoined(p);
		if (rc < 0)
			return true;
		if (r < 0)
			mxm->ops->note(mxm->ops_arg, "not-carried-over", task->version,
				task->tuple->ids->known, "a file's position could not be set");
	}
	if (set) {
		tracee_retry_call(&task->tracee, task->call.issued);
		task_resume(task, RESUME_RUN, 0);
	}
	return set;
}
