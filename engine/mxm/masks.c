/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/masks.h"

#include <signal.h>
#include <sys/syscall.h>

#include "mxm/canon.h"
#include "mxm/files.h"
#include "mxm/pieces.h"
#include "mxm/settings.h"

/* SIGCANCEL and SIGSETXID: sigaction(3) and sigprocmask(3) do not let a program have them. */
#define LIBC_FIRST 32
#define LIBC_LAST  33

static uint64_t bit_of(int sig)
{
	return 1ul << (sig - 1);
}

static bool changes_mask(const struct call *call)
{
	return call->nr == SYS_rt_sigprocmask && call->args[1] && call->args[3] == sizeof(uint64_t);
}

bool masks_is_libcs(const struct call *call)
{
	return call->nr == SYS_rt_sigaction && call->args[1] && call->args[0] >= LIBC_FIRST &&
	       call->args[0] <= LIBC_LAST;
}

/* A call that C libraries make with signals blocked, some of them, and some not. */
static bool is_sheltered(const struct call *call)
{
	return call->nr == SYS_rt_sigaction || call->nr == SYS_exit ||
	       (call->row && call->row->special == SPECIAL_CLONE);
}

/* A call that waits for nothing but room for what it writes, and that no signal comes of. */
static bool is_brief(const struct task *task)
{
	const struct sys_row *row = task->call.row;

	if (!row || (row->class != SYS_SHARED && row->class != SYS_MIRRORED) ||
		(row->flags & SYS_RAISES))
		return false;
	switch (row->special) {
	case SPECIAL_SIGWAIT:
	case SPECIAL_KILL:
	case SPECIAL_TIMER:
		return false;
	case SPECIAL_OPEN:
		return task->call.nr == SYS_openat && files_is_plain(task, &task->call);
	default:
		break;
	}
	switch (task->call.nr) {
	case SYS_write:
	case SYS_writev:
	case SYS_pwrite64:
	case SYS_pwritev:
	case SYS_sendto:
	case SYS_sendmsg:
		return true;
	}
	return !(row->flags & SYS_BLOCKS) || pieces_flow(task) == 'f';
}

bool masks_has(const struct call *call)
{
	return changes_mask(call) || masks_is_libcs(call);
}

static bool differ(uint64_t a, uint64_t b)
{
	return ((a ^ b) & ~(bit_of(LIBC_FIRST) | bit_of(LIBC_LAST))) != 0;
}

/* The mask after a call that changes it; false: it is none that is known. */
static bool changed(uint64_t mask, const struct call *call, uint64_t set, uint64_t *ret)
{
	switch ((int)call->args[0]) {
	case SIG_BLOCK:
		*ret = mask | set;
		return true;
	case SIG_UNBLOCK:
		*ret = mask & ~set;
		return true;
	case SIG_SETMASK:
		*ret = set;
		return true;
	}
	return false;
}

/* The mask that the leader had before the event that the follower has come to. */
static bool masks_of(struct task *task, uint64_t *ret_own, uint64_t *ret_lead)
{
	struct mask_apart *m = &task->tuple->masks[task->version];

	if (tracee_get_sigmask(&task->tracee, ret_own) < 0)
		return false;
	if (m->apart && !differ(*ret_own, m->lead))
		m->apart = false;
	*ret_lead = m->apart ? m->lead : *ret_own;
	return true;
}

static bool leaders_change(const struct event *event, uint64_t lead, uint64_t *ret)
{
	uint64_t set;

	return canon_recall(event, event->call.args[1], &set, sizeof(set)) == sizeof(set) &&
	       changed(lead, &event->call, set, ret);
}

static bool own_change(struct task *task, uint64_t own, uint64_t *ret)
{
	uint64_t set;

	return tracee_read(&task->tracee, raddr(task->call.args[1]), &set, sizeof(set)) == 0 &&
	       changed(own, &task->call, set, ret);
}

