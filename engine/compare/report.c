/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/report.h"

#include <ctype.h>
#include <string.h>

#define OLD 0
#define NEW 1

/* Of one difference, and differences in all, unless everything is asked for. */
#define ROWS_MAX	12
#define DIFFERENCES_MAX 20

/* Appends @text in @width columns, cut with "..." where it is longer; UTF-8 is not counted. */
static void put_cell(struct str *out, const char *text, unsigned width, bool pad)
{
	size_t len = strlen(text);

	if (len > width) {
		str_append(out, text, width - 3);
		str_puts(out, "...");
		return;
	}
	str_puts(out, text);
	for (; pad && len < width; len++)
		str_putc(out, ' ');
}

static void print_call(struct str *out, const struct trace_call *c)
{
	if (!c)
		return;
	str_puts(out, c->text);
	if (!c->call.answered)
		return;
	if (c->call.result < 0 && c->call.result > -4096)
		str_printf(out, " = -1 %s", sys_errno_name((int)-c->call.result));
	else
		str_printf(out, " = %ld", c->call.result);
}

struct table {
	struct str *out;
	unsigned width;
	uint32_t rows, left_out;
	bool all;
};

static void put_row(
	struct table *t, char mark, const struct trace_call *a, const struct trace_call *b)
{
	cleanup_str struct str left = STR_INIT, right = STR_INIT;
	unsigned width = (t->width - 7) / 2;

	if (!t->all && t->rows >= ROWS_MAX) {
		t->left_out++;
		return;
	}
	t->rows++;
	print_call(&left, a);
	print_call(&right, b);
	str_puts(t->out, "  ");
	put_cell(t->out, str_text(&left), width, true);
	str_printf(t->out, " %c ", mark);
	put_cell(t->out, str_text(&right), width, false);
	while (t->out->len && t->out->data[t->out->len - 1] == ' ')
		t->out->data[--t->out->len] = '\0';
	str_putc(t->out, '\n');
}

static void put_rows(struct table *t, const struct difference *d)
{
	const struct sequence *s = d->thread->seq;
	uint32_t a = d->from[OLD], b = d->from[NEW];

	for (size_t k = 0; k < d->nhunks; k++) {
		const struct myers_hunk *h = &d->hunks[k];

		for (; a < h->a; a++, b++)
			put_row(t, ' ', s[OLD].calls[a], s[NEW].calls[b]);
		for (uint32_t i = 0; i < h->na || i < h->nb; i++)
			put_row(t,
				i >= h->nb   ? '<'
				: i >= h->na ? '>'
					     : '|',
				i < h->na ? s[OLD].calls[h->a + i] : NULL,
				i < h->nb ? s[NEW].calls[h->b + i] : NULL);
		a = h->a + h->na;
		b = h->b + h->nb;
	}
	if (t->left_out)
		str_printf(t->out, "  ... %u more; --all shows them\n", t->left_out);
}

/* Appends the names of the functions that issued the differing calls of a side, each once. */
static void put_functions(struct str *out, const struct difference *d, int side)
{
	const struct sequence *s = &d->thread->seq[side];
	cleanup_str struct str seen = STR_INIT;

	for (size_t k = 0; k < d->nhunks; k++) {
		const struct myers_hunk *h = &d->hunks[k];
		uint32_t from = side ? h->b : h->a, n = side ? h->nb : h->na;

		for (uint32_t i = 0; i < n; i++) {
			const char *name = s->calls[from + i]->function;
			cleanup_str struct str word = STR_INIT;

			str_printf(&word, "\n%s\n", name);
			if (!*name || (seen.len && strstr(str_text(&seen), str_text(&word))))
				continue;
			str_puts(&seen, str_text(&word));
			str_printf(out, "%s%s", out->len ? ", " : "", name);
		}
	}
}

static void put_judgement(struct str *out, const struct difference *d)
{
	const struct judgement *j = &d->judged;

	if (d->unsteady) {
		str_puts(out, "  OLD differs from itself here, from run to run\n");
		return;
	}
	if (d->cut_off) {
		str_puts(out, "  one version had crashed before\n");
		return;
	}
	if (j->covered) {
		str_puts(out, "  covered by ");
		for (int i = 0; i < j->nrules; i++)
			str_printf(out, "%s%s", i ? ", " : "", j->rules[i]);
		str_puts(out, j->nrules ? "\n" : "what is made equal for both\n");
		return;
	}
	if (j->unsupported) {
		str_printf(out, "  not supported: %s\n", j->unsupported);
		return;
	}
	str_puts(out, "  no rule covers this");
	if (!j->parts[OLD] || !j->parts[NEW])
		str_printf(out, ": %s has no counterpart",
			j->parts[OLD] ? j->parts[OLD]->text : j->parts[NEW]->text);
	str_puts(out, "\n");
}

