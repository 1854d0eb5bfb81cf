/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/rules.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

#include "mxm/agent.h"
#include "mxm/alike.h"
#include "mxm/awaited.h"
#include "mxm/canon.h"
#include "mxm/children.h"
#include "mxm/early.h"
#include "mxm/fruitless.h"
#include "mxm/group.h"
#include "mxm/masks.h"
#include "mxm/own.h"
#include "mxm/preludes.h"
#include "mxm/settings.h"
#include "mxm/vain.h"

/* A random name has this many letters and digits in a row: mkstemp(3) makes 6, mktemp(1) 10. */
#define RANDOM_MIN 6
#define RANDOM_MAX 16
/* Of two random names so many differ at least, but for one pair in a million. */
#define RANDOM_DIFFER 3

/*
 * Which argument is the name of what the call makes, where there must be nothing of that name, and
 * where it begins in the normal form @in. -1: it is no such call.
 */
static int name_made(const struct call *call, const struct str *in, size_t *ret_begin)
{
	const size_t folder = sizeof(uint32_t) + 1; /* its descriptor, and a mark */
	const char *text = str_text(in);
	size_t first = call->nr == SYS_symlinkat ? 1 : folder;
	int arg = 1;

	switch (call->nr) {
	case SYS_openat:
		if ((call->args[2] & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
			return -1;
		break;
	case SYS_mkdirat:
	case SYS_mknodat:
		break;
	case SYS_symlinkat:
	case SYS_linkat:
		/* Behind what it leads to. */
		arg = call->nr == SYS_symlinkat ? 2 : 3;
		if (first < in->len)
			first += strnlen(text + first, in->len - first) + 1 + folder;
		break;
	default:
		return -1;
	}
	*ret_begin = first;
	return first < in->len ? arg : -1;
}

/* As of a number or a date. */
static bool is_number(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* @a and @b, of which @len bytes from @first to the last one differ, are random there. */
static bool are_random(const char *a, const char *b, size_t begin, size_t first, size_t len)
{
	size_t differ = 0, from = first, to = first + len;

	for (size_t i = first; i < to; i++) {
		if (!isalnum((unsigned char)a[i]) || !isalnum((unsigned char)b[i]))
			return false;
		differ += a[i] != b[i];
	}
	while (from > begin && isalnum((unsigned char)a[from - 1]))
		from--;
	while (isalnum((unsigned char)a[to]))
		to++;
	return len <= RANDOM_MAX && to - from >= RANDOM_MIN && differ >= RANDOM_DIFFER &&
	       !(is_number(a + first, len) && is_number(b + first, len));
}

bool rules_differ_in_temporary(const struct call *call, const struct str *ours,
	const struct str *theirs, size_t *ret_first, size_t *ret_len)
{
	const char *a = str_text(ours), *b = str_text(theirs);
	size_t begin, end, first, last;

	if (ours->len != theirs->len || name_made(call, theirs, &begin) < 0)
		return false;
	end = begin + strnlen(b + begin, theirs->len - begin);
	for (first = 0; first < ours->len && a[first] == b[first]; first++) {
	}
	for (last = ours->len - 1; last > first && a[last] == b[last]; last--) {
	}
	if (first < begin || last >= end || !are_random(a, b, begin, first, last - first + 1))
		return false;
	*ret_first = first - begin;
	*ret_len = last - first + 1;
	return true;
}

bool rules_temporary_name(struct task *task, const struct event *event)
{
	const char *theirs = str_text(&event->in);
	size_t begin, first, len;
	int arg = name_made(&task->call, &event->in, &begin);

	if (arg < 0 || !rules_differ_in_temporary(&task->call, &task->in, &event->in, &first, &len))
		return false;
	if (tracee_write(&task->tracee, raddr(task->call.args[arg] + first), theirs + begin + first,
		    len) < 0)
		return false;
	str_reset(&task->in);
	str_append(&task->in, theirs, event->in.len);
	return true;
}

/* Operations of calls that are many in one. */
static bool is_looking_operation(const struct call *call)
{
	switch (call->nr) {
	case SYS_fcntl:
		return call->args[1] == F_GETFD || call->args[1] == F_GETFL ||
		       call->args[1] == F_GETPIPE_SZ || call->args[1] == F_GET_SEALS;
	case SYS_ioctl:
		return call->args[1] == TCGETS || call->args[1] == TIOCGWINSZ ||
		       call->args[1] == FIONREAD || call->args[1] == TIOCGPGRP;
	case SYS_getsockopt:
		return !((uint32_t)call->args[1] == SOL_SOCKET &&
			 (uint32_t)call->args[2] == SO_ERROR);
	case SYS_lseek:
		return call->args[1] == 0 && (uint32_t)call->args[2] == SEEK_CUR;
	case SYS_prlimit64:
		return (uint32_t)call->args[0] == 0 && call->args[2] == 0;
	case SYS_rt_sigprocmask:
	case SYS_rt_sigaction:
	case SYS_sigaltstack:
		return call->args[call->nr == SYS_sigaltstack ? 0 : 1] == 0;
	case SYS_kill: /* no signal: is there such a process? */
	case SYS_tkill:
		return !(uint32_t)call->args[1];
	case SYS_tgkill:
		return !(uint32_t)call->args[2];
	case SYS_getpgid:
	case SYS_getsid:
	case SYS_sched_getaffinity:
	case SYS_sched_getscheduler:
	case SYS_sched_getparam:
		return (uint32_t)call->args[0] == 0; /* of its own: no id to translate */
	case SYS_getpriority:
		return (uint32_t)call->args[1] == 0;
	case SYS_prctl:
		return call->args[0] == PR_CAPBSET_READ || call->args[0] == PR_GET_DUMPABLE ||
		       call->args[0] == PR_GET_KEEPCAPS || call->args[0] == PR_GET_SECUREBITS ||
		       call->args[0] == PR_GET_NAME || call->args[0] == PR_GET_NO_NEW_PRIVS ||
		       call->args[0] == PR_GET_THP_DISABLE || call->args[0] == PR_GET_TIMERSLACK ||
		       call->args[0] == PR_GET_CHILD_SUBREAPER ||
		       call->args[0] == PR_GET_PDEATHSIG ||
		       (call->args[0] == PR_CAP_AMBIENT && call->args[1] == PR_CAP_AMBIENT_IS_SET);
	}
	return false;
}

bool rules_is_sleep(const struct call *call)
{
	const uint64_t *a = call->args;

	switch (call->nr) {
	case SYS_nanosleep:
	case SYS_clock_nanosleep: /* until a time: rename.c has the others */
		return true;
	case SYS_poll:
		return !(uint32_t)a[1] && (int)a[2] > 0;
	case SYS_ppoll:
		return !(uint32_t)a[1] && a[2] && !a[3];
	case SYS_select:
	case SYS_pselect6:
		return !(uint32_t)a[0] && a[4] && (call->nr == SYS_select || !a[5]);
	}
	return false;
}

bool rules_end_sleep(struct task *task)
{
	static const uint64_t none[2];
	const struct call *c = &task->call;
	int left = c->nr == SYS_ppoll ? 2 : c->nr == SYS_select || c->nr == SYS_pselect6 ? 4 : -1;

	return left < 0 ||
	       tracee_write(&task->tracee, raddr(c->args[left]), none, sizeof(none)) == 0;
}

/* Calls by which what was written before is safe from a loss of power. */
static bool is_sync(const struct call *call)
{
	return call->nr == SYS_fsync || call->nr == SYS_fdatasync || call->nr == SYS_sync ||
	       call->nr == SYS_syncfs || call->nr == SYS_sync_file_range || call->nr == SYS_msync;
}

bool rules_is_look(const struct call *call)
{
	if (rules_is_sleep(call) || is_sync(call))
		return true;
	switch (call->nr) {
	case SYS_getrandom:
	case SYS_clock_gettime:
	case SYS_clock_getres:
	case SYS_gettimeofday:
	case SYS_time:
	case SYS_times:
	case SYS_getrusage:
	case SYS_getcpu:
	case SYS_futex:
	case SYS_sched_yield:
	case SYS_getuid:
	case SYS_geteuid:
	case SYS_getgid:
	case SYS_getegid:
	case SYS_getresuid:
	case SYS_getresgid:
	case SYS_getgroups:
	case SYS_getpid:
	case SYS_gettid:
	case SYS_getppid:
	case SYS_getpgrp:
	case SYS_uname:
	case SYS_sysinfo:
	case SYS_getcwd:
	case SYS_getrlimit:
	case SYS_sched_get_priority_max:
	case SYS_sched_get_priority_min:
	case SYS_rt_sigpending:
	case SYS_access:
	case SYS_faccessat:
	case SYS_faccessat2:
	case SYS_stat:
	case SYS_lstat:
	case SYS_fstat:
	case SYS_newfstatat:
	case SYS_statx:
	case SYS_statfs:
	case SYS_fstatfs:
	case SYS_readlink:
	case SYS_readlinkat:
	case SYS_getxattr:
	case SYS_lgetxattr:
	case SYS_fgetxattr:
	case SYS_listxattr:
	case SYS_llistxattr:
	case SYS_flistxattr:
	case SYS_fadvise64: /* advice: it decides when bytes are read from the disk, not which */
	case SYS_readahead:
	case SYS_getsockname:
	case SYS_getpeername:
		return true;
	}
	return is_looking_operation(call);
}

static const char *look_name(const struct call *call)
{
	return call->nr == SYS_futex  ? RULE_FUTEX
	       : rules_is_sleep(call) ? RULE_SLEEP
	       : is_sync(call)	      ? RULE_SYNC
				      : RULE_LOOK;
}

bool rules_polls_now(const struct call *call)
{
	return call->nr == SYS_poll && !(uint32_t)call->args[2];
}

const char *rules_alone_name(const struct call *call)
{
	if (call->nr == SYS_close || call->nr == SYS_close_range)
		return RULE_CLOSED;
	if (call->nr == SYS_prctl && call->args[0] == PR_SET_NAME)
		return RULE_NAME;
	if (alike_is_own_memory(call))
		return RULE_MEMORY;
	if (vain_has(call))
		return RULE_NOTHING;
	if (fruitless_has(call))
		return RULE_FRUITLESS;
	if (awaited_has(call) && !rules_is_sleep(call) && !rules_polls_now(call))
		return RULE_AWAITED;
	if (preludes_has(call))
		return RULE_PRELUDE;
	if (children_rule(call))
		return RULE_CHILD;
	if (settings_has(call))
		return RULE_SETTING;
	return !rules_is_look(call) && masks_has(call) ? RULE_MASK : look_name(call);
}

bool rules_is_extra_look(const struct task *task, const struct event *event)
{
	return rules_is_look(&task->call) && !alike_is_same(task, event);
}

int rules_clock(const struct call *call, int *ret_arg, size_t *ret_len)
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
	int arg, i = rules_clock(&task->call, &arg, &len);
	struct seen_clock *seen;

	if (i < 0)
		return false;
	seen = &task->tuple->proc->clocks[task->version][i];
	if (agent_clock(task, i, seen->words))
		seen->known = true;
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
	i = rules_clock(&event->call, &arg, &len);
	if (i < 0 || event->out.len < sizeof(got) + len)
		return;
	/* The first block of the outputs is the clock's: canon_outputs(). */
	memcpy(&got, event->out.data, sizeof(got));
	if (got != len)
		return;
	seen = &task->tuple->proc->clocks[task->version][i];
	memcpy(seen->words, event->out.data + sizeof(got), len);
	seen->known = true;
	agent_tell_clock(task, i, seen->words);
}

/* O_LARGEFILE: glibc's own is 0, as 64-bit kernels set it by themselves. */
#define KERNEL_O_LARGEFILE 0100000

/* Bits of argument @i that make no difference. */
static uint32_t idle_bits(const struct call *call, int i, bool may_part)
{
	const struct sys_row *row = call->row;
	uint32_t bits = i == row->cloexec_arg ? row->cloexec : 0;

	if (may_part && i == row->cloexec_arg)
		bits |= O_NONBLOCK;
	if (call->nr == SYS_openat && i == 2)
		bits |= O_NOCTTY | KERNEL_O_LARGEFILE;
	return bits;
}

/* socket(2): 0 is the default protocol of a family and type. */
static bool same_protocol(const struct call *a, const struct call *b)
{
	uint32_t type = a->args[1] & 0xf, x = (uint32_t)a->args[2], y = (uint32_t)b->args[2];
	uint32_t usual = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;

	return a->nr == SYS_socket && (type == SOCK_STREAM || type == SOCK_DGRAM) &&
	       ((uint32_t)a->args[0] == AF_INET || (uint32_t)a->args[0] == AF_INET6) &&
	       (x == usual || !x) && (y == usual || !y);
}

bool rules_same_flags(const struct call *a, const struct str *our_in, const struct call *b,
	const struct str *their_in, bool may_part)
{
	cleanup_str struct str ours = STR_INIT;
	size_t at = 0;

	if (!a->row || a->row != b->row || our_in->len != their_in->len)
		return false;
	str_append(&ours, our_in->data, our_in->len);
	/* Arguments stand in the normal form in their order: each difference is found and undone.
	 */
	for (int i = 0; i < a->row->nargs; i++) {
		uint32_t x = (uint32_t)a->args[i], y = (uint32_t)b->args[i];
		bool value = a->row->args[i].kind == ARG_FLAGS || a->row->args[i].kind == ARG_INT ||
			     a->row->args[i].kind == ARG_ENUM;

		if (!value || x == y)
			continue;
		if (((x ^ y) & ~idle_bits(a, i, may_part)) && !(i == 2 && same_protocol(a, b)))
			return false;
		for (; at + 4 <= ours.len; at++) {
			if (memcmp(ours.data + at, &x, 4) == 0 &&
				memcmp(their_in->data + at, &y, 4) == 0)
				break;
		}
		if (at + 4 > ours.len)
			return false;
		memcpy(ours.data + at, &y, 4);
		at += 4;
	}
	return memcmp(ours.data, their_in->data, ours.len) == 0;
}

bool rules_copy_cloexec(const struct call *call)
{
	return call->nr == SYS_dup3 ? (call->args[2] & O_CLOEXEC) != 0
				    : call->nr == SYS_fcntl && call->args[1] == F_DUPFD_CLOEXEC;
}

bool rules_same_copy(const struct call *a, const struct call *b)
{
	bool to_number = a->nr == SYS_dup2 || a->nr == SYS_dup3;

	if (!a->row || !b->row || a->row->special != SPECIAL_DUP ||
		b->row->special != SPECIAL_DUP || (int)a->args[0] != (int)b->args[0])
		return false;
	if (to_number) /* to itself is an error for dup3(2) only */
		return (b->nr == SYS_dup2 || b->nr == SYS_dup3) &&
		       (int)a->args[1] == (int)b->args[1] && (int)a->args[0] != (int)a->args[1] &&
		       !((a->nr == SYS_dup3 ? a->args[2] & ~(uint64_t)O_CLOEXEC : 0) |
			       (b->nr == SYS_dup3 ? b->args[2] & ~(uint64_t)O_CLOEXEC : 0));
	return a->nr == SYS_fcntl && b->nr == SYS_fcntl && (int)a->args[2] == (int)b->args[2];
}

void rules_pass_over(struct task *task, const struct event *event)
{
	own_pass_over(task, event);
	early_pass_over(task, event);
	rules_learn_clock(task, event);
}

/* Has the log not heard of this kind of difference? */
static bool is_new(struct mxm *mxm, const char *rule, uint64_t ours, uint64_t theirs)
{
	bool found = false;

	pthread_mutex_lock(&mxm->lock);
	for (unsigned i = 0; i < mxm->nruled && !found; i++)
		found = mxm->ruled[i].rule == rule && mxm->ruled[i].nrs[0] == ours &&
			mxm->ruled[i].nrs[1] == theirs;
	if (!found && mxm->nruled == ARRAY_SIZE(mxm->ruled))
		found = true;
	if (!found) {
		mxm->ruled[mxm->nruled].rule = rule;
		mxm->ruled[mxm->nruled].nrs[0] = ours;
		mxm->ruled[mxm->nruled++].nrs[1] = theirs;
	}
	pthread_mutex_unlock(&mxm->lock);
	return !found;
}

void rules_note(struct task *task, const struct event *event, const char *rule)
{
	struct mxm *mxm = task->tuple->group->mxm;
	bool asks = task->state == TASK_ASKING;
	cleanup_str struct str ours = STR_INIT, theirs = STR_INIT;
	struct mxm_ruling ruling = {
		.rule = rule,
		.follower = task->version,
		.pid = task->tuple->ids->known,
		.seq = event && event->seq ? event->seq : mxm->next_seq + 1,
	};

	ruling.news = is_new(mxm, rule, asks ? task->call.issued : ~0ul,
		event && event->kind == EVENT_CALL ? event->call.issued : ~0ul);
	if (ruling.news && asks) {
		drop_print_task(&ours, task);
		ruling.follower_call = str_text(&ours);
	}
	if (ruling.news && event && event->kind == EVENT_CALL) {
		drop_print_event(&theirs, event);
		ruling.leader_call = str_text(&theirs);
	}
	mxm->ops->ruled(mxm->ops_arg, &ruling);
}
