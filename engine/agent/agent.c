/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's work on one call. Freestanding: no libc, no globals, general registers only. A fault
 * on the program's memory anywhere here is harmless: the engine leads the thread to agent_bail, and
 * nothing has been put into the ring or taken out of it.
 */
#include "agent/wire.h"

#define SLOW	   1
#define DONE	   0
#define EINTR	   4
#define EFBIG	   27
#define EPIPE	   32
#define MARK_NULL  0
#define MARK_HERE  1
#define NR_FUTEX   202
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define NAP_NS	   1000000
#define IOV_FEW	   64

struct iovec {
	uint8_t *base;
	uint64_t len;
};

static const struct agent_table *const table = (void *)AGENT_TABLE;
static const struct agent_process *const process = (void *)AGENT_PROCESS;

static struct agent_control *control_of(uint32_t version)
{
	return (void *)(AGENT_CONTROL + (uint64_t)(version % AGENT_VERSIONS) * 4096);
}

static uint8_t *ring_at(uint64_t position)
{
	return (uint8_t *)AGENT_RING + position % AGENT_RING_SIZE;
}

static void copy(void *to, const void *from, uint64_t len)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}

/* Compares as memcmp(3) does, but for the order. */
static int differ(const void *a, const void *b, uint64_t len)
{
	const uint8_t *p = a, *q = b;

	for (; len >= 8; p += 8, q += 8, len -= 8) {
		if (*(const uint64_t *)p != *(const uint64_t *)q)
			return 1;
	}
	for (; len; p++, q++, len--) {
		if (*p != *q)
			return 1;
	}
	return 0;
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

/* Until @leader's ring has something (NULL: is not waited for), the engine wakes it, or a while. */
static void nap(
	struct agent_slot *slot, struct agent_control *own, const struct agent_control *leader)
{
	const uint64_t time[2] = { 0, NAP_NS };
	uint32_t word = __atomic_load_n(&own->wake, __ATOMIC_ACQUIRE);
	const uint64_t args[6] = { (uint64_t)&own->wake, FUTEX_WAIT, word, (uint64_t)time, 0, 0 };

	__atomic_store_n(&own->waiting, 1, __ATOMIC_SEQ_CST);
	/* Looked at once more: who fills the ring now sees that it sleeps. */
	if (!__atomic_load_n(&own->attention, __ATOMIC_SEQ_CST) &&
		!(leader && __atomic_load_n(&leader->head, __ATOMIC_SEQ_CST) != own->read))
		call(NR_FUTEX, args);
	__atomic_store_n(&own->waiting, 0, __ATOMIC_RELAXED);
	slot->in_call = AGENT_IDLE;
}

static uint64_t value(const struct agent_frame *f, int i)
{
	switch (i) {
	case 0:
		return f->rdi;
	case 1:
		return f->rsi;
	case 2:
		return f->rdx;
	case 3:
		return f->r10;
	case 4:
		return f->r8;
	default:
		return f->r9;
	}
}

static void all_values(const struct agent_frame *f, uint64_t a[6])
{
	for (int i = 0; i < 6; i++)
		a[i] = value(f, i);
}

/* Inputs in normal form: put one after another, or compared with what another has put. */
struct sink {
	uint8_t *at, *end;
	int compares;
	int bad; /* does not fit, or differs */
};

static void put(struct sink *s, const void *data, uint64_t len)
{
	if (s->bad)
		return;
	if ((uint64_t)(s->end - s->at) < len) {
		s->bad = 1;
		return;
	}
	if (s->compares)
		s->bad = differ(s->at, data, len);
	else
		copy(s->at, data, len);
	s->at += len;
}

static void put_byte(struct sink *s, uint8_t byte)
{
	put(s, &byte, 1);
}

static void put_long(struct sink *s, uint64_t word)
{
	put(s, &word, 8);
}

/* How much the pieces of a vector hold; more than any limit where it is not to be done here. */
static uint64_t vector_room(const struct iovec *iov, uint64_t count)
{
	uint64_t total = 0;

	if (count > IOV_FEW)
		return ~0ul;
	for (uint64_t i = 0; i < count; i++) {
		if (iov[i].len > AGENT_OUT_MAX)
			return ~0ul;
		total += iov[i].len;
	}
	return total;
}

static void put_vector(struct sink *s, const struct iovec *iov, uint64_t count, int contents)
{
	uint64_t total = vector_room(iov, count);

	if (!iov || total > (contents ? AGENT_IN_MAX : AGENT_OUT_MAX)) {
		s->bad = 1;
		return;
	}
	put_byte(s, MARK_HERE);
	put_long(s, total);
	for (uint64_t i = 0; contents && i < count; i++)
		put(s, iov[i].base, iov[i].len);
}

/* The same bytes as canon_inputs() makes of the call. */
static void put_inputs(struct sink *s, const struct agent_row *row, const uint64_t a[6])
{
	for (int i = 0; i < row->nargs && !s->bad; i++) {
		uint64_t from = row->args[i].from >= 0 ? a[(int)row->args[i].from] : 0;

		switch (row->args[i].kind) {
		case AGENT_NONE:
			break;
		case AGENT_FD:
		case AGENT_VALUE4:
			put(s, &a[i], 4);
			break;
		case AGENT_VALUE8:
			put_long(s, a[i]);
			break;
		case AGENT_IN:
			if (!a[i] || from > AGENT_IN_MAX) {
				s->bad = 1;
				break;
			}
			put_byte(s, MARK_HERE);
			put_long(s, from);
			put_byte(s, MARK_HERE);
			put(s, (void *)a[i], from);
			break;
		case AGENT_IOV_IN:
			put_vector(s, (void *)a[i], (uint32_t)from, 1);
			break;
		case AGENT_IOV_OUT:
			put_vector(s, (void *)a[i], (uint32_t)from, 0);
			break;
		case AGENT_LENGTH:
			s->bad |= a[i] != 0;
			break;
		case AGENT_ADDRESS:
		case AGENT_NAME:
			s->bad |= a[i] != 0;
			put_byte(s, MARK_NULL);
			break;
		default:
			put_byte(s, a[i] ? MARK_HERE : MARK_NULL);
		}
	}
}

/* How many bytes the call may write; more than AGENT_OUT_MAX: not to be done here. */
static uint64_t out_room(const struct agent_row *row, const uint64_t a[6])
{
	uint64_t room = 0;

	for (int i = 0; i < row->nargs; i++) {
		uint64_t from = row->args[i].from >= 0 ? a[(int)row->args[i].from] : 0;

		switch (row->args[i].kind) {
		case AGENT_OUT:
			room += row->args[i].size;
			break;
		case AGENT_OUT_RES:
			if (from > AGENT_OUT_MAX)
				return ~0ul;
			room += from;
			break;
		case AGENT_EVENTS:
			if ((uint32_t)from > 4096)
				return ~0ul;
			room += (uint32_t)from * 12ul;
			break;
		case AGENT_IOV_OUT:
			from = vector_room((void *)a[i], (uint32_t)from);
			if (from > AGENT_OUT_MAX)
				return ~0ul;
			room += from;
			break;
		}
		room += 4;
	}
	return room;
}

static uint8_t *take(uint8_t *out, uint64_t at, uint32_t len)
{
	if (!at)
		len = 0;
	copy(out, &len, 4);
	copy(out + 4, (void *)at, len);
	return out + 4 + len;
}

static uint8_t *take_vector(uint8_t *out, const struct iovec *iov, uint64_t count, uint32_t len)
{
	copy(out, &len, 4);
	out += 4;
	for (uint64_t i = 0; i < count && len; i++) {
		uint32_t piece = iov[i].len < len ? (uint32_t)iov[i].len : len;

		copy(out, iov[i].base, piece);
		out += piece;
		len -= piece;
	}
	return out;
}

/* The same blocks as canon_outputs() makes, but for epoll's events: those are bare. */
static uint8_t *take_outputs(
	uint8_t *out, const struct agent_row *row, const uint64_t a[6], int64_t result)
{
	for (int i = 0; i < row->nargs && result >= 0; i++) {
		uint64_t from = row->args[i].from >= 0 ? a[(int)row->args[i].from] : 0;

		switch (row->args[i].kind) {
		case AGENT_OUT:
			out = take(out, a[i], row->args[i].size);
			break;
		case AGENT_OUT_RES:
			out = take(out, a[i],
				(uint64_t)result < from ? (uint32_t)result : (uint32_t)from);
			break;
		case AGENT_IOV_OUT:
			out = take_vector(out, (void *)a[i], (uint32_t)from, result);
			break;
		case AGENT_EVENTS:
			copy(out, (void *)a[i], result * 12);
			out += result * 12;
			break;
		case AGENT_ADDRESS:
		case AGENT_LENGTH:
			out = take(out, 0, 0);
			break;
		}
	}
	return out;
}

/* What a follower is given, block by block. */
struct source {
	const uint8_t *at, *end;
	int bad;
};

static const uint8_t *next(struct source *s, uint32_t *ret_len)
{
	const uint8_t *data = s->at + 4;
	uint32_t len = 0;

	if (s->bad || s->end - s->at < 4) {
		s->bad = 1;
		*ret_len = 0;
		return data;
	}
	copy(&len, s->at, 4);
	if ((uint64_t)(s->end - data) < len) {
		s->bad = 1;
		len = 0;
	}
	s->at = data + len;
	*ret_len = len;
	return data;
}

static void give_vector(struct source *s, const struct iovec *iov, uint64_t count)
{
	uint32_t len;
	const uint8_t *data = next(s, &len);

	for (uint64_t i = 0; i < count && len; i++) {
		uint32_t piece = iov[i].len < len ? (uint32_t)iov[i].len : len;

		copy(iov[i].base, data, piece);
		data += piece;
		len -= piece;
	}
	s->bad |= len != 0;
}

/* Nonzero: not what the call can have made; nothing else was said. */
static int give_outputs(
	struct source *s, const struct agent_row *row, const uint64_t a[6], int64_t result)
{
	for (int i = 0; i < row->nargs && result >= 0 && !s->bad; i++) {
		uint64_t from = row->args[i].from >= 0 ? a[(int)row->args[i].from] : 0;
		const uint8_t *data;
		uint32_t len;

		switch (row->args[i].kind) {
		case AGENT_OUT:
		case AGENT_OUT_RES:
			data = next(s, &len);
			s->bad |=
				len > (row->args[i].kind == AGENT_OUT ? row->args[i].size : from) ||
				(len && !a[i]);
			if (!s->bad)
				copy((void *)a[i], data, len);
			break;
		case AGENT_IOV_OUT:
			give_vector(s, (void *)a[i], (uint32_t)from);
			break;
		case AGENT_EVENTS:
			s->bad |= (uint64_t)result > (uint32_t)from ||
				  (uint64_t)(s->end - s->at) < (uint64_t)result * 12;
			if (!s->bad)
				copy((void *)a[i], s->at, result * 12);
			s->at += s->bad ? 0 : result * 12;
			break;
		case AGENT_ADDRESS:
		case AGENT_LENGTH:
			next(s, &len);
			s->bad |= len != 0;
			break;
		}
	}
	return s->bad || s->at != s->end;
}

/* Which of the remembered clocks: as rules.c counts them. */
static int clock_of(uint64_t nr, const uint64_t a[6])
{
	if (nr == 228)
		return a[0] < 14 ? (int)a[0] : -1;
	return nr == 96 ? 15 : 14;
}

static void remember_clock(struct agent_control *own, uint64_t nr, const uint64_t a[6], uint64_t at)
{
	int i = clock_of(nr, a);

	if (i < 0 || !at)
		return;
	own->seconds[i] = ((uint64_t *)at)[0];
	if (i != 14)
		own->nanos[i] = ((uint64_t *)at)[1];
	own->clocks_known |= 1u << i;
}

/* Signals broke in, or one is due because of the call: ptrace sees it happen again. */
static int is_for_ptrace(int64_t result)
{
	return result == -EINTR || result == -EPIPE || result == -EFBIG ||
	       (result <= -512 && result >= -530);
}

static uint64_t free_room(const struct agent_control *own, uint64_t head)
{
	uint64_t used = 0;

	for (uint32_t v = 0; v < AGENT_VERSIONS; v++) {
		uint64_t lag;

		if (!(own->followers & (1u << v)))
			continue;
		lag = head - __atomic_load_n(&control_of(v)->read, __ATOMIC_ACQUIRE);
		if (lag > used)
			used = lag;
	}
	return used > AGENT_RING_SIZE ? 0 : AGENT_RING_SIZE - used;
}

static void wake_followers(const struct agent_control *own)
{
	for (uint32_t v = 0; v < AGENT_VERSIONS; v++) {
		struct agent_control *c = control_of(v);
		const uint64_t args[6] = { (uint64_t)&c->wake, FUTEX_WAKE, 1 };

		if ((own->followers & (1u << v)) && c->waiting)
			call(NR_FUTEX, args);
	}
}

static int lead(struct agent_frame *f, struct agent_slot *slot, const struct agent_row *row)
{
	struct agent_control *own = control_of(slot->version);
	uint64_t head = own->head, room, a[6], before, after;
	struct agent_record *record;
	struct sink sink;
	int64_t result;
	uint8_t *end;

	all_values(f, a);
	room = out_room(row, a);
	if (room > AGENT_OUT_MAX)
		return SLOW;
	room += sizeof(*record) + AGENT_IN_MAX + AGENT_RESERVE;
	while (free_room(own, head) < room) {
		if (own->attention || slot->mode != AGENT_LEAD)
			return SLOW;
		wake_followers(own);
		nap(slot, own, 0);
	}
	record = (struct agent_record *)ring_at(head);
	sink = (struct sink){ .at = (uint8_t *)(record + 1),
		.end = (uint8_t *)(record + 1) + AGENT_IN_MAX + 1024 };
	put_inputs(&sink, row, a);
	if (sink.bad)
		return SLOW;
	record->item = (struct agent_item){
		.kind = AGENT_RECORD, .nr = (uint16_t)f->rax, .tuple = slot->tuple
	};
	record->in_len = (uint32_t)(sink.at - (uint8_t *)(record + 1));
	copy(record->args, a, sizeof(a));
	slot->at = head;
	__atomic_store_n(&slot->in_call, AGENT_MAKING, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&own->attention, __ATOMIC_SEQ_CST)) {
		slot->in_call = AGENT_IDLE;
		return SLOW;
	}
	result = call(f->rax, a);
	if (is_for_ptrace(result)) {
		__atomic_store_n(&slot->in_call, AGENT_IDLE, __ATOMIC_SEQ_CST);
		return SLOW;
	}
	end = take_outputs(sink.at, row, a, result);
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
	f->rax = (uint64_t)result;
	return DONE;
}

