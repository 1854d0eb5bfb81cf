/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/settings.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/xalloc.h"
#include "mxm/canon.h"
#include "mxm/canon_shape.h"
#include "mxm/masks.h"
#include "mxm/rules.h"

enum kind { KIND_ACTION, KIND_UMASK, KIND_LIMIT };

struct key {
	enum kind kind;
	unsigned of; /* which signal, which limit */
};

/* One in which a follower's process is not the leader's. */
struct setting {
	struct list link; /* proc->settings */
	int version;
	struct key key;
	struct setting_value own, lead; /* as of the follower's last event */
};

static bool key_of(const struct call *call, struct key *ret)
{
	const uint64_t *a = call->args;

	switch (call->nr) {
	case SYS_rt_sigaction:
		*ret = (struct key){ KIND_ACTION, (unsigned)a[0] };
		return a[1] && ret->of >= 1 && ret->of <= 64 && !masks_is_libcs(call);
	case SYS_umask:
		*ret = (struct key){ KIND_UMASK, 0 };
		return true;
	case SYS_prlimit64:
		*ret = (struct key){ KIND_LIMIT, (unsigned)a[1] };
		return !(uint32_t)a[0] && a[2] && ret->of != RLIMIT_CPU;
	}
	return false;
}

bool settings_has(const struct call *call)
{
	struct key key;

	return key_of(call, &key);
}

static bool same_key(struct key a, struct key b)
{
	return a.kind == b.kind && a.of == b.of;
}

static bool same_value(const struct setting_value *a, const struct setting_value *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct setting *setting_of(const struct proc *proc, int version, struct key key)
{
	list_for_each (at, &proc->settings) {
		struct setting *s = container_of(at, struct setting, link);

		if (s->version == version && same_key(s->key, key))
			return s;
	}
	return NULL;
}

static void setting_free(struct setting *s)
{
	list_remove(&s->link);
	free(s);
}

/* values */

/* put_sigaction(): a mark, the flags, the mask; of SIG_DFL and SIG_IGN the mark says all. */
static bool action_asked(const struct str *in, struct setting_value *ret)
{
	const size_t at = sizeof(uint32_t);

	if (in->len < at + 1 + 2 * sizeof(uint64_t) || in->data[at] == MARK_BAD)
		return false;
	ret->words[0] = (uint64_t)in->data[at];
	if (in->data[at] == MARK_HERE)
		memcpy(&ret->words[1], in->data + at + 1, 2 * sizeof(uint64_t));
	return true;
}

/* The id, the resource, two marks and a length before the limits: put_block(). */
static bool limit_asked(const struct str *in, struct setting_value *ret)
{
	const size_t head = 2 * sizeof(uint32_t) + 2 + sizeof(uint64_t);

	if (in->len < head + 2 * sizeof(uint64_t))
		return false;
	memcpy(ret->words, in->data + head, 2 * sizeof(uint64_t));
	return true;
}

/* What a call sets, by its normal form. */
static bool value_asked(
	const struct call *call, const struct str *in, struct key key, struct setting_value *ret)
{
	*ret = (struct setting_value){ 0 };
	switch (key.kind) {
	case KIND_ACTION:
		return action_asked(in, ret);
	case KIND_UMASK:
		ret->words[0] = call->args[0] & 0777;
		return true;
	case KIND_LIMIT:
		return limit_asked(in, ret);
	}
	return false;
}

/* Where a handler is does not matter: any address stands for it. */
static struct sigaction_known known_of(const struct setting_value *value)
{
	const uint64_t mark = value->words[0];

	return (struct sigaction_known){ mark == MARK_HERE ? UINT64_MAX : mark - MARK_HANDLERS,
		value->words[1], value->words[2] };
}

bool settings_umask(const struct task *task, uint64_t *ret)
{
	char path[64], line[256];
	unsigned mask;
	FILE *f;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", task->tracee.tid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "Umask: %o", &mask) == 1;
	if (f)
		fclose(f);
	if (found)
		*ret = mask;
	return found;
}

/* What the follower's process has, where it has not been set by it alone. */
static bool value_now(const struct task *task, struct key key, struct setting_value *ret)
{
	struct rlimit limit;

	*ret = (struct setting_value){ 0 };
	switch (key.kind) {
	case KIND_ACTION:
		*ret = task->tuple->proc->actions[key.of - 1];
		return true;
	case KIND_UMASK:
		return settings_umask(task, &ret->words[0]);
	case KIND_LIMIT:
		if (prlimit(task->tracee.tgid, key.of, NULL, &limit) < 0)
			return false;
		ret->words[0] = limit.rlim_cur;
		ret->words[1] = limit.rlim_max;
		return true;
	}
	return false;
}

/* verdicts */

enum settings settings_relate(const struct task *task, const struct event *event)
{
	struct setting_value value;
	struct key ours, theirs;
	bool we_set = key_of(&task->call, &ours), they_set;

	if (event->kind != EVENT_CALL)
		return SETTINGS_NOT;
	they_set = key_of(&event->call, &theirs) && event->result >= 0 && !event->sig;
	/* Both set it, and not to the same: that is no setting of one alone. */
	if (we_set && they_set && same_key(ours, theirs))
		return SETTINGS_NOT;
	if (they_set && value_asked(&event->call, &event->in, theirs, &value) &&
		value_now(task, theirs, &value))
		return SETTINGS_PASS_OVER;
	return we_set && value_asked(&task->call, &task->in, ours, &value) &&
			       value_now(task, ours, &value)
		       ? SETTINGS_ALONE
		       : SETTINGS_NOT;
}

static bool makes_name(const struct call *call)
{
	switch (call->nr) {
	case SYS_openat:
		return call->args[2] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY));
	case SYS_openat2: /* what openat(2) cannot say */
	case SYS_mkdirat:
	case SYS_mknodat:
	case SYS_bind:
	case SYS_mq_open:
		return true;
	}
	return false;
}

