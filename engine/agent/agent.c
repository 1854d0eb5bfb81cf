/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's work on one call. Freestanding: no libc, no globals, general registers only. A fault
 * on the program's memory anywhere here is harmless: the engine leads the thread to agent_bail, and
 * nothing has been put into the ring or taken out of it.
 */
#include "agent/asked.h"
#include "agent/form.h"
#include "agent/permit.h"
#include "agent/vdso.h"
#include "agent/wire.h"

#define SLOW	 1
#define DONE	 0
#define EINTR	 4
#define EFBIG	 27
#define EPIPE	 32
#define NR_FUTEX 202
#define NR_FSTAT 5
#define NR_CLOSE 3
#define NR_LSEEK 8
#define SEEK_CUR 1
#define S_IFMT	 0170000
#define S_IFREG	 0100000
/* O_ACCMODE, O_CREAT, O_TRUNC, O_PATH, __O_TMPFILE */
#define OPEN_CHANGES (03 | 0100 | 01000 | 010000000 | 020000000)
#define FUTEX_WAIT   0
#define FUTEX_WAKE   1
#define NAP_NS	     1000000  /* of who is woken seldom, and looks by itself */
#define NAP_LONG_NS  10000000 /* of who is woken: sooner due timers cost as two switches */
#define NAPS_MAX     2	      /* at a barrier, before the engine looks into it */

static const struct agent_table *const table = (void *)AGENT_TABLE;
static struct agent_process *const process = (void *)AGENT_PROCESS;

static struct agent_control *control_of(uint32_t version)
{
	return (void *)(AGENT_CONTROL + (uint64_t)(version % AGENT_VERSIONS) * 4096);
}

static uint8_t *ring_at(uint64_t position)
{
	return (uint8_t *)AGENT_RING + position % AGENT_RING_SIZE;
}

/* The one system call instruction that the pre-filter lets run: entry.S. */
static int64_t call(uint64_t nr, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	int64_t result;

	__asm__ volatile("call gate"
			 : "=a"(result), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "0"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2])
			 : "rcx", "r11", "memory", "cc");
	return result;
}

/* How often to look before sleeping. */
static uint32_t spins_of(const struct agent_control *own)
{
	uint32_t spins = __atomic_load_n(&own->spins, __ATOMIC_RELAXED);

	return spins < AGENT_SPINS_MAX ? spins : AGENT_SPINS_MAX;
}

static void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* From here on it is woken; what it waits for is looked for once more before it sleeps. */
static void nap_begin(struct agent_control *own)
{
	__atomic_store_n(&own->waiting, 1, __ATOMIC_SEQ_CST);
}

/* Sleeps while *@word is @value: until another wakes it, or a while. */
static void nap(struct agent_slot *slot, struct agent_control *own, const void *word,
	uint32_t value, uint64_t ns)
{
	const uint64_t time[2] = { 0, ns };
	const uint64_t args[6] = { (uint64_t)word, FUTEX_WAIT, value, (uint64_t)time, 0, 0 };

	if (!(__atomic_load_n(&own->attention, __ATOMIC_SEQ_CST) & AGENT_AT_ONCE))
		call(NR_FUTEX, args);
	slot->in_call = AGENT_IDLE;
}

static void nap_end(struct agent_control *own)
{
	__atomic_store_n(&own->waiting, 0, __ATOMIC_RELAXED);
}

static void wake(const void *word)
{
	const uint64_t args[6] = { (uint64_t)word, FUTEX_WAKE, AGENT_VERSIONS };

	call(NR_FUTEX, args);
}

static void read_frame(const struct agent_frame *f, struct asked *ret)
{
	*ret = (struct asked){ f->rax, { f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9 } };
}

/* For the engine, which tells a clock again where this version alone looks. */
static void remember_clock(
	struct agent_control *own, const struct agent_row *row, const uint64_t a[6])
{
	const uint64_t *at = (const uint64_t *)a[row->clock_arg - 1];
	uint64_t i = row->clock == AGENT_CLOCK_BY_ID ? a[0] : row->clock;

	/* The last two are those of calls that have no id. */
	if (!at || i >= AGENT_CLOCKS || (row->clock == AGENT_CLOCK_BY_ID && i >= AGENT_CLOCKS - 2))
		return;
	own->seconds[i] = at[0];
	if (row->clock_words > 1)
		own->nanos[i] = at[1];
	own->clocks_known |= 1u << i;
}

/* Signals broke in, or one is due because of the call: ptrace sees it happen again. */
static int is_for_ptrace(int64_t result)
{
	return result == -EINTR || result == -EPIPE || result == -EFBIG ||
	       (result <= -512 && result >= -530);
}