static size_t count_like(const struct comparison *c, size_t i)
{
	size_t n = 0;

	for (size_t k = i; k < c->n; k++)
		n += c->differences[k].same_as == i;
	return n;
}

static void put_difference(struct str *out, const struct report *r, size_t i, size_t number)
{
	const struct difference *d = &r->comparison->differences[i];
	struct table table = { .out = out, .width = r->width, .all = r->all };
	cleanup_str struct str left = STR_INIT, right = STR_INIT;
	size_t like = count_like(r->comparison, i);

	str_printf(out, "\n%zu. %s %s, after %u calls%s", number,
		strchr(d->thread->name, ':') ? "thread" : "process", d->thread->name, d->from[OLD],
		d->thread->timed ? ", upon a timeout" : "");
	if (!d->thread->has[OLD] || !d->thread->has[NEW])
		str_printf(out, ", which %s alone has", d->thread->has[OLD] ? "OLD" : "NEW");
	if (like > 1)
		str_printf(out, "; %zu times", like);
	str_putc(out, '\n');
	put_rows(&table, d);
	put_functions(&left, d, OLD);
	put_functions(&right, d, NEW);
	if (left.len)
		str_printf(out, "  in OLD by %s\n", str_text(&left));
	if (right.len)
		str_printf(out, "  in NEW by %s\n", str_text(&right));
	put_judgement(out, d);
}

static void put_version(struct str *out, const struct report *r, int side)
{
	const struct trace *t = r->comparison->traces[side];
	uint32_t processes = 0;

	for (uint32_t i = 0; i < t->nthreads; i++)
		processes += !strchr(t->threads[i].name, ':');
	str_printf(out, "%s  %s: %u calls of %u process%s, %u thread%s; ", side ? "NEW" : "OLD",
		r->names[side], t->ncalls, processes, processes == 1 ? "" : "es", t->nthreads,
		t->nthreads == 1 ? "" : "s");
	if (t->asked_to_end && t->end == TRACE_EXITED)
		str_puts(out, "asked to end, it ");
	trace_print_end(out, t);
	if (t->workload_status)
		str_printf(out, "; the workload fails");
	str_putc(out, '\n');
	if (t->cut)
		str_puts(out,
			"     there was more than can be recorded: the rest is not compared\n");
	if (t->note)
		str_printf(out, "     %s\n", t->note);
}

void comparison_report_text(struct str *out, const struct report *r)
{
	const struct comparison *c = r->comparison;
	size_t number = 0, left_out = 0;

	put_version(out, r, OLD);
	put_version(out, r, NEW);
	str_printf(out, "distance: %s%lu of %lu calls", c->exact ? "" : "at most ", c->distance,
		c->ncalls[OLD] > c->ncalls[NEW] ? c->ncalls[OLD] : c->ncalls[NEW]);
	if (c->unsteady)
		str_printf(out, ", %lu of them by which OLD differs from itself", c->unsteady);
	if (!c->calls_only)
		str_printf(out, "; %s%lu without their arguments",
			r->names_only->exact ? "" : "at most ", r->names_only->distance);
	else
		str_puts(out, ", without their arguments");
	str_putc(out, '\n');
	for (size_t i = 0; i < c->n; i++) {
		if (c->differences[i].same_as != i)
			continue;
		if (++number > DIFFERENCES_MAX && !r->all)
			left_out++;
		else
			put_difference(out, r, i, number);
	}
	if (left_out)
		str_printf(out, "\n%zu more differences; --all shows them\n", left_out);
	str_puts(out, number ? "\nforecast: " : "forecast: ");
	forecast_print(out, r->forecast, c, r->outlook);
	str_putc(out, '\n');
}

/* JSON */

static void json_calls(struct jsonw *w, const char *key, const struct difference *d, int side)
{
	const struct sequence *s = &d->thread->seq[side];

	jsonw_key(w, key);
	jsonw_array_begin(w);
	for (size_t k = 0; k < d->nhunks; k++) {
		const struct myers_hunk *h = &d->hunks[k];
		uint32_t from = side ? h->b : h->a, n = side ? h->nb : h->na;

		for (uint32_t i = 0; i < n; i++) {
			const struct trace_call *c = s->calls[from + i];

			jsonw_object_begin(w);
			jsonw_kv_str(w, "call", c->text);
			if (c->call.answered)
				jsonw_kv_int(w, "result", c->call.result);
			jsonw_kv_str(w, "function", c->function);
			jsonw_object_end(w);
		}
	}
	jsonw_array_end(w);
}

