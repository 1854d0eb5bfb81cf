/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/spins.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/wire.h"
#include "mxm/agent.h"
#include "mxm/group.h"

/* A loop is no longer than this, and its instructions are no further from each other. */
#define STEPS_MAX 160
#define NEAR	  4096

/* An unknown task is looked at after so much CPU time, one that is known to spin so soon, ns. */
#define LOOK_NS	      1000000ul
#define LOOK_KNOWN_NS 20000ul

/* So often in a row it may lose its turn at once; then it gets the time to see what it waits for.
 */
#define HURRIED_MAX 4

#define NO_COUNTER ~0u
#define INSN_MAX   15

/* In the order of their numbers in instructions. */
#define NREGS 16
static uint64_t reg(const struct user_regs_struct *r, unsigned n)
{
	const uint64_t regs[NREGS] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi,
		r->rdi, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

	return regs[n];
}

/* How many differ; *@ret_which: the last of them. */
static unsigned count_different(
	const struct user_regs_struct *a, const struct user_regs_struct *b, unsigned *ret_which)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NREGS; i++) {
		if (reg(a, i) == reg(b, i))
			continue;
		*ret_which = i;
		n++;
	}
	return n;
}

struct insn {
	const uint8_t *at;
	size_t len;
	bool rex_x, rex_b;
};

static bool skip_prefixes(struct insn *i)
{
	static const char prefixes[] = "\x66\xf2\xf3\xf0\x2e\x36\x3e\x26\x64\x65";

	while (i->len && strchr(prefixes, *i->at)) {
		i->at++;
		i->len--;
	}
	if (i->len && (*i->at & 0xf0) == 0x40) {
		i->rex_x = *i->at & 2;
		i->rex_b = *i->at & 1;
		i->at++;
		i->len--;
	}
	return i->len > 0;
}

enum operand { OPERAND_NONE, OPERAND_MODRM, OPERAND_NO_MEMORY, OPERAND_UNKNOWN };

/* Intel SDM vol. 2, appendix A: moves, arithmetic of whole numbers, branches. */
static enum operand short_operand(uint8_t op)
{
	if (op < 0x40)
		return (op & 7) < 4 ? OPERAND_MODRM : (op & 7) < 6 ? OPERAND_NONE : OPERAND_UNKNOWN;
	if (op >= 0x50 && op < 0x60) /* push, pop: by rsp */
		return OPERAND_NONE;
	if (op >= 0x70 && op < 0x80)
		return OPERAND_NONE;
	if (op == 0x8d)
		return OPERAND_NO_MEMORY;
	if (op == 0x63 || op == 0x69 || op == 0x6b || (op >= 0x80 && op <= 0x8b) ||
		(op >= 0xc0 && op <= 0xc1) || op == 0xc6 || op == 0xc7 ||
		(op >= 0xd0 && op <= 0xd3) || op == 0xf6 || op == 0xf7 || op == 0xfe || op == 0xff)
		return OPERAND_MODRM;
	if (op == 0x90 || op == 0xa8 || op == 0xa9 || (op >= 0xb0 && op <= 0xbf) || op == 0xc3 ||
		op == 0xc9 || op == 0xe8 || op == 0xe9 || op == 0xeb)
		return OPERAND_NONE;
	return OPERAND_UNKNOWN;
}

static enum operand long_operand(uint8_t op)
{
	if (op >= 0x80 && op < 0x90)
		return OPERAND_NONE;
	if (op == 0x1e || op == 0x1f)
		return OPERAND_NO_MEMORY;
	if ((op >= 0x40 && op < 0x50) || (op >= 0x90 && op < 0xa0) || op == 0xae || op == 0xaf ||
		op == 0xb0 || op == 0xb1 || op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf ||
		op == 0xc0 || op == 0xc1)
		return OPERAND_MODRM;
	return OPERAND_UNKNOWN;
}

/* ModRM, SIB: Intel SDM vol. 2, 2.1.5. */
static bool is_addressed_by(const struct insn *i, unsigned which)
{
	uint8_t modrm = i->at[0], rm = modrm & 7, mod = modrm >> 6, sib;
	unsigned base, index;

	if (mod == 3 || (mod == 0 && rm == 5))
		return false;
	if (rm != 4)
		return (rm | (i->rex_b ? 8u : 0)) == which;
	if (i->len < 2)
		return true;
	sib = i->at[1];
	base = (sib & 7) | (i->rex_b ? 8u : 0);
	index = (sib >> 3 & 7) | (i->rex_x ? 8u : 0);
	return (base == which && !(mod == 0 && (sib & 7) == 5)) || (index == which && index != 4);
}

bool spins_is_plain(const uint8_t *bytes, size_t len, unsigned counter)
{
	struct insn insn = { bytes, len, false, false };
	enum operand operand;

	if (!skip_prefixes(&insn))
		return false;
	operand = short_operand(*insn.at);
	if (*insn.at == 0x0f) {
		insn.at++;
		if (!--insn.len)
			return false;
		operand = long_operand(*insn.at);
	}
	insn.at++;
	insn.len--;
	if (operand == OPERAND_MODRM)
		return insn.len && !is_addressed_by(&insn, counter);
	return operand != OPERAND_UNKNOWN;
}