/*
 * A call that would wait does so by ptrace, where it gives the turn to the other threads. -EINTR
 * stands for that.
 */
static int64_t call_at_once(uint64_t nr, const struct agent_row *row, const uint64_t a[6])
{
	uint64_t now[6];
	int64_t result;

	form_copy(now, a, sizeof(now));
	now[row->wait_arg - 1] = 0;
	result = call(nr, now);
	return result == 0 && a[row->wait_arg - 1] ? -EINTR : result;
}

/* Is there room for so much at @head? The followers' places are looked at when need be. */
static int has_room(struct agent_control *own, uint64_t head, uint64_t room)
{
	uint64_t used = 0;

	if (head + room <= own->room)
		return 1;
	for (uint32_t v = 0; v < AGENT_VERSIONS; v++) {
		uint64_t lag;

		if (!(own->followers & (1u << v)))
			continue;
		lag = head - __atomic_load_n(&control_of(v)->read, __ATOMIC_ACQUIRE);
		if (lag > used)
			used = lag;
	}
	if (used > AGENT_RING_SIZE)
		return 0;
	own->room = head - used + AGENT_RING_SIZE;
	return head + room <= own->room;
}

static void wake_followers(struct agent_control *own)
{
	int sleeps = 0;

	for (uint32_t v = 0; v < AGENT_VERSIONS; v++)
		sleeps |= (own->followers & (1u << v)) &&
			  __atomic_load_n(&control_of(v)->waiting, __ATOMIC_SEQ_CST);
	if (!sleeps)
		return;
	__atomic_add_fetch(&own->turn, 1, __ATOMIC_SEQ_CST);
	wake(&own->turn);
}

static void sleep_for_room(struct agent_slot *slot, struct agent_control *own)
{
	uint32_t count = __atomic_load_n(&own->wake, __ATOMIC_ACQUIRE);

	wake_followers(own);
	nap_begin(own);
	nap(slot, own, &own->wake, count, NAP_NS);
	nap_end(own);
}

/* Until @version has come to the call, too. False: not soon, or the engine wants the leader. */
static int await_follower(
	struct agent_slot *slot, struct agent_control *own, uint32_t version, uint64_t ask)
{
	const struct agent_control *c = control_of(version);
	uint32_t spins = spins_of(own);
	int naps = 0;

	for (;;) {
		uint64_t vetted = __atomic_load_n(&c->vetted, __ATOMIC_ACQUIRE);

		if (vetted == ask || !(own->awaited >> version & 1))
			break;
		if ((own->attention & AGENT_AT_ONCE) || slot->mode != AGENT_LEAD ||
			naps == NAPS_MAX)
			return 0;
		if (spins) {
			spins--;
			pause();
			continue;
		}
		/* Its word is what the kernel compares: none that comes meanwhile is missed. */
		nap_begin(own);
		nap(slot, own, &c->vetted, (uint32_t)vetted, NAP_LONG_NS);
		nap_end(own);
		naps++;
	}
	own->naps += naps != 0;
	return 1;
}

/*
 * At a barrier: the record that stands at the ring's head is shown to the followers. False: not all
 * of them have come to the same call, and the engine looks into it.
 */
static int await_followers(struct agent_slot *slot, struct agent_control *own)
{
	uint64_t ask = ++own->asks;
	int all = 1;

	__atomic_store_n(&own->ask, ask, __ATOMIC_SEQ_CST);
	wake_followers(own);
	for (uint32_t v = 0; v < AGENT_VERSIONS && all; v++)
		all = await_follower(slot, own, v, ask);
	__atomic_store_n(&own->ask, 0, __ATOMIC_SEQ_CST);
	return all;
}

/* Opened by name, for reading, and not made: whose opening and closing changes nothing. */
static int may_open(const struct asked *asked)
{
	return process->late.may && process->late.n < AGENT_LATE_MAX &&
	       !((uint32_t)asked->a[2] & OPEN_CHANGES);
}

static int may_make(const struct agent_row *row, const struct asked *asked)
{
	if (row->flags & AGENT_OPENS)
		return may_open(asked);
	if (row->flags & AGENT_CLOSES)
		return (uint32_t)asked->a[0] < AGENT_LATE_FDS &&
		       process->late.fds[(uint32_t)asked->a[0]];
	return 1;
}

static void note_late(uint32_t fd, uint64_t entry)
{
	process->late.n += (entry != 0) - (process->late.fds[fd] != 0);
	process->late.fds[fd] = entry;
}

