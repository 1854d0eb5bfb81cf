/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/series.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void series_add(struct series *s, const struct subject *old, const struct subject *new,
	const struct pair *p)
{
	const struct comparison *c = p->comparison, *names = p->names;
	cleanup_str struct str line = STR_INIT;

	forecast_print(&line, &p->forecast, c, &p->outlook);
	s->pairs = xreallocarray(s->pairs, s->n + 1, sizeof(*s->pairs));
	s->pairs[s->n++] = (struct series_pair){
		.old = xstrdup(old->given),
		.new = xstrdup(new->given),
		.calls = c->ncalls[0] > c->ncalls[1] ? c->ncalls[0] : c->ncalls[1],
		.distance = c->distance - c->unsteady,
		.distance_of_calls = names->distance - names->unsteady,
		.exact = c->exact && names->exact,
		.has_functions = p->outlook.known,
		.functions = p->outlook.functions,
		.changed = p->outlook.changed,
		.spliceable = p->outlook.spliceable,
		.has_lines = p->has_lines,
		.lines = p->lines,
		.known = p->forecast.known,
		.covered = p->forecast.covered,
		.verdict = p->forecast.verdict,
		.forecast = xstrdup(str_text(&line)),
	};
}

void series_free(struct series *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->pairs[i].old);
		free(s->pairs[i].new);
		free(s->pairs[i].forecast);
	}
	free(s->pairs);
	*s = (struct series){ 0 };
}

const char *series_name(const char *given)
{
	const char *slash = strrchr(given, '/');

	return slash && slash[1] ? slash + 1 : given;
}

static void put_number(struct str *out, bool known, uint64_t n)
{
	if (known)
		str_printf(out, " %9lu", n);
	else
		str_printf(out, " %9s", "-");
}

/* Which versions run together, and which have no difference at all. */
static void put_sum(struct str *out, const struct series *s)
{
	size_t same = 0, same_calls = 0, together = 0;

	for (size_t i = 0; i < s->n; i++) {
		same += s->pairs[i].distance == 0;
		same_calls += s->pairs[i].distance_of_calls == 0;
		together += s->pairs[i].verdict <= VERDICT_TOGETHER;
	}
	str_printf(out,
		"%zu pairs: %zu make the same calls, %zu of them with the same arguments; %zu "
		"would "
		"run together\n",
		s->n, same_calls, same, together);
}

void series_text(struct str *out, const struct series *s)
{
	size_t width = 3;

	for (size_t i = 0; i < s->n; i++) {
		size_t len = strlen(series_name(s->pairs[i].old)) + 4 +
			     strlen(series_name(s->pairs[i].new));

		width = len > width ? len : width;
	}
	str_printf(out, "%-*s %9s %9s %9s %9s %9s  %s\n", (int)width, "", "calls", "distance",
		"no args", "functions", "lines", "forecast");
	for (size_t i = 0; i < s->n; i++) {
		const struct series_pair *p = &s->pairs[i];
		cleanup_free char *name =
			xasprintf("%s -> %s", series_name(p->old), series_name(p->new));

		str_printf(out, "%-*s", (int)width, name);
		put_number(out, true, p->calls);
		put_number(out, true, p->distance);
		put_number(out, true, p->distance_of_calls);
		put_number(out, p->has_functions, p->changed);
		put_number(out, p->has_lines, p->lines);
		str_printf(out, "  %s", verdict_name(p->verdict));
		if (p->known)
			str_printf(out, ", %zu of %zu covered", p->covered, p->known);
		str_puts(out, p->exact ? "\n" : " (at most)\n");
	}
	put_sum(out, s);
}

static void json_count(struct jsonw *w, const char *key, bool known, uint64_t n)
{
	jsonw_key(w, key);
	if (known)
		jsonw_uint(w, n);
	else
		jsonw_null(w);
}

void series_json(struct jsonw *w, const struct series *s)
{
	jsonw_object_begin(w);
	jsonw_key(w, "pairs");
	jsonw_array_begin(w);
	for (size_t i = 0; i < s->n; i++) {
		const struct series_pair *p = &s->pairs[i];

		jsonw_object_begin(w);
		jsonw_kv_str(w, "old", p->old);
		jsonw_kv_str(w, "new", p->new);
		jsonw_kv_uint(w, "calls", p->calls);
		jsonw_kv_uint(w, "distance", p->distance);
		jsonw_kv_uint(w, "distance_of_calls", p->distance_of_calls);
		jsonw_kv_bool(w, "exact", p->exact);
		json_count(w, "functions", p->has_functions, p->functions);
		json_count(w, "changed_functions", p->has_functions, p->changed);
		json_count(w, "spliceable", p->has_functions, p->spliceable);
		json_count(w, "changed_lines", p->has_lines, p->lines);
		jsonw_kv_uint(w, "known", p->known);
		jsonw_kv_uint(w, "covered", p->covered);
		jsonw_kv_str(w, "verdict", verdict_name(p->verdict));
		jsonw_kv_str(w, "forecast", p->forecast);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
}