static bool blocks(uint64_t mask, const struct event *event)
{
	int sig = event->info.si_signo;

	return sig > 0 && sig <= 64 && (mask & bit_of(sig));
}

/*
 * Two changes that are not the same one, or one against another call: which of the two was made by
 * one version alone? If both may have been, the one after which the masks are the same.
 */
static enum masks whose_change(
	struct task *task, const struct event *event, uint64_t own, uint64_t lead)
{
	uint64_t own_after, lead_after;
	bool alone = changes_mask(&task->call) && own_change(task, own, &own_after);
	bool pass_over = changes_mask(&event->call) && leaders_change(event, lead, &lead_after);

	if (alone && pass_over)
		return differ(own_after, lead) ? MASKS_PASS_OVER : MASKS_ALONE;
	return alone ? MASKS_ALONE : pass_over ? MASKS_PASS_OVER : MASKS_NOT;
}

enum masks masks_relate(struct task *task, const struct event *event, bool same)
{
	const struct mask_apart *m = &task->tuple->masks[task->version];
	const struct call *ours = &task->call, *theirs = &event->call;
	enum masks whose;
	uint64_t own, lead;

	if (event->kind != EVENT_CALL ||
		(!m->apart && (same || (!masks_has(ours) && !masks_has(theirs)))))
		return MASKS_NOT;
	if (!masks_of(task, &own, &lead))
		return MASKS_NOT;
	if (!same && masks_is_libcs(theirs))
		return MASKS_PASS_OVER;
	whose = same ? MASKS_NOT : whose_change(task, event, own, lead);
	if (whose != MASKS_NOT)
		return whose;
	if (!same && masks_is_libcs(ours))
		return MASKS_ALONE;
	if (!same && settings_relate(task, event) != SETTINGS_NOT &&
		(settings_has(ours) ? ours : theirs)->nr == SYS_rt_sigaction)
		return MASKS_NOT; /* a handler, with which posix_spawn(3) makes sure */
	if (!m->apart)
		return MASKS_NOT;
	return same && !(event->sig && blocks(own, event)) &&
			       (masks_has(ours) || is_sheltered(ours) ||
				       (m->calls < MASKED_CALLS && is_brief(task)))
		       ? MASKS_NOT
		       : MASKS_NEVER;
}

/* The masks after a call of either or of both. */
static void settle(struct task *task, uint64_t own, uint64_t lead)
{
	struct mask_apart *m = &task->tuple->masks[task->version];

	m->calls = m->apart ? m->calls : 0;
	m->apart = differ(own, lead);
	m->lead = lead;
}

void masks_go_alone(struct task *task)
{
	uint64_t own, lead;

	if (!changes_mask(&task->call) || !masks_of(task, &own, &lead) ||
		!own_change(task, own, &own))
		return;
	settle(task, own, lead);
}

void masks_pass_over(struct task *task, const struct event *event)
{
	uint64_t own, lead;

	if (event->result < 0 || !changes_mask(&event->call) || !masks_of(task, &own, &lead) ||
		!leaders_change(event, lead, &lead))
		return;
	settle(task, own, lead);
}

void masks_share(struct task *task, const struct event *event)
{
	uint64_t own, lead;

	if (!masks_has(&event->call) && !is_sheltered(&event->call))
		task->tuple->masks[task->version].calls++;
	if (!task->tuple->masks[task->version].apart || event->result < 0 ||
		!changes_mask(&event->call) || !masks_of(task, &own, &lead) ||
		!leaders_change(event, lead, &lead) || !own_change(task, own, &own))
		return;
	settle(task, own, lead);
}

void masks_inherit(const struct task *task, struct tuple *tuple)
{
	tuple->masks[task->version] = task->tuple->masks[task->version];
}

bool masks_hold_off(struct task *task, const struct event *event)
{
	uint64_t own, lead;

	if (!task->tuple->masks[task->version].apart)
		return false;
	/* Of one that runs it cannot be told. */
	return !masks_of(task, &own, &lead) || (differ(own, lead) && blocks(own, event));
}
