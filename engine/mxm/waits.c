/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/waits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/canon.h"
#include "mxm/canon_shape.h"
#include "mxm/rules.h"
#include "mxm/vectors.h"

#define WANTS_MAX 4096

/* What select(2) calls readable, writable, exceptional, in words of poll(2): see its NOTES. */
#define READABLE (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define WRITABLE (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)

static const uint16_t set_asks[3] = { POLLIN, POLLOUT, POLLPRI };
static const uint16_t set_tells[3] = { READABLE, WRITABLE, POLLPRI };

struct want {
	uint32_t fd; /* -1: none, as poll(2) allows */
	uint16_t events, got;
};

struct wait {
	bool sets;	/* select's shape */
	int64_t for_ns; /* WAITS_FOREVER */
	bool has_time;	/* its time is told back, when there is one */
	size_t nbytes;	/* of a set */
	bool has_set[3];
	uint32_t n;
	struct want *wants;
};

static void wait_free(struct wait *w)
{
	free(w->wants);
}

/* A normal form that is read from the front. */
struct reader {
	const char *at, *end;
};

static bool take(struct reader *r, void *ret, size_t len)
{
	if ((size_t)(r->end - r->at) < len)
		return false;
	memcpy(ret, r->at, len);
	r->at += len;
	return true;
}

static bool take_mark(struct reader *r, char mark)
{
	char c;

	return take(r, &c, 1) && c == mark;
}

/* put_bytes(): what of a length that is known stands behind a pointer; false: another length. */
static bool take_bytes(struct reader *r, void *ret, size_t len)
{
	uint64_t n;

	return take(r, &n, sizeof(n)) && n == len && take_mark(r, MARK_HERE) && take(r, ret, len);
}

static bool to_ns(int64_t sec, int64_t part, int64_t unit, int64_t *ret)
{
	if (sec < 0 || part < 0 || part >= 1000000000 / unit || sec > INT32_MAX)
		return false;
	*ret = sec * 1000000000 + part * unit;
	return true;
}

/* A struct timespec or timeval behind a pointer. */
static bool take_time(struct reader *r, int64_t unit, struct wait *w)
{
	int64_t words[2];
	char mark;

	if (!take(r, &mark, 1))
		return false;
	w->for_ns = WAITS_FOREVER;
	w->has_time = mark == MARK_HERE;
	if (mark != MARK_HERE)
		return mark == MARK_NULL;
	return take_bytes(r, words, sizeof(words)) && to_ns(words[0], words[1], unit, &w->for_ns);
}

static bool read_poll(const struct call *call, struct reader *r, struct wait *w)
{
	uint32_t n = (uint32_t)call->args[1], pair[2], ms;
	uint64_t size;

	if (n > WANTS_MAX)
		return false;
	w->wants = xreallocarray(NULL, n + 1, sizeof(*w->wants));
	for (; w->n < n && take(r, pair, sizeof(pair)); w->n++)
		w->wants[w->n] = (struct want){ pair[0], (uint16_t)pair[1], 0 };
	if (w->n != n || !take(r, &n, sizeof(n)))
		return false;
	if (call->nr == SYS_ppoll)
		return take_time(r, 1, w) && take_mark(r, MARK_NULL) && take(r, &size, 8);
	if (!take(r, &ms, sizeof(ms)))
		return false;
	w->for_ns = (int32_t)ms < 0 ? WAITS_FOREVER : (int64_t)ms * 1000000;
	return true;
}

static void want_one(struct wait *w, uint32_t fd, uint16_t events)
{
	for (uint32_t i = w->n; i--;) {
		if (w->wants[i].fd == fd) {
			w->wants[i].events |= events;
			return;
		}
	}
	w->wants[w->n++] = (struct want){ fd, events, 0 };
}

static bool read_select(const struct call *call, struct reader *r, struct wait *w)
{
	uint8_t set[WANTS_MAX / 8];
	uint32_t nfds;
	char mark;

	if (!take(r, &nfds, sizeof(nfds)) || nfds > WANTS_MAX)
		return false;
	w->sets = true;
	w->nbytes = vectors_fdset_bytes(nfds);
	w->wants = xreallocarray(NULL, nfds + 1, sizeof(*w->wants));
	for (int k = 0; k < 3; k++) {
		if (!take(r, &mark, 1) || (mark != MARK_HERE && mark != MARK_NULL))
			return false;
		w->has_set[k] = mark == MARK_HERE;
		if (w->has_set[k] && !take_bytes(r, set, w->nbytes))
			return false;
		for (uint32_t fd = 0; w->has_set[k] && fd < nfds; fd++) {
			if (set[fd / 8] >> (fd % 8) & 1)
				want_one(w, fd, set_asks[k]);
		}
	}
	if (call->nr == SYS_select)
		return take_time(r, 1000, w);
	return take_time(r, 1, w) && take_mark(r, MARK_NULL);
}