/* The next record, or NULL: it is the engine's turn. Checked, for another version has written it.
 */
static const struct agent_record *await_record(
	struct agent_slot *slot, struct agent_control *own, uint64_t *ret_size)
{
	const struct agent_control *leader = control_of(slot->leader);
	const struct agent_record *record;
	uint64_t there, size;

	for (;;) {
		there = __atomic_load_n(&leader->head, __ATOMIC_ACQUIRE) - own->read;
		if (there)
			break;
		if (own->attention || slot->mode != AGENT_FOLLOW)
			return 0;
		nap(slot, own, leader);
	}
	record = (const struct agent_record *)ring_at(own->read);
	size = __atomic_load_n(&record->item.size, __ATOMIC_RELAXED);
	if (there > AGENT_RING_SIZE || record->item.kind != AGENT_RECORD || size > there ||
		size < sizeof(*record) || size % 16)
		return 0;
	*ret_size = size;
	return record;
}

static int follow(struct agent_frame *f, struct agent_slot *slot, const struct agent_row *row)
{
	struct agent_control *own = control_of(slot->version);
	const struct agent_record *record;
	struct source source;
	struct sink sink;
	uint64_t size, a[6];
	uint32_t in_len, out_len;
	int64_t result;

	record = await_record(slot, own, &size);
	if (!record || record->item.nr != f->rax || record->item.tuple != slot->tuple)
		return SLOW;
	in_len = record->in_len;
	out_len = record->out_len;
	result = record->result;
	size -= sizeof(*record);
	if (in_len > size || out_len > size - in_len)
		return SLOW;
	all_values(f, a);
	sink = (struct sink){ .at = (uint8_t *)(record + 1),
		.end = (uint8_t *)(record + 1) + in_len,
		.compares = 1 };
	put_inputs(&sink, row, a);
	if (sink.bad || sink.at != sink.end)
		return SLOW;
	source = (struct source){ .at = sink.end, .end = sink.end + out_len };
	if (give_outputs(&source, row, a, result))
		return SLOW;
	if (row->clock && result >= 0)
		remember_clock(own, f->rax, a, a[row->clock - 1]);
	own->calls++;
	__atomic_store_n(&own->read, own->read + sizeof(*record) + size, __ATOMIC_RELEASE);
	f->rax = (uint64_t)result;
	return DONE;
}

