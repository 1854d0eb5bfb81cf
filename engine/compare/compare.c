/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define OLD 0
#define NEW 1

/* Elements that one comparison of two sequences looks at: some seconds. */
#define WORK 400000000ul

/* Hunks with so few calls between them are one difference: rules look as far. */
#define GAP FORESEE_WINDOW

static int64_t thread_called(const struct trace *t, const char *name)
{
	for (uint32_t i = 0; i < t->nthreads; i++) {
		if (strcmp(t->threads[i].name, name) == 0)
			return i;
	}
	return -1;
}

static void add_threads(struct comparison *c, struct interner *in, const char *name)
{
	struct compared_thread *main, *timed;

	c->threads = xreallocarray(c->threads, c->nthreads + 2, sizeof(*c->threads));
	main = &c->threads[c->nthreads++];
	timed = &c->threads[c->nthreads++];
	*main = (struct compared_thread){ .name = xstrdup(name) };
	*timed = (struct compared_thread){ .name = xstrdup(name), .timed = true };
	for (int side = OLD; side <= NEW; side++) {
		int64_t i = thread_called(c->traces[side], name);

		if (i < 0)
			continue;
		main->has[side] = timed->has[side] = true;
		sequence_make(c->traces[side], (uint32_t)i, c->calls_only, in, &main->seq[side],
			&timed->seq[side]);
		c->ncalls[side] += main->seq[side].n + timed->seq[side].n;
	}
}

static const struct trace_call *find_unsupported(const struct trace *t)
{
	for (uint32_t i = 0; i < t->ncalls; i++) {
		if (foresee_unsupported(&t->calls[i].call))
			return &t->calls[i];
	}
	return NULL;
}

/* Calls around a difference belong to what a rule sees; they are equal in both. */
static void judge_widely(struct difference *d)
{
	const struct sequence *s = d->thread->seq;
	uint32_t before = GAP, after = GAP;
	struct judgement wide;

	judge(s[OLD].calls + d->from[OLD], d->to[OLD] - d->from[OLD], s[NEW].calls + d->from[NEW],
		d->to[NEW] - d->from[NEW], &d->judged);
	if (d->judged.covered || d->judged.unsupported)
		return;
	for (int side = OLD; side <= NEW; side++) {
		if (before > d->from[side])
			before = d->from[side];
		if (after > s[side].n - d->to[side])
			after = s[side].n - d->to[side];
	}
	judge(s[OLD].calls + d->from[OLD] - before, d->to[OLD] - d->from[OLD] + before + after,
		s[NEW].calls + d->from[NEW] - before, d->to[NEW] - d->from[NEW] + before + after,
		&wide);
	if (wide.covered)
		d->judged = wide;
}

static bool is_like(const struct difference *a, const struct difference *b)
{
	for (int side = OLD; side <= NEW; side++) {
		uint32_t n = a->to[side] - a->from[side];

		if (n != b->to[side] - b->from[side])
			return false;
		for (uint32_t i = 0; i < n; i++) {
			const struct trace_call *x = a->thread->seq[side].calls[a->from[side] + i];
			const struct trace_call *y = b->thread->seq[side].calls[b->from[side] + i];

			if (x->call.row != y->call.row || x->call.issued != y->call.issued ||
				strcmp(x->function, y->function) != 0)
				return false;
		}
	}
	return a->judged.covered == b->judged.covered;
}

/* All that is left of the one, and nothing of the one that crashed. */
static bool is_cut_off(const struct comparison *c, const struct difference *d)
{
	for (int side = OLD; side <= NEW; side++) {
		if (c->traces[side]->end == TRACE_CRASHED && d->thread->has[side] &&
			d->from[side] == d->thread->seq[side].n)
			return true;
	}
	return false;
}

static void add_difference(struct comparison *c, struct difference *d)
{
	judge_widely(d);
	d->cut_off = is_cut_off(c, d);
	d->same_as = c->n;
	for (size_t i = 0; i < c->n; i++) {
		const struct difference *before = &c->differences[i];

		if (before->same_as == i && d->same_as == c->n && is_like(before, d))
			d->same_as = i;
	}
	c->differences = xreallocarray(c->differences, c->n + 1, sizeof(*c->differences));
	c->differences[c->n++] = *d;
}

