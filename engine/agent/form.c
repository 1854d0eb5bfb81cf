/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/form.h"

#define MARK_NULL 0
#define MARK_HERE 1
#define IOV_FEW	  64

struct iovec {
	uint8_t *base;
	uint64_t len;
};

/* struct msghdr of socket(2). */
struct message {
	uint64_t name, name_len;
	const struct iovec *iov;
	uint64_t count, control, control_len;
};

/* "rep movs" takes its time to begin; most of what is copied is a few words. */
#define COPY_SHORT 128

void form_copy(void *to, const void *from, uint64_t len)
{
	uint8_t *p = to;
	const uint8_t *q = from;

	if (len <= COPY_SHORT) {
		for (; len >= 8; p += 8, q += 8, len -= 8) {
			uint64_t word;

			__builtin_memcpy(&word, q, 8);
			__builtin_memcpy(p, &word, 8);
			__asm__ volatile("" : : : "memory");
		}
		for (; len; p++, q++, len--) {
			*p = *q;
			__asm__ volatile("" : : : "memory");
		}
		return;
	}
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
		form_copy(s->at, data, len);
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

static void put_string(struct sink *s, const char *text)
{
	uint64_t len = 0;

	if (!text) {
		put_byte(s, MARK_NULL);
		return;
	}
	while (text[len] && len < AGENT_PATH_MAX)
		len++;
	if (len == AGENT_PATH_MAX)
		s->bad = 1;
	put_byte(s, MARK_HERE);
	put(s, text, len + 1);
}

static void put_content(struct sink *s, const uint8_t *data, uint64_t len)
{
	uint64_t sum[2];

	if (len <= AGENT_DIGEST_FROM) {
		put(s, data, len);
		return;
	}
	agent_digest(data, len, sum);
	put(s, sum, sizeof(sum));
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

static void put_buffer(struct sink *s, const uint8_t *data, uint64_t len)
{
	if (!data || len > AGENT_DIGEST_MAX) {
		s->bad = 1;
		return;
	}
	put_byte(s, MARK_HERE);
	put_long(s, len);
	put_byte(s, MARK_HERE);
	put_content(s, data, len);
}

static void put_message(struct sink *s, const struct message *m)
{
	if (!m || m->name || (m->control && m->control_len)) {
		s->bad = 1;
		return;
	}
	put_byte(s, MARK_HERE);
	put_byte(s, MARK_NULL);
	put_vector(s, m->iov, m->count, 1);
	put_byte(s, MARK_NULL);
}

void form_put_inputs(struct sink *s, const struct agent_row *row, const uint64_t a[6])
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
			put_buffer(s, (void *)a[i], from);
			break;
		case AGENT_INOUT:
			if (a[i])
				put_buffer(s, (void *)a[i], row->args[i].size);
			else
				put_byte(s, MARK_NULL);
			break;
		case AGENT_PATH:
			s->bad |= (row->flags & AGENT_NAMES) && (!a[i] || *(char *)a[i]);
			put_string(s, (void *)a[i]);
			break;
		case AGENT_STRING:
			put_string(s, (void *)a[i]);
			break;
		case AGENT_IOV_IN:
			put_vector(s, (void *)a[i], (uint32_t)from, 1);
			break;
		case AGENT_IOV_OUT:
			put_vector(s, (void *)a[i], (uint32_t)from, 0);
			break;
		case AGENT_MESSAGE:
			put_message(s, (void *)a[i]);
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

uint64_t form_out_room(const struct agent_row *row, const uint64_t a[6])
{
	uint64_t room = 0;

	for (int i = 0; i < row->nargs; i++) {
		uint64_t from = row->args[i].from >= 0 ? a[(int)row->args[i].from] : 0;

		switch (row->args[i].kind) {
		case AGENT_OUT:
		case AGENT_INOUT:
			room += row->args[i].size;
			break;
		case AGENT_OUT_RES:
			if (from > AGENT_OUT_MAX)
				return ~0ul;
			room += from;
			break;
		case AGENT_EVENTS:
			if ((uint32_t)from > AGENT_OUT_MAX / 12)
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
	form_copy(out, &len, 4);
	form_copy(out + 4, (void *)at, len);
	return out + 4 + len;
}

static uint8_t *take_vector(uint8_t *out, const struct iovec *iov, uint64_t count, uint32_t len)
{
	form_copy(out, &len, 4);
	out += 4;
	for (uint64_t i = 0; i < count && len; i++) {
		uint32_t piece = iov[i].len < len ? (uint32_t)iov[i].len : len;

		form_copy(out, iov[i].base, piece);
		out += piece;
		len -= piece;
	}
	return out;
}

uint8_t *form_take_outputs(
	uint8_t *out, const struct agent_row *row, const uint64_t a[6], int64_t result)
{
	for (int i = 0; i < row->nargs && result >= 0; i++) {
		uint64_t from = row->args[i].from >= 0 ? a[(int)row->args[i].from] : 0;

		switch (row->args[i].kind) {
		case AGENT_OUT:
		case AGENT_INOUT:
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
			form_copy(out, (void *)a[i], result * 12);
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

static const uint8_t *next(struct source *s, uint32_t *ret_len)
{
	const uint8_t *data = s->at + 4;
	uint32_t len = 0;

	if (s->bad || s->end - s->at < 4) {
		s->bad = 1;
		*ret_len = 0;
		return data;
	}
	form_copy(&len, s->at, 4);
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

		form_copy(iov[i].base, data, piece);
		data += piece;
		len -= piece;
	}
	s->bad |= len != 0;
}

int form_give_outputs(
	struct source *s, const struct agent_row *row, const uint64_t a[6], int64_t result)
{
	for (int i = 0; i < row->nargs && result >= 0 && !s->bad; i++) {
		uint64_t from = row->args[i].from >= 0 ? a[(int)row->args[i].from] : 0;
		const uint8_t *data;
		uint32_t len;

		switch (row->args[i].kind) {
		case AGENT_OUT:
		case AGENT_INOUT:
		case AGENT_OUT_RES:
			data = next(s, &len);
			s->bad |= len > (row->args[i].kind == AGENT_OUT_RES ? from
									    : row->args[i].size) ||
				  (len && !a[i]);
			if (!s->bad)
				form_copy((void *)a[i], data, len);
			break;
		case AGENT_IOV_OUT:
			give_vector(s, (void *)a[i], (uint32_t)from);
			break;
		case AGENT_EVENTS:
			s->bad |= (uint64_t)result > (uint32_t)from ||
				  (uint64_t)(s->end - s->at) < (uint64_t)result * 12;
			if (!s->bad)
				form_copy((void *)a[i], s->at, result * 12);
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