/* The kernel's, or emulated by way of a fault. */
static bool leaves_user_mode(const uint8_t *insn)
{
	return (insn[0] == 0x0f && (insn[1] == 0x05 || insn[1] == 0x31 || insn[1] == 0xa2 ||
					   insn[1] == 0x34 || insn[1] == 0x01)) ||
	       insn[0] == 0xcd || insn[0] == 0xcc;
}

struct round {
	struct user_regs_struct first;
	uint64_t low, high; /* where its instructions lie */
	unsigned counter;
	uint64_t delta; /* by which the counter has changed in the first round */
};

/* It is back at the first instruction. */
static enum spins judge_round(struct round *r, const struct user_regs_struct *regs)
{
	unsigned which = NO_COUNTER, n = count_different(&r->first, regs, &which);
	uint64_t delta;

	if (n == 0)
		return SPINS;
	if (n > 1)
		return SPINS_NOT;
	delta = reg(regs, which) - reg(&r->first, which);
	if (r->counter == which && delta == 2 * r->delta)
		return SPINS;
	r->counter = which;
	r->delta = delta;
	return SPINS_NOT;
}

static enum spins step(struct task *task)
{
	struct stop stop;
	int rc = tracee_step(&task->tracee, &stop);

	if (rc == 0)
		return SPINS_NOT;
	if (rc == -EAGAIN)
		group_stash(task->tuple->group, &stop);
	return SPINS_LEFT;
}

static enum spins go_round(struct task *task, struct round *r)
{
	const struct user_regs_struct *regs = tracee_regs(&task->tracee);

	if (!regs)
		return SPINS_LEFT;
	r->first = *regs;
	r->low = r->high = regs->rip;
	for (int i = 0; i < STEPS_MAX; i++) {
		uint8_t insn[INSN_MAX] = { 0 };
		size_t len = tracee_read_some(&task->tracee, raddr(regs->rip), insn, sizeof(insn));
		enum spins verdict;

		if (regs->rip < AGENT_END || leaves_user_mode(insn) ||
			(r->counter != NO_COUNTER && !spins_is_plain(insn, len, r->counter)))
			return SPINS_NOT;
		verdict = step(task);
		if (verdict != SPINS_NOT)
			return verdict;
		regs = tracee_regs(&task->tracee);
		if (!regs)
			return SPINS_LEFT;
		r->low = regs->rip < r->low ? regs->rip : r->low;
		r->high = regs->rip > r->high ? regs->rip : r->high;
		if (r->high - r->low > NEAR)
			return SPINS_NOT;
		if (regs->rip == r->first.rip && judge_round(r, regs) == SPINS)
			return SPINS;
	}
	return SPINS_NOT;
}

static bool is_in_known_loop(const struct spin *spin, const struct user_regs_struct *regs)
{
	for (int i = 0; i < SPIN_LOOPS; i++) {
		const struct spin_loop *loop = &spin->loops[i];

		if (loop->rsp == regs->rsp && regs->rip >= loop->low && regs->rip <= loop->high)
			return true;
	}
	return false;
}

enum spins spins_look(struct task *task)
{
	struct spin *spin = &task->spin;
	const struct user_regs_struct *regs = tracee_regs(&task->tracee);
	struct round r = { .counter = NO_COUNTER };
	enum spins verdict;

	if (!regs)
		return SPINS_LEFT;
	/* It was asleep in a call of its own, which would not go on where it is stepped. */
	if ((int64_t)regs->orig_rax >= 0)
		return SPINS_NOT;
	if (is_in_known_loop(spin, regs)) {
		spin->hurried = spin->looks > 1 ? 0 : (spin->hurried + 1) % (HURRIED_MAX + 1);
		return SPINS;
	}
	if (regs->rsp != spin->seen_rsp || regs->rip - spin->seen_rip + NEAR > 2 * NEAR) {
		spin->seen_rip = regs->rip;
		spin->seen_rsp = regs->rsp;
		return SPINS_NOT;
	}
	verdict = go_round(task, &r);
	if (verdict == SPINS)
		spin->loops[spin->next++ % SPIN_LOOPS] =
			(struct spin_loop){ r.low, r.high, r.first.rsp };
	return verdict;
}

bool spins_is_known(const struct task *task)
{
	return task->spin.next > 0;
}

uint64_t spins_look_after(const struct task *task)
{
	const struct spin *spin = &task->spin;

	if (spins_is_known(task) && !spin->looks && spin->hurried < HURRIED_MAX)
		return 0;
	return (spins_is_known(task) ? LOOK_KNOWN_NS : LOOK_NS) << spin->looks;
}

void spins_begin_turn(struct task *task)
{
	task->spin.looks = 0;
	task->spin.lost_turn = false;
	task->spin.seen_rsp = 0;
}

void spins_break_wait(struct group *group)
{
	struct itimerspec at = { .it_value.tv_nsec = LOOK_KNOWN_NS * 2 };
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGRTMIN,
	};

	if (!group->has_breaker) {
		event._sigev_un._tid = gettid();
		if (timer_create(CLOCK_MONOTONIC, &event, &group->breaker) < 0)
			return; /* the next tick does */
		group->has_breaker = true;
	}
	at.it_value.tv_nsec <<= group->breaks;
	(void)timer_settime(group->breaker, 0, &at, NULL);
}

void spins_end(struct group *group)
{
	if (group->has_breaker)
		timer_delete(group->breaker);
}
