/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/wanted.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "mxm/alike.h"
#include "mxm/canon.h"
#include "mxm/closes.h"
#include "mxm/group.h"
#include "mxm/modes.h"
#include "mxm/positions.h"
#include "mxm/rules.h"

static int side_of(const struct mxm *mxm, int version)
{
	return strcmp(mxm->versions[version].name, "new") == 0;
}

/* The calls in question, as the log prints them without a result; printed when first needed. */
struct texts {
	struct task *task;
	const struct event *event;
	struct str ours, theirs;
};

static const char *our_text(struct texts *t)
{
	if (!t->ours.len)
		drop_print_task(&t->ours, t->task);
	return str_text(&t->ours);
}

static const char *their_text(struct texts *t)
{
	if (!t->theirs.len)
		drop_print_asked(&t->theirs, t->event);
	return str_text(&t->theirs);
}

/*
 * What a rule says of a call holds for the operation that it turns out to be, too: rulefile.c has
 * seen the name only.
 */
static bool may_be_ruled(const struct rule *rule, const struct sys_row *row)
{
	if (!row || row->class == SYS_PROCESS || row->class == SYS_UNSUPPORTED ||
		row->class == SYS_REFUSED)
		return false;
	if (row->flags & SYS_NEWFD)
		return rule->action == RULE_ADD && row->nr == SYS_openat;
	return rule->action != RULE_SWAP || !(row->flags & SYS_BARRIER);
}

/* Which of the rule's calls of that side the text is; -1: none. */
static int which(const struct rule *rule, int side, const char *text)
{
	for (int i = 0; i < rule->ncalls[side]; i++) {
		if (rulefile_matches(rule->calls[side][i], text))
			return i;
	}
	return -1;
}

static int64_t result_of(const struct rule *rule, int i, int64_t other)
{
	return i < rule->nresults ? rule->results[i] : other;
}

static enum wanted one_sided(
	const struct rule *rule, int ours, struct texts *t, struct wanted_verdict *ret)
{
	int i;

	if (!rule->ncalls[ours])
		return may_be_ruled(rule, t->event->call.row) &&
				       which(rule, !ours, their_text(t)) >= 0
			       ? WANTED_PASS_OVER
			       : WANTED_NOT;
	if (!may_be_ruled(rule, t->task->call.row))
		return WANTED_NOT;
	i = which(rule, ours, our_text(t));
	if (i < 0)
		return WANTED_NOT;
	if (rule->action == RULE_ADD)
		return t->task->call.row->flags & SYS_NEWFD ? WANTED_OPENS : WANTED_ALONE;
	ret->result = result_of(rule, i, 0);
	return WANTED_ANSWER;
}

static enum wanted two_sided(const struct rule *rule, int ours, struct texts *t)
{
	const struct sys_row *a = t->task->call.row, *b = t->event->call.row;

	if (!may_be_ruled(rule, a) || !may_be_ruled(rule, b) ||
		!rulefile_matches(rule->calls[ours][0], our_text(t)) ||
		!rulefile_matches(rule->calls[!ours][0], their_text(t)))
		return WANTED_NOT;
	if (rule->action != RULE_REWRITE)
		return WANTED_PASS_OVER; /* the first of the leader's sequence */
	return a && b && a->class == b->class && a->special == b->special ? WANTED_SAME
									  : WANTED_NOT;
}

static enum wanted by_rule(
	const struct rule *rule, int ours, struct texts *t, struct wanted_verdict *ret)
{
	switch (rule->action) {
	case RULE_DROP:
	case RULE_ADD:
		return one_sided(rule, ours, t, ret);
	case RULE_REWRITE:
	case RULE_MERGE:
	case RULE_SPLIT:
		return two_sided(rule, ours, t);
	case RULE_SWAP:
		break;
	}
	return WANTED_NOT;
}

/* order */

/*
 * What a call sets, of those whose order nobody can see: two that set different things commute. 0:
 * it is none of them.
 */