/* Asked of the kernel beside the thread's call, and never taken for that one's result. */
static int64_t call_beside(struct agent_slot *slot, uint64_t nr, const uint64_t args[6])
{
	int64_t result;

	slot->at = ~0ul;
	slot->in_call = AGENT_IDLE;
	result = call(nr, args);
	slot->in_call = AGENT_IDLE;
	return result;
}

/*
 * A call with a descriptor was made, at @at of the ring. Returns the flag of the record, or -1: the
 * number is too high, and the descriptor closed again.
 */
static int note_descriptor(struct agent_slot *slot, struct agent_control *own,
	const struct agent_row *row, const struct asked *asked, uint64_t at, int64_t result)
{
	uint32_t status[36];
	const uint64_t args[6] = { (uint64_t)result, (uint64_t)status };
	int is_file;

	if (row->flags & AGENT_CLOSES) {
		note_late((uint32_t)asked->a[0], 0);
		__atomic_sub_fetch(&own->late, 1, __ATOMIC_RELAXED);
		return 0;
	}
	if (!(row->flags & AGENT_OPENS) || result < 0)
		return 0;
	if (result >= AGENT_LATE_FDS) {
		call_beside(slot, NR_CLOSE, args);
		return -1;
	}
	is_file = call_beside(slot, NR_FSTAT, args) == 0 && (status[6] & S_IFMT) == S_IFREG;
	note_late((uint32_t)result, agent_late_entry(at, asked->a[2], is_file));
	__atomic_add_fetch(&own->late, 1, __ATOMIC_RELAXED);
	return is_file ? AGENT_OF_FILE : 0;
}

/* Where the file is that a seek is about to leave, and 1; 0: it is a look, or is none. */
static uint64_t place_left(struct agent_slot *slot, const uint64_t *a)
{
	const uint64_t look[6] = { a[0], 0, SEEK_CUR };
	int64_t at = a[1] || (uint32_t)a[2] != SEEK_CUR ? call_beside(slot, NR_LSEEK, look) : -1;

	return at < 0 ? 0 : (uint64_t)at + 1;
}

static int lead(struct agent_slot *slot, const struct agent_row *row, const struct asked *asked,
	int64_t *ret_result)
{
	struct agent_control *own = control_of(slot->version);
	uint64_t head = own->head, room, before, after;
	uint32_t minded = AGENT_AT_ONCE | AGENT_SOON;
	const uint64_t *a = asked->a;
	struct agent_record *record;
	struct sink sink;
	int64_t result;
	uint8_t *end;
	int flag;

	if (!may_make(row, asked))
		return SLOW;
	room = form_out_room(row, a);
	if (room > AGENT_OUT_MAX)
		return SLOW;
	room += sizeof(*record) + AGENT_IN_MAX + AGENT_RESERVE;
	while (!has_room(own, head, room)) {
		if (own->attention || slot->mode != AGENT_LEAD)
			return SLOW;
		sleep_for_room(slot, own);
	}
	record = (struct agent_record *)ring_at(head);
	sink = (struct sink){ .at = (uint8_t *)(record + 1),
		.end = (uint8_t *)(record + 1) + AGENT_IN_MAX + 1024 };
	form_put_inputs(&sink, row, a);
	if (sink.bad)
		return SLOW;
	record->item = (struct agent_item){
		.kind = AGENT_RECORD, .nr = (uint16_t)asked->nr, .tuple = slot->tuple
	};
	record->in_len = (uint32_t)(sink.at - (uint8_t *)(record + 1));
	form_copy(record->args, a, sizeof(record->args));
	if (asked->nr == NR_LSEEK)
		record->args[5] = place_left(slot, a);
	if ((row->flags & AGENT_BARRIER) && own->awaited) {
		if (!await_followers(slot, own))
			return SLOW;
		minded = AGENT_AT_ONCE;
	}
	slot->at = head;
	__atomic_store_n(&slot->in_call, AGENT_MAKING, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&own->attention, __ATOMIC_SEQ_CST) & minded) {
		slot->in_call = AGENT_IDLE;
		return SLOW;
	}
	result = own->many && row->wait_arg ? call_at_once(asked->nr, row, a) : call(asked->nr, a);
	if (is_for_ptrace(result)) {
		__atomic_store_n(&slot->in_call, AGENT_IDLE, __ATOMIC_SEQ_CST);
		return SLOW;
	}
	flag = note_descriptor(slot, own, row, asked, head, result);
	if (flag < 0)
		return SLOW;
	record->item.kind |= (uint16_t)flag;
	end = form_take_outputs(sink.at, row, a, result);
	record->out_len = (uint32_t)(end - sink.at);
	record->result = result;
	record->item.size = (uint32_t)((uint64_t)(end - (uint8_t *)record) + 15) & ~15u;
	before = head;
	after = head + record->item.size;
	own->calls++;
	__atomic_store_n(&own->head, after, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->in_call, AGENT_IDLE, __ATOMIC_RELEASE);
	/* A sleeping follower is woken at each quarter; between them it looks by itself. */
	if (before / (AGENT_RING_SIZE / 4) != after / (AGENT_RING_SIZE / 4))
		wake_followers(own);
	*ret_result = result;
	return DONE;
}

