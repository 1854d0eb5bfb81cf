/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "compare/compare.h"
#include "sea/sea.h"
#include "sea/tally.h"

/* Seconds are what an operator waits for; a large program takes as long as that. */
#define ANALYSIS_MS 120000

void outlook_find(const char *old_path, const char *new_path, struct outlook *ret)
{
	const struct sea_opts opts = { .limit_ms = ANALYSIS_MS };
	struct sea_map *map;
	struct sea_tally tally;
	struct err err;

	*ret = (struct outlook){ 0 };
	if (sea_analyze_pairs(&old_path, &new_path, NULL, 1, &opts, &map, &err) < 0) {
		ret->why_not = xstrdup(err.text);
		return;
	}
	for (uint32_t i = 0; i < sea_map_count(map); i++) {
		const struct sea_map_object *o = sea_map_object(map, i);

		if (o->state == SEA_O_IDENTICAL) {
			ret->known = true;
		} else if (o->state == SEA_O_ANALYSED) {
			sea_tally(map, o, &tally);
			ret->known = true;
			ret->functions += tally.funcs[1];
			ret->changed += tally.funcs[1] - tally.verdict[SEA_V_IDENTICAL];
			ret->spliceable +=
				tally.funcs[1] - tally.verdict[SEA_V_IDENTICAL] - tally.refused[1];
		} else if (!ret->why_not) {
			ret->why_not = xstrdup(sea_map_string(map, o->reason));
		}
	}
	sea_map_close(map);
}

void outlook_free(struct outlook *o)
{
	free(o->why_not);
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_IDENTICAL] = "identical",
		[VERDICT_TOGETHER] = "together",
		[VERDICT_DIVERGES] = "diverges",
		[VERDICT_CRASHES] = "crashes",
		[VERDICT_UNSUPPORTED] = "unsupported",
	};

	return names[verdict];
}

/* Ended by a signal of its own, say; exit statuses are arguments of calls, and compared so. */
static bool differ_in_end(const struct trace *a, const struct trace *b)
{
	return a->end != b->end || (a->end == TRACE_KILLED && a->status != b->status) ||
	       a->workload_status != b->workload_status;
}

void forecast_make(const struct comparison *c, struct forecast *ret)
{
	const struct trace *const *t = c->traces;

	*ret = (struct forecast){ .crashes = -1 };
	for (size_t i = 0; i < c->n; i++) {
		const struct difference *d = &c->differences[i];

		if (d->same_as != i)
			continue;
		ret->unsteady += d->unsteady;
		if (d->unsteady || d->cut_off)
			continue;
		ret->known++;
		ret->covered += d->judged.covered;
		if (!d->judged.covered && !ret->first)
			ret->first = d;
	}
	ret->differ_in_end = differ_in_end(t[0], t[1]);
	for (int side = 0; side < 2 && ret->crashes < 0; side++) {
		if (t[side]->end == TRACE_CRASHED)
			ret->crashes = side;
	}
	if (c->unsupported)
		ret->verdict = VERDICT_UNSUPPORTED;
	else if (ret->crashes >= 0)
		ret->verdict = VERDICT_CRASHES;
	else if (ret->first || ret->differ_in_end)
		ret->verdict = VERDICT_DIVERGES;
	else
		ret->verdict = ret->known ? VERDICT_TOGETHER : VERDICT_IDENTICAL;
}

static void print_verdict(struct str *out, const struct forecast *f, const struct comparison *c)
{
	const struct trace *const *t = c->traces;
	bool both;

	switch (f->verdict) {
	case VERDICT_IDENTICAL:
		str_printf(out, "runs together; the same calls, %lu of them", c->ncalls[1]);
		break;
	case VERDICT_TOGETHER:
		str_puts(out, "runs together");
		break;
	case VERDICT_DIVERGES:
		str_puts(out, "diverges");
		if (!f->first)
			str_puts(out, "; the versions do not end alike");
		break;
	case VERDICT_CRASHES:
		both = t[0]->end == TRACE_CRASHED && t[1]->end == TRACE_CRASHED;
		str_printf(out, "%s ", both ? "each version" : f->crashes ? "NEW" : "OLD");
		trace_print_end(out, t[f->crashes]);
		if (!both)
			str_printf(out, "; %s goes on alone", f->crashes ? "OLD" : "NEW");
		break;
	case VERDICT_UNSUPPORTED:
		str_printf(out, "one version alone after %s (%s)", c->unsupported->text,
			foresee_unsupported(&c->unsupported->call));
		break;
	}
}

void forecast_print(struct str *out, const struct forecast *f, const struct comparison *c,
	const struct outlook *outlook)
{
	print_verdict(out, f, c);
	if (f->known)
		str_printf(out, "; %zu of %zu known difference%s %s covered by rules", f->covered,
			f->known, f->known == 1 ? "" : "s", f->covered == 1 ? "is" : "are");
	if (f->unsteady)
		str_printf(out, "; %zu difference%s in what OLD does otherwise each time",
			f->unsteady, f->unsteady == 1 ? "" : "s");
	if (outlook->known && !outlook->changed)
		str_puts(out, "; the program's code is the same");
	else if (outlook->known)
		str_printf(out,
			"; a crash in %u %% of the %u changed functions can be spliced over",
			(unsigned)(100ul * outlook->spliceable / outlook->changed),
			outlook->changed);
	else if (outlook->why_not)
		str_printf(out, "; nothing known of recovery (%s)", outlook->why_not);
}