static uint64_t sets(const struct call *call)
{
	const uint64_t *a = call->args;

	switch (call->nr) {
	case SYS_rt_sigaction:
		return a[1] ? 1ul << 56 | (uint32_t)a[0] : 0;
	case SYS_setsockopt:
		return 2ul << 56 | (a[0] & 0xffff) << 32 | (a[1] & 0xffff) << 16 | (a[2] & 0xffff);
	case SYS_fcntl:
		return a[1] == F_SETFD || a[1] == F_SETFL
			       ? 3ul << 56 | (a[0] & 0xffffff) << 16 | (a[1] & 0xffff)
			       : 0;
	case SYS_ioctl:
		return a[1] == FIONBIO ? 3ul << 56 | (a[0] & 0xffffff) << 16 | F_SETFL : 0;
	case SYS_setrlimit:
		return 4ul << 56 | (uint32_t)a[0];
	case SYS_prlimit64:
		return (uint32_t)a[0] == 0 && a[2] ? 4ul << 56 | (uint32_t)a[1] : 0;
	}
	return 0;
}

bool wanted_commute(const struct call *a, const struct call *b)
{
	uint64_t x = sets(a), y = sets(b);

	return x && y && x != y;
}

/* The name of the rule that says so; NULL: they do not. */
static const char *commute(const struct mxm *mxm, const struct call *a, const struct call *b,
	const char *text_a, const char *text_b, int *window)
{
	const struct rules *rules = mxm->config.rules;

	if (wanted_commute(a, b)) {
		*window = WANTED_WINDOW;
		return RULE_REORDER;
	}
	for (int i = 0; rules && i < rules->count; i++) {
		const struct rule *rule = &rules->items[i];

		if (rule->action == RULE_SWAP && may_be_ruled(rule, a->row) &&
			may_be_ruled(rule, b->row) && which(rule, 0, text_a) >= 0 &&
			which(rule, 0, text_b) >= 0) {
			*window = rule->window;
			return rule->name;
		}
	}
	return NULL;
}

/* The follower's call could come before the event's: by which rule. */
static const char *may_pass(struct task *task, const struct event *event, int *window)
{
	const struct mxm *mxm = task->tuple->group->mxm;
	struct texts t = { .task = task, .event = event, .ours = STR_INIT, .theirs = STR_INIT };
	bool rules = mxm->config.rules != NULL;
	const char *name = NULL;

	if (event->kind != EVENT_CALL || !event->call.row || !task->call.row)
		return NULL;
	if (closes_commute(task, &event->call)) {
		*window = WANTED_WINDOW;
		name = RULE_REORDER;
	} else {
		name = commute(mxm, &task->call, &event->call, rules ? our_text(&t) : "",
			rules ? their_text(&t) : "", window);
	}
	str_free(&t.ours);
	str_free(&t.theirs);
	return name;
}

static enum wanted by_order(struct task *task, struct event *event, struct wanted_verdict *ret)
{
	const struct group *group = task->tuple->group;
	const struct task *leader = &task->tuple->tasks[group->leader];
	int window = 0, n = 1;

	ret->rule = may_pass(task, event, &window);
	if (!ret->rule)
		return WANTED_NOT;
	for (struct list *at = event->link.next; at != &group->stream; at = at->next) {
		struct event *next = container_of(at, struct event, link);

		if (next->tuple != event->tuple || !(next->pending & (1u << task->version)) ||
			++n > window)
			return WANTED_NOT;
		if (alike_is_same(task, next)) {
			ret->later = next;
			return WANTED_LATER;
		}
		if (!may_pass(task, next, &window))
			return WANTED_NOT;
	}
	/* The leader has not got so far. It must not be waiting for this follower. */
	if (group->bereft ||
		(leader->state == TASK_ASKING && leader->event && !leader->event->executed &&
			!alike_is_same(task, leader->event) &&
			!may_pass(task, leader->event, &window)))
		return WANTED_NOT;
	return WANTED_HOLD;
}

bool wanted_while_held(const struct task *task, const struct event *event)
{
	int window;

	return task->held_back && (alike_is_same(task, event) ||
					  may_pass((struct task *)task, event, &window) != NULL);
}

/* sequences */