/* A signal that is sent to whom ignores it is gone before anybody sees it. */
static bool sends(const struct call *call, unsigned sig)
{
	for (int i = 0; i < call->row->nargs && call->nr != SYS_rt_sigaction; i++) {
		if (call->row->args[i].kind == ARG_SIG && (unsigned)call->args[i] == sig)
			return true;
	}
	return false;
}

bool settings_forbid(const struct task *task, const struct event *event)
{
	const struct sys_row *row = event->call.row;

	list_for_each (at, &task->tuple->proc->settings) {
		const struct setting *s = container_of(at, struct setting, link);

		if (s->version != task->version || event->kind != EVENT_CALL || !row)
			continue;
		if (row->special == SPECIAL_CLONE || row->special == SPECIAL_EXEC ||
			row->special == SPECIAL_EXIT)
			return true;
		if (s->key.kind == KIND_LIMIT && !settings_has(&event->call))
			return true;
		if (s->key.kind == KIND_UMASK && makes_name(&event->call))
			return true;
		if (s->key.kind == KIND_ACTION &&
			((unsigned)event->sig == s->key.of || sends(&event->call, s->key.of)))
			return true;
	}
	return false;
}

bool settings_hold_off(const struct task *task, const struct event *event)
{
	const struct key key = { KIND_ACTION, (unsigned)event->info.si_signo };

	return setting_of(task->tuple->proc, task->version, key) != NULL;
}

/* what becomes of it */

static struct setting *apart(struct task *task, struct key key)
{
	struct proc *proc = task->tuple->proc;
	struct setting *s = setting_of(proc, task->version, key);

	if (s)
		return s;
	s = xzalloc(sizeof(*s));
	s->version = task->version;
	s->key = key;
	/* It was asked before: value_now() can tell. */
	(void)!value_now(task, key, &s->own);
	s->lead = s->own;
	list_append(&proc->settings, &s->link);
	return s;
}

static void settle(struct setting *s)
{
	if (same_value(&s->own, &s->lead))
		setting_free(s);
}

void settings_go_alone(struct task *task)
{
	struct setting_value value;
	struct setting *s;
	struct key key;

	if (!key_of(&task->call, &key) || !value_asked(&task->call, &task->in, key, &value))
		return;
	s = apart(task, key);
	s->own = value;
	settle(s);
}

void settings_pass_over(struct task *task, const struct event *event)
{
	struct setting_value value;
	struct setting *s;
	struct key key;

	if (event->kind != EVENT_CALL || event->result < 0 || !key_of(&event->call, &key) ||
		!value_asked(&event->call, &event->in, key, &value))
		return;
	s = apart(task, key);
	s->lead = value;
	settle(s);
}

void settings_share(struct task *task, const struct event *event)
{
	struct proc *proc = task->tuple->proc;
	struct setting_value value;
	struct setting *s;
	struct key key;

	if (event->result < 0 || !key_of(&event->call, &key) ||
		!value_asked(&event->call, &event->in, key, &value))
		return;
	if (key.kind == KIND_ACTION)
		proc->actions[key.of - 1] = value;
	s = setting_of(proc, task->version, key);
	if (s)
		setting_free(s);
}

void settings_fork(struct proc *child, const struct proc *parent)
{
	memcpy(child->actions, parent->actions, sizeof(child->actions));
}

void settings_executed(struct proc *proc)
{
	for (int i = 0; i < 64; i++) {
		if (proc->actions[i].words[0] == MARK_HERE)
			proc->actions[i] = (struct setting_value){ { MARK_HANDLERS } };
	}
}

void settings_succeeded(struct group *group)
{
	list_for_each (at, &group->tuples) {
		struct proc *proc = container_of(at, struct tuple, link)->proc;

		list_for_each (link, &proc->settings) {
			const struct setting *s = container_of(link, struct setting, link);

			if (s->version == group->leader && s->key.kind == KIND_ACTION)
				proc->sig[s->key.of - 1] = known_of(&s->own);
		}
	}
}

void settings_renew(struct proc *proc)
{
	list_for_each_safe (at, &proc->settings)
		setting_free(container_of(at, struct setting, link));
	for (int i = 0; i < 64; i++) {
		struct sigaction_known known = proc->sig[i];

		canon_action(i + 1, &known.flags, &known.mask);
		proc->actions[i] =
			known.handler <= 1
				? (struct setting_value){ { MARK_HANDLERS + known.handler } }
				: (struct setting_value){ { MARK_HERE, known.flags, known.mask } };
	}
}
