/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/judge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/xalloc.h"

#define OLD 0
#define NEW 1

/* Descriptors of files that a version reads alone. */
#define SOURCES_MAX 16

struct side {
	const struct trace_call *const *v;
	uint32_t n, at;
	bool *taken; /* came out of its turn */
	int sources[SOURCES_MAX];
	int nsources;
};

struct walk {
	struct side side[2];
	struct judgement *out;
};

static void note(struct walk *w, const char *rule)
{
	struct judgement *j = w->out;

	for (int i = 0; i < j->nrules; i++) {
		if (strcmp(j->rules[i], rule) == 0)
			return;
	}
	if (j->nrules < JUDGE_RULES_MAX)
		j->rules[j->nrules++] = rule;
}

static const struct trace_call *next(struct side *s)
{
	while (s->at < s->n && s->taken[s->at])
		s->at++;
	return s->at < s->n ? s->v[s->at] : NULL;
}

static bool is_equal(const struct trace_call *a, const struct trace_call *b)
{
	return a->call.issued == b->call.issued && a->call.row == b->call.row &&
	       a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static bool is_same(const struct trace_call *a, const struct trace_call *b, const char **ret_rule)
{
	*ret_rule = NULL;
	return is_equal(a, b) || foresee_same(&a->call, &b->call, ret_rule);
}

/* What it does with a descriptor that it has alone. */
static bool passes_source(struct side *s, const struct trace_call *c)
{
	for (int i = 0; i < s->nsources; i++) {
		if (!foresee_is_of_source(&c->call, s->sources[i]))
			continue;
		if (c->call.nr == SYS_close)
			s->sources[i] = s->sources[--s->nsources];
		return true;
	}
	return false;
}

/* A call that one version may make alone. */
static bool passes_alone(struct walk *w, struct side *s)
{
	const struct trace_call *c = next(s);
	const char *rule;

	if (!c)
		return false;
	if (passes_source(s, c)) {
		s->at++;
		return true;
	}
	rule = foresee_look(&c->call);
	if (!rule)
		rule = foresee_mode(&c->call);
	if (!rule) {
		rule = foresee_source(&c->call);
		if (!rule)
			return false;
		if (c->call.answered && c->call.result >= 0 && s->nsources < SOURCES_MAX)
			s->sources[s->nsources++] = (int)c->call.result;
	}
	note(w, rule);
	s->at++;
	return true;
}

/* The bytes of one side's transfers of a descriptor in a row; looks may come between. */
struct run {
	struct side *s;
	uint32_t at; /* the next that is not taken into account */
	struct str data;
	uint64_t len;
};

static bool take_transfer(struct run *r, const struct foreseen_bytes *like)
{
	struct foreseen_bytes b;

	while (r->at < r->s->n) {
		const struct trace_call *c = r->s->v[r->at];

		if (!r->s->taken[r->at] && foresee_bytes(&c->call, &b)) {
			if (b.fd != like->fd || b.write != like->write)
				return false;
			if (b.write)
				str_append(&r->data, b.data, b.len);
			r->len += b.len;
			r->at++;
			return true;
		}
		if (!r->s->taken[r->at] && !foresee_look(&c->call))
			return false;
		r->at++;
	}
	return false;
}

static bool agrees(const struct run *a, const struct run *b, bool write)
{
	size_t n = a->data.len < b->data.len ? a->data.len : b->data.len;

	return !write || memcmp(str_text(&a->data), str_text(&b->data), n) == 0;
}

/*
 * The same bytes in other pieces. Of a read what counts is how much: both read the same file. Two
 * that both end where the other does are the same pieces after all, and no match of this rule.
 */
static bool passes_pieces(struct walk *w)
{
	struct run a = { .s = &w->side[OLD], .at = w->side[OLD].at, .data = STR_INIT },
		   b = { .s = &w->side[NEW], .at = w->side[NEW].at, .data = STR_INIT };
	const struct trace_call *x = next(a.s), *y = next(b.s);
	struct foreseen_bytes like, other;
	bool ok = false, first = true;

	if (!x || !y || !foresee_bytes(&x->call, &like) || !foresee_bytes(&y->call, &other) ||
		like.fd != other.fd || like.write != other.write)
		return false;
	while (first || a.len != b.len) {
		struct run *less = a.len <= b.len ? &a : &b;

		if (!take_transfer(less, &like) || (first && !take_transfer(&b, &like)) ||
			!agrees(&a, &b, like.write))
			break;
		first = false;
	}
	ok = !first && a.len == b.len && agrees(&a, &b, like.write);
	if (ok) {
		note(w, FORESEE_PIECES);
		a.s->at = a.at;
		b.s->at = b.at;
	}
	str_free(&a.data);
	str_free(&b.data);
	return ok;
}

/* What the one asks for now comes a little later in the other, and all before may wait. */
static bool passes_reordered(struct walk *w)
{
	struct side *a = &w->side[OLD], *b = &w->side[NEW];
	const struct trace_call *x = next(a);
	const char *rule;
	int ahead = 0;

	next(b);
	for (uint32_t i = b->at; x && i < b->n && ahead < FORESEE_WINDOW; i++) {
		if (b->taken[i])
			continue;
		if (is_same(x, b->v[i], &rule)) {
			note(w, FORESEE_REORDER);
			b->taken[i] = true;
			a->at++;
			return true;
		}
		if (!foresee_commute(&x->call, &b->v[i]->call))
			return false;
		ahead++;
	}
	return false;
}

static const char *unsupported(const struct trace_call *a, const struct trace_call *b)
{
	const char *why = a ? foresee_unsupported(&a->call) : NULL;

	return why || !b ? why : foresee_unsupported(&b->call);
}

void judge(const struct trace_call *const *old, uint32_t nold, const struct trace_call *const *new,
	uint32_t nnew, struct judgement *ret)
{
	struct walk w = { .side = { { .v = old, .n = nold }, { .v = new, .n = nnew } },
		.out = ret };
	const struct trace_call *a, *b;
	const char *rule;

	*ret = (struct judgement){ .covered = true };
	w.side[OLD].taken = xzalloc(nold + 1);
	w.side[NEW].taken = xzalloc(nnew + 1);
	for (;;) {
		a = next(&w.side[OLD]);
		b = next(&w.side[NEW]);
		if (!a && !b)
			break;
		ret->unsupported = unsupported(a, b);
		if (a && b && !ret->unsupported && is_same(a, b, &rule)) {
			if (rule)
				note(&w, rule);
			w.side[OLD].at++;
			w.side[NEW].at++;
			continue;
		}
		if (!ret->unsupported &&
			(passes_alone(&w, &w.side[NEW]) || passes_alone(&w, &w.side[OLD]) ||
				passes_pieces(&w) || passes_reordered(&w)))
			continue;
		ret->covered = false;
		ret->parts[OLD] = a;
		ret->parts[NEW] = b;
		break;
	}
	free(w.side[OLD].taken);
	free(w.side[NEW].taken);
}