static bool wait_read(const struct call *call, const struct str *in, struct wait *w)
{
	struct reader r = { str_text(in), str_text(in) + in->len };

	*w = (struct wait){ .n = 0 };
	switch (call->nr) {
	case SYS_poll:
	case SYS_ppoll:
		return read_poll(call, &r, w) && r.at == r.end;
	case SYS_select:
	case SYS_pselect6:
		return read_select(call, &r, w) && r.at == r.end;
	}
	return false;
}

static bool is_wait(uint64_t nr)
{
	return nr == SYS_poll || nr == SYS_ppoll || nr == SYS_select || nr == SYS_pselect6;
}

/* Of poll's shape, as select can say it: each descriptor once, with states that select has. */
static bool as_sets(const struct wait *w, struct wait *ret)
{
	*ret = (struct wait){ .sets = true, .for_ns = w->for_ns };
	ret->wants = xreallocarray(NULL, w->n + 1, sizeof(*ret->wants));
	for (uint32_t i = 0; i < w->n; i++) {
		uint16_t events = w->wants[i].events, asked = 0;

		if ((int32_t)w->wants[i].fd < 0)
			continue;
		if (events & (POLLIN | POLLRDNORM))
			asked |= POLLIN;
		if (events & (POLLOUT | POLLWRNORM))
			asked |= POLLOUT;
		if (events & POLLPRI)
			asked |= POLLPRI;
		/* With no state asked for, poll tells of errors still; select does not look. */
		if (!asked || (events & ~(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI)))
			return false;
		want_one(ret, w->wants[i].fd, asked);
	}
	return true;
}

/* The next place at or after @i that asks for something: poll(2) passes the others over. */
static uint32_t asking(const struct wait *w, uint32_t i)
{
	while (i < w->n && (int32_t)w->wants[i].fd < 0)
		i++;
	return i;
}

static bool same_want(const struct want *a, const struct want *b)
{
	return a->fd == b->fd && a->events == b->events;
}

static bool same_polls(const struct wait *a, const struct wait *b)
{
	uint32_t i = asking(a, 0), k = asking(b, 0);

	while (i < a->n && k < b->n && same_want(&a->wants[i], &b->wants[k])) {
		i = asking(a, i + 1);
		k = asking(b, k + 1);
	}
	return i == a->n && k == b->n;
}

static bool same_sets(const struct wait *a, const struct wait *b)
{
	for (uint32_t i = 0; i < a->n; i++) {
		uint32_t k = 0;

		while (k < b->n && !same_want(&a->wants[i], &b->wants[k]))
			k++;
		if (k == b->n)
			return false;
	}
	return a->n == b->n;
}

/* Both wait, and not forever; or neither does. */
static bool may_last(int64_t a_ns, int64_t b_ns)
{
	return a_ns == b_ns ||
	       (a_ns > 0 && b_ns > 0 && a_ns != WAITS_FOREVER && b_ns != WAITS_FOREVER);
}

static bool is_identical(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b)
{
	return a->nr == b->nr && in_a->len == in_b->len &&
	       memcmp(str_text(in_a), str_text(in_b), in_a->len) == 0;
}

/* Of the same set, with the same room. */
static bool same_epolls(const struct call *a, const struct call *b)
{
	return a->nr == SYS_epoll_wait && b->nr == SYS_epoll_wait &&
	       (int)a->args[0] == (int)b->args[0] && (int)a->args[2] == (int)b->args[2] &&
	       (int)a->args[3] > 0 && (int)b->args[3] > 0;
}

const char *waits_rule(
	const struct call *a, const struct str *in_a, const struct call *b, const struct str *in_b)
{
	struct wait x = { 0 }, y = { 0 }, sets = { 0 };
	const char *rule = NULL;
	bool same = false;

	if (is_identical(a, in_a, b, in_b))
		return NULL;
	if (same_epolls(a, b))
		return RULE_SLEEP;
	if (!is_wait(a->nr) || !is_wait(b->nr))
		return NULL;
	if (wait_read(a, in_a, &x) && wait_read(b, in_b, &y) && may_last(x.for_ns, y.for_ns)) {
		rule = x.for_ns == y.for_ns ? RULE_SAME_CALL : RULE_SLEEP;
		if (!x.sets && !y.sets)
			same = same_polls(&x, &y);
		else if (x.sets && y.sets)
			same = same_sets(&x, &y);
		else
			same = as_sets(x.sets ? &y : &x, &sets) &&
			       same_sets(&sets, x.sets ? &x : &y);
	}
	wait_free(&x);
	wait_free(&y);
	wait_free(&sets);
	return same ? rule : NULL;
}

int64_t waits_time(const struct call *call, const struct str *in)
{
	struct wait w = { 0 };
	int64_t ns = 0;

	if (call->nr == SYS_epoll_wait)
		return (int)call->args[3] < 0 ? WAITS_FOREVER : (int64_t)call->args[3] * 1000000;
	if (is_wait(call->nr) && wait_read(call, in, &w))
		ns = w.for_ns;
	wait_free(&w);
	return ns;
}