static void json_difference(struct jsonw *w, const struct comparison *c, size_t i)
{
	const struct difference *d = &c->differences[i];

	jsonw_object_begin(w);
	jsonw_kv_str(w, "thread", d->thread->name);
	jsonw_kv_bool(w, "upon_timeout", d->thread->timed);
	jsonw_kv_uint(w, "after", d->from[OLD]);
	jsonw_kv_uint(w, "times", count_like(c, i));
	json_calls(w, "old", d, OLD);
	json_calls(w, "new", d, NEW);
	jsonw_kv_bool(w, "covered", d->judged.covered);
	jsonw_kv_bool(w, "unsteady", d->unsteady);
	jsonw_kv_bool(w, "cut_off", d->cut_off);
	jsonw_key(w, "rules");
	jsonw_array_begin(w);
	for (int k = 0; k < d->judged.nrules; k++)
		jsonw_str(w, d->judged.rules[k]);
	jsonw_array_end(w);
	if (d->judged.unsupported)
		jsonw_kv_str(w, "unsupported", d->judged.unsupported);
	jsonw_object_end(w);
}

static void json_version(struct jsonw *w, const struct report *r, int side)
{
	const struct trace *t = r->comparison->traces[side];
	cleanup_str struct str end = STR_INIT;

	trace_print_end(&end, t);
	jsonw_key(w, side ? "new" : "old");
	jsonw_object_begin(w);
	jsonw_kv_str(w, "version", r->names[side]);
	jsonw_kv_uint(w, "calls", t->ncalls);
	jsonw_kv_uint(w, "compared", r->comparison->ncalls[side]);
	jsonw_kv_uint(w, "threads", t->nthreads);
	jsonw_kv_str(w, "end", str_text(&end));
	jsonw_kv_bool(w, "asked_to_end", t->asked_to_end);
	jsonw_kv_bool(w, "workload_failed", t->workload_status != 0);
	jsonw_kv_bool(w, "cut", t->cut);
	if (t->note)
		jsonw_kv_str(w, "note", t->note);
	jsonw_object_end(w);
}

static void json_outlook(struct jsonw *w, const struct outlook *o)
{
	jsonw_key(w, "recovery");
	jsonw_object_begin(w);
	jsonw_kv_bool(w, "known", o->known);
	if (o->why_not)
		jsonw_kv_str(w, "reason", o->why_not);
	jsonw_kv_uint(w, "functions", o->functions);
	jsonw_kv_uint(w, "changed", o->changed);
	jsonw_kv_uint(w, "spliceable", o->spliceable);
	jsonw_object_end(w);
}

void comparison_report_json(struct jsonw *w, const struct report *r)
{
	const struct comparison *c = r->comparison;
	const struct forecast *f = r->forecast;
	cleanup_str struct str line = STR_INIT;

	forecast_print(&line, f, c, r->outlook);
	jsonw_object_begin(w);
	json_version(w, r, OLD);
	json_version(w, r, NEW);
	jsonw_kv_bool(w, "identical", f->verdict == VERDICT_IDENTICAL);
	jsonw_kv_bool(w, "calls_only", c->calls_only);
	jsonw_kv_uint(w, "distance", c->distance);
	jsonw_kv_uint(w, "distance_of_calls", r->names_only->distance);
	jsonw_kv_uint(w, "unsteady_distance", c->unsteady);
	jsonw_kv_bool(w, "exact", c->exact && r->names_only->exact);
	jsonw_key(w, "differences");
	jsonw_array_begin(w);
	for (size_t i = 0; i < c->n; i++) {
		if (c->differences[i].same_as == i)
			json_difference(w, c, i);
	}
	jsonw_array_end(w);
	jsonw_kv_uint(w, "known", f->known);
	jsonw_kv_uint(w, "covered", f->covered);
	jsonw_kv_uint(w, "unsteady", f->unsteady);
	json_outlook(w, r->outlook);
	jsonw_kv_str(w, "verdict", verdict_name(f->verdict));
	jsonw_kv_str(w, "forecast", str_text(&line));
	jsonw_object_end(w);
}