/* Has @record, not yet made, the inputs of this call? Another version has written it. */
static int is_same(const struct asked *asked, const struct agent_slot *slot,
	const struct agent_row *row, const struct agent_record *record, uint64_t size)
{
	uint32_t in_len = record->in_len;
	struct sink sink = { .at = (uint8_t *)(record + 1),
		.end = (uint8_t *)(record + 1) + in_len,
		.compares = 1 };

	if (in_len > size - sizeof(*record) || record->item.nr != asked->nr ||
		record->item.tuple != slot->tuple)
		return 0;
	form_put_inputs(&sink, row, asked->a);
	return !sink.bad && sink.at == sink.end;
}

/* The leader asks whether this is the follower's next call too. */
static int vet(const struct asked *asked, const struct agent_slot *slot,
	const struct agent_row *row, struct agent_control *own, uint64_t ask)
{
	const struct agent_control *leader = control_of(slot->leader);
	const struct agent_record *record = (void *)ring_at(own->read);

	if (!is_same(asked, slot, row, record, sizeof(*record) + AGENT_IN_MAX + 1024))
		return 0;
	__atomic_store_n(&own->vetted, ask, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&leader->waiting, __ATOMIC_SEQ_CST))
		wake(&own->vetted);
	return 1;
}

/* Has the leader done something that this follower has not had? *@ret_ask: it asks. */
static int has_news(
	const struct agent_control *leader, const struct agent_control *own, uint64_t *ret_ask)
{
	*ret_ask = 0;
	if (__atomic_load_n(&leader->head, __ATOMIC_ACQUIRE) != own->read)
		return 1;
	*ret_ask = __atomic_load_n(&leader->ask, __ATOMIC_SEQ_CST);
	return *ret_ask && *ret_ask != own->vetted;
}

/* Sleeps until there is news, or a while. A leader that waits for it wakes it each time. */
static void sleep_for_news(
	struct agent_slot *slot, struct agent_control *own, const struct agent_control *leader)
{
	uint32_t turn = __atomic_load_n(&leader->turn, __ATOMIC_SEQ_CST);
	int asks = (own->awaited >> slot->version & 1) &&
		   __atomic_load_n(&leader->asks, __ATOMIC_RELAXED);
	uint64_t ask;

	nap_begin(own);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!has_news(leader, own, &ask))
		nap(slot, own, &leader->turn, turn, asks ? NAP_LONG_NS : NAP_NS);
	nap_end(own);
}

/* The next record, or NULL: it is the engine's turn. Checked, for another version has written it.
 */
static const struct agent_record *await_record(const struct asked *asked, struct agent_slot *slot,
	const struct agent_row *row, struct agent_control *own, uint64_t *ret_size)
{
	const struct agent_control *leader = control_of(slot->leader);
	const struct agent_record *record;
	uint32_t spins = spins_of(own);
	uint64_t there, size, ask;

	while (!has_news(leader, own, &ask) || ask) {
		if (ask && ask != own->vetted) {
			if (!vet(asked, slot, row, own, ask))
				return 0;
			continue;
		}
		if (own->attention || slot->mode != AGENT_FOLLOW)
			return 0;
		if (spins) {
			spins--;
			pause();
		} else {
			sleep_for_news(slot, own, leader);
		}
	}
	there = __atomic_load_n(&leader->head, __ATOMIC_ACQUIRE) - own->read;
	record = (const struct agent_record *)ring_at(own->read);
	size = __atomic_load_n(&record->item.size, __ATOMIC_RELAXED);
	if (there > AGENT_RING_SIZE || (record->item.kind & ~AGENT_OF_FILE) != AGENT_RECORD ||
		size > there || size < sizeof(*record) || size % 16)
		return 0;
	*ret_size = size;
	return record;
}

