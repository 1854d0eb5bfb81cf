/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E. W. Myers, An O(ND) Difference Algorithm and Its Variations (1986), section 4b: the middle
 * snake of a box is found from both corners at once, and the two boxes beside it are compared in
 * turn. The boxes that are still to do are kept on a stack of our own.
 */
#include "compare/myers.h"

#include <stdlib.h>

#include "base/xalloc.h"

struct box {
	uint32_t a, na, b, nb;
};

struct search {
	const uint32_t *a, *b;
	int64_t *forth, *back; /* by diagonal: the furthest x */
	int64_t middle;	       /* index of diagonal 0 */
	uint64_t work;
	struct box *todo;
	size_t ntodo, room;
	struct myers *out;
	size_t out_room;
};

static void add_hunk(struct search *s, struct box box)
{
	struct myers *m = s->out;
	struct myers_hunk *last = m->n ? &m->hunks[m->n - 1] : NULL;

	if (!box.na && !box.nb)
		return;
	m->distance += (uint64_t)box.na + box.nb;
	if (last && last->a + last->na == box.a && last->b + last->nb == box.b) {
		last->na += box.na;
		last->nb += box.nb;
		return;
	}
	if (m->n == s->out_room) {
		s->out_room = s->out_room ? s->out_room * 2 : 16;
		m->hunks = xreallocarray(m->hunks, s->out_room, sizeof(*m->hunks));
	}
	m->hunks[m->n++] = (struct myers_hunk){ box.a, box.na, box.b, box.nb };
}

static void push(struct search *s, struct box box)
{
	if (s->ntodo == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->todo = xreallocarray(s->todo, s->room, sizeof(*s->todo));
	}
	s->todo[s->ntodo++] = box;
}

/* Equal elements at both ends are in no hunk. */
static void trim(const struct search *s, struct box *box)
{
	while (box->na && box->nb && s->a[box->a] == s->b[box->b]) {
		box->a++;
		box->b++;
		box->na--;
		box->nb--;
	}
	while (box->na && box->nb && s->a[box->a + box->na - 1] == s->b[box->b + box->nb - 1]) {
		box->na--;
		box->nb--;
	}
}

static bool spend(struct search *s, uint64_t n)
{
	if (s->work < n) {
		s->work = 0;
		return false;
	}
	s->work -= n;
	return true;
}

/*
 * One step of one side: diagonal @k of distance @d is followed as far as the elements are equal.
 * Forth, x counts from the box's beginning; back, from its end.
 */
static int64_t follow(
	struct search *s, const struct box *box, int64_t *v, int64_t k, int64_t d, bool back)
{
	int64_t *at = v + s->middle + k, x, y, start;
	const uint32_t *a = s->a + box->a, *b = s->b + box->b;
	const int64_t n = box->na, m = box->nb;

	x = k == -d || (k != d && at[-1] < at[1]) ? at[1] : at[-1] + 1;
	y = x - k;
	start = x;
	/* Diagonals can leave the box; there is nothing to follow then. */
	while (x < n && y < m && x >= 0 && y >= 0 &&
		(back ? a[n - 1 - x] == b[m - 1 - y] : a[x] == b[y])) {
		x++;
		y++;
	}
	s->work = s->work > (uint64_t)(x - start) ? s->work - (uint64_t)(x - start) : 0;
	*at = x;
	return x;
}

static bool is_inside(const struct box *box, int64_t x, int64_t y)
{
	return x >= 0 && y >= 0 && x <= box->na && y <= box->nb;
}

/* A point on a shortest path, not at a corner. False: too much work. */
static bool split(struct search *s, const struct box *box, uint32_t *ret_x, uint32_t *ret_y)
{
	const int64_t n = box->na, m = box->nb, delta = n - m, half = (n + m + 1) / 2;
	int64_t k, x;

	s->forth[s->middle + 1] = s->back[s->middle + 1] = 0;
	for (int64_t d = 0; d <= half; d++) {
		if (!spend(s, 2 * (uint64_t)d + 2))
			return false;
		for (k = -d; k <= d; k += 2) {
			x = follow(s, box, s->forth, k, d, false);
			if ((delta & 1) && k >= delta - (d - 1) && k <= delta + (d - 1) &&
				x + s->back[s->middle + delta - k] >= n &&
				is_inside(box, x, x - k)) {
				*ret_x = (uint32_t)x;
				*ret_y = (uint32_t)(x - k);
				return true;
			}
		}
		for (k = -d; k <= d; k += 2) {
			x = follow(s, box, s->back, k, d, true);
			if (!(delta & 1) && delta - k >= -d && delta - k <= d &&
				x + s->forth[s->middle + delta - k] >= n &&
				is_inside(box, x, x - k)) {
				*ret_x = (uint32_t)(n - x);
				*ret_y = (uint32_t)(m - (x - k));
				return true;
			}
		}
	}
	return false;
}

static void compare_box(struct search *s, struct box box)
{
	uint32_t x, y;

	trim(s, &box);
	if (!box.na || !box.nb) {
		add_hunk(s, box);
		return;
	}
	if (!split(s, &box, &x, &y) || (x == 0 && y == 0) || (x == box.na && y == box.nb)) {
		s->out->exact &= s->work > 0;
		add_hunk(s, box);
		return;
	}
	/* The first part is compared first: it lies on top of the stack. */
	push(s, (struct box){ box.a + x, box.na - x, box.b + y, box.nb - y });
	push(s, (struct box){ box.a, x, box.b, y });
}

void myers_compare(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, uint64_t work,
	struct myers *ret)
{
	const size_t diagonals = (size_t)na + nb + 4;
	struct search s = {
		.a = a, .b = b, .middle = (int64_t)diagonals, .work = work ? work : 1, .out = ret
	};

	*ret = (struct myers){ .exact = true };
	s.forth = xzalloc((2 * diagonals + 1) * sizeof(*s.forth));
	s.back = xzalloc((2 * diagonals + 1) * sizeof(*s.back));
	push(&s, (struct box){ 0, na, 0, nb });
	while (s.ntodo)
		compare_box(&s, s.todo[--s.ntodo]);
	free(s.forth);
	free(s.back);
	free(s.todo);
}

void myers_free(struct myers *m)
{
	free(m->hunks);
	*m = (struct myers){ 0 };
}