static int alone(struct agent_frame *f, struct agent_slot *slot, const struct agent_row *row)
{
	struct agent_control *own = control_of(slot->version);
	int64_t result;
	uint64_t a[6];

	if ((row->flags & AGENT_IDS) && !process->identity)
		return SLOW;
	all_values(f, a);
	__atomic_store_n(&slot->in_call, AGENT_MAKING, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&own->attention, __ATOMIC_SEQ_CST)) {
		slot->in_call = AGENT_IDLE;
		return SLOW;
	}
	result = call(f->rax, a);
	__atomic_store_n(&slot->in_call, AGENT_IDLE, __ATOMIC_SEQ_CST);
	if (is_for_ptrace(result))
		return SLOW;
	own->calls++;
	f->rax = (uint64_t)result;
	return DONE;
}

static int has_bit(const uint64_t bits[16], uint64_t fd)
{
	return fd < 1024 && (bits[fd / 64] >> (fd % 64) & 1);
}

int agent_call(struct agent_frame *f, struct agent_slot *slot);

/* 0: the call is made or taken, its result in rax. Else it goes by ptrace. */
int agent_call(struct agent_frame *f, struct agent_slot *slot)
{
	const struct agent_row *row;
	uint32_t mode = slot->mode;
	uint8_t index;

	if (f->rax >= AGENT_CALLS)
		return SLOW;
	index = table->row_of[f->rax];
	if (!index || index >= AGENT_ROWS)
		return SLOW;
	row = &table->rows[index];
	for (int i = 0; i < row->nargs; i++) {
		uint64_t fd = (uint32_t)value(f, i);

		if (row->args[i].kind == AGENT_FD && has_bit(process->private_fds, fd))
			return SLOW;
		if (row->args[i].kind == AGENT_EVENTS &&
			!has_bit(process->plain_epolls, (uint32_t)f->rdi))
			return SLOW;
	}
	if (mode == AGENT_ALONE)
		return alone(f, slot, row);
	if (row->flags & AGENT_BARRIER)
		return SLOW;
	if (mode == AGENT_LEAD)
		return control_of(slot->version)->attention ? SLOW : lead(f, slot, row);
	return mode == AGENT_FOLLOW ? follow(f, slot, row) : SLOW;
}