/* A leader that waits for room is woken at each quarter; between them it looks by itself. */
static void take_out(const struct agent_slot *slot, struct agent_control *own, uint64_t size)
{
	const struct agent_control *leader = control_of(slot->leader);
	uint64_t before = own->read, after = before + size;

	__atomic_store_n(&own->read, after, __ATOMIC_SEQ_CST);
	if (before / (AGENT_RING_SIZE / 4) != after / (AGENT_RING_SIZE / 4) &&
		__atomic_load_n(&leader->waiting, __ATOMIC_SEQ_CST))
		wake(&leader->wake);
}

static int follow(struct agent_slot *slot, const struct agent_row *row, const struct asked *asked,
	int64_t *ret_result)
{
	struct agent_control *own = control_of(slot->version);
	const struct agent_record *record;
	const uint64_t *a = asked->a;
	struct source source;
	uint64_t size;
	uint32_t in_len, out_len;
	int64_t result;

	record = await_record(asked, slot, row, own, &size);
	if (!record || !is_same(asked, slot, row, record, size))
		return SLOW;
	/* Read once more: what lies within the record is all that counts. */
	in_len = record->in_len;
	out_len = record->out_len;
	result = record->result;
	if (in_len > size - sizeof(*record) || out_len > size - sizeof(*record) - in_len)
		return SLOW;
	if (((row->flags & AGENT_OPENS) && result >= AGENT_LATE_FDS) ||
		((row->flags & AGENT_CLOSES) &&
			((uint32_t)a[0] >= AGENT_LATE_FDS || !process->late.fds[(uint32_t)a[0]])))
		return SLOW;
	source.bad = 0;
	source.at = (uint8_t *)(record + 1) + in_len;
	source.end = source.at + out_len;
	if (form_give_outputs(&source, row, a, result))
		return SLOW;
	if (row->clock_arg && result >= 0)
		remember_clock(own, row, a);
	own->calls++;
	if ((row->flags & AGENT_OPENS) && result >= 0)
		note_late((uint32_t)result,
			agent_late_entry(own->read, a[2], record->item.kind & AGENT_OF_FILE));
	if (row->flags & AGENT_CLOSES)
		note_late((uint32_t)a[0], 0);
	take_out(slot, own, size);
	*ret_result = result;
	return DONE;
}

static int alone(struct agent_slot *slot, const struct asked *asked, int64_t *ret_result)
{
	struct agent_control *own = control_of(slot->version);
	uint64_t function = vdso_function(asked, slot);
	int64_t result;

	if (function) {
		*ret_result = vdso_ask(asked, function);
		own->calls++;
		return DONE;
	}
	__atomic_store_n(&slot->in_call, AGENT_MAKING, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&own->attention, __ATOMIC_SEQ_CST)) {
		slot->in_call = AGENT_IDLE;
		return SLOW;
	}
	result = call(asked->nr, asked->a);
	__atomic_store_n(&slot->in_call, AGENT_IDLE, __ATOMIC_SEQ_CST);
	if (is_for_ptrace(result))
		return SLOW;
	own->calls++;
	*ret_result = result;
	return DONE;
}

int agent_call(struct agent_frame *f, struct agent_slot *slot);

/* 0: the call is made or taken, its result in rax. Else it goes by ptrace. */
int agent_call(struct agent_frame *f, struct agent_slot *slot)
{
	const struct agent_row *row;
	uint32_t mode = slot->mode;
	struct asked asked;
	int64_t result = 0;
	int rc = SLOW;
	uint8_t index;

	if (f->rax >= AGENT_CALLS)
		return SLOW;
	read_frame(f, &asked);
	if (mode == AGENT_FREE && permit_free(&asked)) {
		rc = alone(slot, &asked, &result);
		goto end;
	}
	asked_rename(&asked);
	index = asked.nr < AGENT_CALLS ? table->row_of[asked.nr] : 0;
	if (!index || index >= AGENT_ROWS)
		return SLOW;
	row = &table->rows[index];
	if (!permit_for_all(row, &asked, mode))
		return SLOW;
	/* Of its own ids the program knows others. */
	if ((row->flags & AGENT_IDS) && !process->identity && mode != AGENT_FOLLOW)
		return SLOW;
	if (mode == AGENT_ALONE || mode == AGENT_FREE) {
		/* What the engine keeps account of is its own while a version may come back. */
		if (!(row->flags & (AGENT_OPENS | AGENT_CLOSES)))
			rc = alone(slot, &asked, &result);
	} else if (mode == AGENT_LEAD) {
		if (!control_of(slot->version)->attention)
			rc = lead(slot, row, &asked, &result);
	} else if (mode == AGENT_FOLLOW) {
		rc = follow(slot, row, &asked, &result);
	}
end:
	if (rc == DONE)
		f->rax = (uint64_t)result;
	return rc;
}
