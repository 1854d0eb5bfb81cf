/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/sequence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/xalloc.h"

/* The kernel's codes for "a signal broke in": linux/errno.h. */
#define RESTART_FIRST 512
#define RESTART_LAST  516

struct interner {
	struct slot {
		char *key;
		size_t len;
		uint64_t hash;
		uint32_t token; /* 0: free */
	} * slots;
	size_t room; /* a power of two */
	uint32_t n;
};

struct interner *interner_new(void)
{
	struct interner *in = xzalloc(sizeof(*in));

	in->room = 1024;
	in->slots = xzalloc(in->room * sizeof(*in->slots));
	return in;
}

void interner_free(struct interner *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->room; i++)
		free(in->slots[i].key);
	free(in->slots);
	free(in);
}

/* FNV-1a */
static uint64_t hash_of(const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ul;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3ul;
	return h;
}

static struct slot *slot_of(struct interner *in, const char *key, size_t len, uint64_t hash)
{
	size_t i = hash & (in->room - 1);

	while (in->slots[i].token && (in->slots[i].hash != hash || in->slots[i].len != len ||
					     memcmp(in->slots[i].key, key, len) != 0))
		i = (i + 1) & (in->room - 1);
	return &in->slots[i];
}

static void grow(struct interner *in)
{
	struct slot *old = in->slots;
	size_t room = in->room;

	in->room *= 2;
	in->slots = xzalloc(in->room * sizeof(*in->slots));
	for (size_t i = 0; i < room; i++) {
		if (old[i].token)
			*slot_of(in, old[i].key, old[i].len, old[i].hash) = old[i];
	}
	free(old);
}

uint32_t interner_number(struct interner *in, const char *key, size_t len)
{
	const uint64_t hash = hash_of(key, len);
	struct slot *slot = slot_of(in, key, len, hash);

	if (slot->token)
		return slot->token;
	if (in->n * 2 >= in->room) {
		grow(in);
		slot = slot_of(in, key, len, hash);
	}
	*slot = (struct slot){ xmemdup(key, len), len, hash, ++in->n };
	return slot->token;
}

/* How far a call's arguments count. */
enum extent { CALLS_ONLY, BUT_DESCRIPTOR, ARGUMENTS };

static uint32_t token_of(struct interner *in, const struct trace_call *c, enum extent extent)
{
	cleanup_str struct str key = STR_INIT;
	const struct sys_row *row = c->call.row;
	/* It stands first in the normal form; what a timer opens has whatever number is free. */
	size_t skip = extent == BUT_DESCRIPTOR && row && row->nargs &&
				      row->args[0].kind == ARG_FD && c->key_len >= sizeof(uint32_t)
			      ? sizeof(uint32_t)
			      : 0;

	str_printf(&key, "%lu %s", c->call.issued, c->call.row ? c->call.row->name : "");
	str_putc(&key, '\0');
	if (extent != CALLS_ONLY)
		str_append(&key, c->key + skip, c->key_len - skip);
	return interner_number(in, str_text(&key), key.len);
}

static bool is_sleep(const struct trace_call *c)
{
	return c->call.nr == SYS_nanosleep || c->call.nr == SYS_clock_nanosleep;
}

static bool is_wait(const struct trace_call *c)
{
	return is_sleep(c) || sys_awaits_fds(c->call.nr);
}

static bool is_timing(const struct trace_call *c)
{
	const int64_t r = c->call.result;

	/* Whoever is ended while it waits may not have come to its wait yet. */
	if (!c->call.answered && (is_wait(c) || c->call.nr == SYS_pause))
		return true;
	switch (c->call.nr) {
	case SYS_futex:
	case SYS_clock_gettime:
	case SYS_gettimeofday:
	case SYS_time:
	case SYS_times:
	case SYS_getrusage:
	case SYS_getcpu:
	case SYS_sched_yield:
	case SYS_restart_syscall:
		return true;
	case SYS_accept4: /* the older call has this number too: rules_rename() */
		if (r == -EAGAIN)
			return true;
		break;
	}
	return c->call.answered && !is_wait(c) &&
	       (r == -EINTR || (r <= -RESTART_FIRST && r >= -RESTART_LAST));
}

/* From one wait to the next. */
struct piece {
	uint32_t at, n; /* in the sequence of all that counts */
	bool timed;	/* it begins with a wait that timed out */
	bool has_wait;	/* its first call is a wait */
};

struct pieces {
	struct piece *v;
	uint32_t n;
	struct sequence all;
};

static void append(struct sequence *s, uint32_t token, const struct trace_call *call)
{
	if (!(s->n & (s->n - 1))) { /* a power of two: full */
		size_t room = s->n ? s->n * 2ul : 1;

		s->tokens = xreallocarray(s->tokens, room, sizeof(*s->tokens));
		s->calls = xreallocarray(s->calls, room, sizeof(*s->calls));
	}
	s->tokens[s->n] = token;
	s->calls[s->n++] = call;
}

static void cut_up(const struct trace *t, uint32_t thread, bool calls_only, struct interner *in,
	struct pieces *ret)
{
	struct piece *p;

	*ret = (struct pieces){ 0 };
	ret->v = xzalloc(sizeof(*ret->v));
	ret->n = 1;
	for (uint32_t i = 0; i < t->ncalls; i++) {
		const struct trace_call *c = &t->calls[i];
		bool wait = is_wait(c);

		if (c->thread != thread || is_timing(c))
			continue;
		if (wait) {
			if (!(ret->n & (ret->n - 1)))
				ret->v = xreallocarray(ret->v, ret->n * 2ul, sizeof(*ret->v));
			ret->v[ret->n++] = (struct piece){ .at = ret->all.n,
				.has_wait = true,
				.timed = !is_sleep(c) && c->call.answered && c->call.result == 0 };
		}
		p = &ret->v[ret->n - 1];
		p->n++;
		append(&ret->all, token_of(in, c, calls_only ? CALLS_ONLY : ARGUMENTS), c);
	}
}

