/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/origin.h"

#include <stdlib.h>

#include "base/xalloc.h"

/* One function: it lies elsewhere than its object's load address would have it. */
struct piece {
	uint64_t start, end;
	uint64_t bias;
};

struct origin {
	unsigned refs;
	char *path;
	struct cfi *cfi;      /* NULL: its file has none */
	struct piece *pieces; /* by address */
	size_t n;
};

static int by_start(const void *x, const void *y)
{
	const struct piece *a = x, *b = y;

	return a->start < b->start ? -1 : a->start > b->start;
}

struct origin *origin_new(struct graft *g, const char *path)
{
	struct origin *o = xzalloc(sizeof(*o));
	uint32_t n;
	const struct sea_map_func *f =
		sea_map_records(g->map, g->object.pair, SEA_T_FUNCS_OLD + g->side, &n);

	o->refs = 1;
	o->path = xstrdup(path);
	o->pieces = xreallocarray(NULL, n, sizeof(*o->pieces));
	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = graft_entry(g, i);

		if (at)
			o->pieces[o->n++] = (struct piece){ at, at + f[i].size, at - f[i].addr };
	}
	if (o->n)
		qsort(o->pieces, o->n, sizeof(*o->pieces), by_start);
	if (cfi_open_memory(g->donor.data, g->donor.size, &o->cfi, NULL) < 0)
		o->cfi = NULL;
	g->donor = (struct donor){ 0 };
	return o;
}

struct origin *origin_get(struct origin *origin)
{
	if (origin)
		origin->refs++;
	return origin;
}

void origin_put(struct origin *origin)
{
	if (!origin || --origin->refs)
		return;
	cfi_close(origin->cfi);
	free(origin->pieces);
	free(origin->path);
	free(origin);
}

bool origin_find(const struct origin *origin, uint64_t pc, struct unwind_place *ret)
{
	size_t lo = 0, hi = origin->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (origin->pieces[mid].end <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == origin->n || pc < origin->pieces[lo].start)
		return false;
	*ret = (struct unwind_place){
		.cfi = origin->cfi, .bias = origin->pieces[lo].bias, .object = origin->path
	};
	return true;
}