enum wanted wanted_judge(
	struct task *task, struct event *event, bool made, struct wanted_verdict *ret)
{
	const struct mxm *mxm = task->tuple->group->mxm;
	const struct rules *rules = mxm->config.rules;
	struct texts t = { .task = task, .event = event, .ours = STR_INIT, .theirs = STR_INIT };
	const struct rule *going = task->sequence.rule;
	int ours = side_of(mxm, task->version);
	enum wanted w = WANTED_NOT;
	int window;

	*ret = (struct wanted_verdict){ 0 };
	if (going) {
		ret->rule = going->name;
		if (task->sequence.lead_at < going->ncalls[!ours] &&
			may_be_ruled(going, event->call.row) &&
			rulefile_matches(
				going->calls[!ours][task->sequence.lead_at], their_text(&t)))
			w = WANTED_PASS_OVER;
	}
	for (int i = 0; rules && !going && i < rules->count && w == WANTED_NOT; i++) {
		ret->rule = rules->items[i].name;
		w = by_rule(&rules->items[i], ours, &t, ret);
	}
	str_free(&t.ours);
	str_free(&t.theirs);
	if (w != WANTED_NOT || going)
		return w;
	w = modes_judge(task, event, ret);
	if (w == WANTED_NOT)
		w = positions_judge(task, event, made, ret);
	if (w != WANTED_NOT)
		return w;
	if (made) {
		w = by_order(task, event, ret);
	} else {
		ret->rule = may_pass(task, event, &window);
		w = ret->rule ? WANTED_HOLD : WANTED_NOT;
	}
	return w != WANTED_NOT ? w : modes_judge_cloexec(task, event, ret);
}

/* The rule of a sequence that begins with these two. */
static const struct rule *sequence_of(struct task *task, struct event *event)
{
	const struct mxm *mxm = task->tuple->group->mxm;
	const struct rules *rules = mxm->config.rules;
	struct texts t = { .task = task, .event = event, .ours = STR_INIT, .theirs = STR_INIT };
	const struct rule *found = NULL;

	for (int i = 0; rules && !found && i < rules->count; i++) {
		const struct rule *rule = &rules->items[i];

		if ((rule->action == RULE_MERGE || rule->action == RULE_SPLIT) &&
			two_sided(rule, side_of(mxm, task->version), &t) != WANTED_NOT)
			found = rule;
	}
	str_free(&t.ours);
	str_free(&t.theirs);
	return found;
}

/* The next of the follower's sequence is answered; the last ends it. */
static int64_t answer_next(struct task *task)
{
	const struct rule *rule = task->sequence.rule;
	int ours = side_of(task->tuple->group->mxm, task->version);
	int i = task->sequence.follow_at++;
	bool last = task->sequence.follow_at == rule->ncalls[ours];

	if (last)
		task->sequence.rule = NULL;
	return result_of(rule, i, last ? task->sequence.result : 0);
}

bool wanted_passed(struct task *task, struct event *event, int64_t *ret_result)
{
	int theirs = !side_of(task->tuple->group->mxm, task->version);

	if (!task->sequence.rule) {
		task->sequence.rule = sequence_of(task, event);
		task->sequence.lead_at = task->sequence.follow_at = 0;
	}
	if (!task->sequence.rule)
		return false; /* one call of the leader's own */
	task->sequence.result = event->result;
	if (++task->sequence.lead_at < task->sequence.rule->ncalls[theirs])
		return false;
	*ret_result = answer_next(task);
	return true;
}

bool wanted_rest(struct task *task)
{
	const struct rule *rule = task->sequence.rule;
	const struct mxm *mxm = task->tuple->group->mxm;
	int ours = side_of(mxm, task->version);
	cleanup_str struct str text = STR_INIT;

	if (!rule)
		return false;
	if (task->sequence.lead_at < rule->ncalls[!ours]) {
		/* The leader is lost in the midst of its own: the whole is this version's to make.
		 */
		if (!task_follows(task))
			task->sequence.rule = NULL;
		return false;
	}
	drop_print_task(&text, task);
	if (!rulefile_matches(rule->calls[ours][task->sequence.follow_at], str_text(&text))) {
		if (!rules_is_look(&task->call))
			task->sequence.rule = NULL;
		return false;
	}
	tracee_skip_call(&task->tracee, answer_next(task));
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}