/* Of one trace: the same work, though perhaps on another descriptor. */
static int compare_kinds(const struct trace_call *a, const struct trace_call *b)
{
	if (a->call.issued != b->call.issued)
		return a->call.issued < b->call.issued ? -1 : 1;
	if (a->call.row != b->call.row)
		return a->call.row < b->call.row ? -1 : 1;
	return strcmp(a->function, b->function);
}

static int compare_pieces(const struct sequence *all, const struct piece *a, const struct piece *b)
{
	int order;

	for (uint32_t i = 1; i < a->n && i < b->n; i++) {
		order = compare_kinds(all->calls[a->at + i], all->calls[b->at + i]);
		if (order)
			return order;
	}
	return a->n == b->n ? 0 : a->n < b->n ? -1 : 1;
}

static int by_kinds(const void *a, const void *b, void *all)
{
	int order = compare_pieces(all, a, b);

	/* The first of each kind is kept. */
	return order							       ? order
	       : ((const struct piece *)a)->at < ((const struct piece *)b)->at ? -1
									       : 1;
}

static int by_place(const void *a, const void *b)
{
	return ((const struct piece *)a)->at < ((const struct piece *)b)->at ? -1 : 1;
}

/* Each kind once, in the order in which they were met, without those that do nothing. */
static uint32_t timed_pieces(const struct pieces *p, struct piece *ret)
{
	uint32_t n = 0, kept = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		if (p->v[i].timed && p->v[i].n > 1)
			ret[n++] = p->v[i];
	}
	qsort_r(ret, n, sizeof(*ret), by_kinds, (void *)&p->all);
	for (uint32_t i = 0; i < n; i++) {
		if (!kept || compare_pieces(&p->all, &ret[kept - 1], &ret[i]) != 0)
			ret[kept++] = ret[i];
	}
	qsort(ret, kept, sizeof(*ret), by_place);
	return kept;
}

static bool ends_with(const struct pieces *p, const struct piece *piece, const struct piece *timed)
{
	uint32_t n = timed->n - 1, end = piece->at + piece->n;

	for (uint32_t i = 0; i < n; i++) {
		if (compare_kinds(p->all.calls[end - n + i], p->all.calls[timed->at + 1 + i]) != 0)
			return false;
	}
	return true;
}

/* The timer's work can come after other work, without a wait between: the longest that fits. */
static uint32_t timed_tail(const struct pieces *p, const struct piece *piece,
	const struct piece *timed, uint32_t ntimed)
{
	uint32_t best = 0, body = piece->n - (piece->has_wait ? 1 : 0);

	for (uint32_t i = 0; i < ntimed; i++) {
		uint32_t n = timed[i].n - 1;

		if (n > best && n <= body && ends_with(p, piece, &timed[i]))
			best = n;
	}
	return best;
}

/* Has this thread waited so before? */
static bool is_first(bool **seen, uint32_t *nseen, uint32_t token)
{
	if (token >= *nseen) {
		uint32_t n = token * 2 + 64;

		*seen = xreallocarray(*seen, n, sizeof(**seen));
		memset(*seen + *nseen, 0, (n - *nseen) * sizeof(**seen));
		*nseen = n;
	}
	if ((*seen)[token])
		return false;
	return (*seen)[token] = true;
}

/* Enough of them to tell a timer's work from a few coincidences; the search is quadratic else. */
#define TIMED_MAX 256

void sequence_make(const struct trace *trace, uint32_t thread, bool calls_only, struct interner *in,
	struct sequence *ret_main, struct sequence *ret_timed)
{
	cleanup_free struct piece *timed = NULL;
	cleanup_free bool *seen = NULL;
	uint32_t ntimed, nseen = 0;
	struct pieces p;

	*ret_main = *ret_timed = (struct sequence){ 0 };
	cut_up(trace, thread, calls_only, in, &p);
	timed = xzalloc((p.n + 1) * sizeof(*timed));
	ntimed = timed_pieces(&p, timed);
	for (uint32_t i = 0; i < ntimed; i++) {
		for (uint32_t k = 1; k < timed[i].n; k++) {
			const struct trace_call *c = p.all.calls[timed[i].at + k];

			append(ret_timed, token_of(in, c, calls_only ? CALLS_ONLY : BUT_DESCRIPTOR),
				c);
		}
	}
	if (ntimed > TIMED_MAX)
		ntimed = TIMED_MAX;
	for (uint32_t i = 0; i < p.n; i++) {
		const struct piece *piece = &p.v[i];
		uint32_t k = piece->at, end = piece->at + piece->n;

		if (piece->has_wait) {
			if (is_first(&seen, &nseen, p.all.tokens[k]))
				append(ret_main, p.all.tokens[k], p.all.calls[k]);
			k++;
		}
		end = piece->timed ? k : end - timed_tail(&p, piece, timed, ntimed);
		for (; k < end; k++)
			append(ret_main, p.all.tokens[k], p.all.calls[k]);
	}
	sequence_free(&p.all);
	free(p.v);
}

void sequence_free(struct sequence *s)
{
	free(s->tokens);
	free(s->calls);
	*s = (struct sequence){ 0 };
}