static void find_differences(struct comparison *c, const struct compared_thread *t)
{
	const struct myers_hunk *h = t->diff.hunks;

	for (size_t i = 0, k; i < t->diff.n; i = k) {
		struct difference d = { .thread = t, .hunks = &h[i] };

		for (k = i + 1; k < t->diff.n && h[k].a - (h[k - 1].a + h[k - 1].na) <= GAP; k++) {
		}
		d.nhunks = k - i;
		d.from[OLD] = h[i].a;
		d.from[NEW] = h[i].b;
		d.to[OLD] = h[k - 1].a + h[k - 1].na;
		d.to[NEW] = h[k - 1].b + h[k - 1].nb;
		add_difference(c, &d);
	}
}

/* A difference is looked for among those before it: more than so many are not told apart. */
#define DIFFERENCES_MAX 5000

struct comparison *comparison_make(
	const struct trace *old, const struct trace *new, bool calls_only)
{
	struct comparison *c = xzalloc(sizeof(*c));
	struct interner *in = interner_new();

	c->traces[OLD] = old;
	c->traces[NEW] = new;
	c->calls_only = calls_only;
	c->exact = true;
	for (uint32_t i = 0; i < old->nthreads; i++)
		add_threads(c, in, old->threads[i].name);
	for (uint32_t i = 0; i < new->nthreads; i++) {
		if (thread_called(old, new->threads[i].name) < 0)
			add_threads(c, in, new->threads[i].name);
	}
	interner_free(in);
	for (size_t i = 0; i < c->nthreads; i++) {
		struct compared_thread *t = &c->threads[i];

		myers_compare(t->seq[OLD].tokens, t->seq[OLD].n, t->seq[NEW].tokens, t->seq[NEW].n,
			WORK / (c->nthreads + 1), &t->diff);
		c->distance += t->diff.distance;
		c->exact &= t->diff.exact;
	}
	for (size_t i = 0; i < c->nthreads && c->n < DIFFERENCES_MAX; i++)
		find_differences(c, &c->threads[i]);
	c->unsupported = find_unsupported(old);
	if (!c->unsupported)
		c->unsupported = find_unsupported(new);
	return c;
}

void comparison_free(struct comparison *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nthreads; i++) {
		free(c->threads[i].name);
		sequence_free(&c->threads[i].seq[OLD]);
		sequence_free(&c->threads[i].seq[NEW]);
		myers_free(&c->threads[i].diff);
	}
	free(c->threads);
	free(c->differences);
	free(c);
}

/* Does a call of that kind, in that thread, differ from run to run? */
static bool is_noise(const struct comparison *noise, const char *thread,
	const struct trace_call *call, bool by_function)
{
	for (size_t i = 0; i < noise->n; i++) {
		const struct difference *d = &noise->differences[i];

		if (strcmp(d->thread->name, thread) != 0)
			continue;
		for (size_t k = 0; k < d->nhunks; k++) {
			const struct myers_hunk *h = &d->hunks[k];

			for (uint32_t j = 0; j < h->na + h->nb; j++) {
				const struct trace_call *c =
					j < h->na ? d->thread->seq[OLD].calls[h->a + j]
						  : d->thread->seq[NEW].calls[h->b + j - h->na];

				if (c->call.row == call->call.row &&
					(!by_function || strcmp(c->function, call->function) == 0))
					return true;
			}
		}
	}
	return false;
}

static bool is_unsteady(const struct difference *d, const struct comparison *noise)
{
	const struct compared_thread *t = d->thread;

	for (size_t k = 0; k < d->nhunks; k++) {
		const struct myers_hunk *h = &d->hunks[k];

		for (uint32_t i = 0; i < h->na; i++) {
			if (!is_noise(noise, t->name, t->seq[OLD].calls[h->a + i], true))
				return false;
		}
		/* The new version's functions may have other names, or none. */
		for (uint32_t i = 0; i < h->nb; i++) {
			if (!is_noise(noise, t->name, t->seq[NEW].calls[h->b + i], false))
				return false;
		}
	}
	return true;
}

void comparison_mark_unsteady(struct comparison *c, const struct comparison *noise)
{
	for (size_t i = 0; i < c->n; i++) {
		struct difference *d = &c->differences[i];

		if (d->unsteady)
			continue;
		d->unsteady = is_unsteady(d, noise);
		for (size_t k = 0; k < d->nhunks && d->unsteady; k++)
			c->unsteady += d->hunks[k].na + d->hunks[k].nb;
	}
}