bool waits_for(const struct call *call, const struct str *in, int fd, bool write)
{
	const uint16_t what = write ? POLLOUT | POLLWRNORM : POLLIN | POLLRDNORM;
	struct wait w = { 0 };
	bool found = false;

	if (is_wait(call->nr) && wait_read(call, in, &w)) {
		for (uint32_t i = 0; i < w.n && !found; i++)
			found = (int)w.wants[i].fd == fd && (w.wants[i].events & what);
	}
	wait_free(&w);
	return found;
}

/* answers */

/* The next block of outputs (outputs.c): its length and its bytes. */
static bool take_block(struct reader *r, void *ret, size_t len)
{
	uint32_t n;

	return take(r, &n, sizeof(n)) && n == len && take(r, ret, len);
}

/* What the leader was told, in poll's words, into @w, which is its own. */
static bool read_answer(const struct str *out, struct wait *w)
{
	struct reader r = { str_text(out), str_text(out) + out->len };
	uint8_t set[WANTS_MAX / 8];

	for (uint32_t i = 0; !w->sets && i < w->n; i++) {
		if (!take_block(&r, &w->wants[i].got, sizeof(w->wants[i].got)))
			return false;
	}
	for (int k = 0; w->sets && k < 3; k++) {
		if (!take_block(&r, set, w->has_set[k] ? w->nbytes : 0))
			return false;
		for (uint32_t i = 0; w->has_set[k] && i < w->n; i++) {
			uint32_t fd = w->wants[i].fd;

			if (set[fd / 8] >> (fd % 8) & 1)
				w->wants[i].got |= set_asks[k];
		}
	}
	return true;
}

static uint16_t told_of(const struct wait *w, uint32_t fd)
{
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->wants[i].fd == fd)
			return w->wants[i].got;
	}
	return 0;
}

/* select's sets say no more than "readable": a state that was asked for by either name is told by
 * both. */
static uint16_t in_polls_words(uint16_t told, uint16_t asked)
{
	uint16_t got = 0;

	if (told & POLLIN)
		got |= asked & (POLLIN | POLLRDNORM);
	if (told & POLLOUT)
		got |= asked & (POLLOUT | POLLWRNORM);
	return got | (told & asked & POLLPRI);
}

static int64_t put_polls(struct wait *ours, const struct wait *theirs, struct str *out)
{
	uint32_t k = asking(theirs, 0);
	int64_t count = 0;

	for (uint32_t i = 0; i < ours->n; i++) {
		struct want *want = &ours->wants[i];

		if (theirs->sets) {
			want->got = in_polls_words(told_of(theirs, want->fd), want->events);
		} else if ((int32_t)want->fd >= 0 && k < theirs->n) {
			want->got = theirs->wants[k].got;
			k = asking(theirs, k + 1);
		}
		count += want->got != 0;
		canon_put_block(out, &want->got, sizeof(want->got));
	}
	return count;
}

static int64_t put_sets(struct wait *ours, const struct wait *theirs, struct str *out)
{
	int64_t count = 0;

	for (int k = 0; k < 3; k++) {
		uint8_t set[WANTS_MAX / 8] = { 0 };

		for (uint32_t i = 0; ours->has_set[k] && i < ours->n; i++) {
			const struct want *want = &ours->wants[i];
			uint16_t told = told_of(theirs, want->fd);

			if (told & POLLNVAL)
				return -EBADMSG; /* select fails as a whole then */
			if (!(want->events & set_asks[k]) || !(told & set_tells[k]))
				continue;
			set[want->fd / 8] |= (uint8_t)(1u << (want->fd % 8));
			count++;
		}
		canon_put_block(out, set, ours->has_set[k] ? (uint32_t)ours->nbytes : 0);
	}
	return count;
}

/* The kernel may leave the time as it was (STICKY_TIMEOUTS), but for one that is over. */
static void put_time(
	const struct task *task, const struct wait *ours, int64_t result, struct str *out)
{
	const int64_t over[2] = { 0, 0 };

	if (task->call.nr != SYS_poll)
		canon_put_block(out, over, ours->has_time && result == 0 ? sizeof(over) : 0);
}

int waits_translate(const struct task *task, const struct event *event, struct str *ret_out,
	int64_t *ret_result)
{
	struct wait ours = { 0 }, theirs = { 0 };
	int64_t count = event->result;
	int rc = 1;

	if (!is_wait(task->call.nr) ||
		is_identical(&task->call, &task->in, &event->call, &event->in))
		return 0;
	if (!wait_read(&task->call, &task->in, &ours) ||
		!wait_read(&event->call, &event->in, &theirs))
		rc = -EBADMSG;
	if (rc == 1 && event->result >= 0) {
		if (!read_answer(&event->out, &theirs))
			rc = -EBADMSG;
		else
			count = ours.sets ? put_sets(&ours, &theirs, ret_out)
					  : put_polls(&ours, &theirs, ret_out);
		/* An end that only poll tells, of a descriptor that was to be written to. */
		if (rc == 1 && (count < 0 || !count != !event->result ||
				       (event->sig && count != event->result)))
			rc = -EBADMSG;
	}
	if (rc == 1) {
		put_time(task, &ours, event->result, ret_out);
		*ret_result = count;
	}
	wait_free(&ours);
	wait_free(&theirs);
	return rc;
}
