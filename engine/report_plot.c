/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a report as SVG. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/markup.h"
#include "base/xalloc.h"
#include "report.h"

#define WIDTH	  860.0
#define LEFT	  76.0
#define RIGHT	  16.0
#define HEIGHT	  200.0
#define TOP	  14.0
#define BOTTOM	  30.0
#define LINES_MAX 6
#define TICKS	  5

static double number_of(const struct json *j)
{
	cleanup_str struct str text = STR_INIT;

	if (json_type(j) != JSON_NUMBER)
		return 0;
	json_print(j, &text);
	return strtod(str_text(&text), NULL);
}

/* The colour class of an event on the timeline; NULL: it is not drawn. */
static const char *class_of(const char *name)
{
	static const char *const classes[][2] = { { "crash", "bad" }, { "divergence", "bad" },
		{ "unsupported-syscall", "bad" }, { "discarded", "warn" }, { "takeover", "warn" },
		{ "standstill", "warn" }, { "recovery-refused", "warn" }, { "decision", "good" },
		{ "recovered", "good" }, { "resync", "note" }, { "rule", "note" },
		{ "phase", "note" }, { "start", "good" }, { "exit", "good" } };

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (strcmp(classes[i][0], name) == 0)
			return classes[i][1];
	}
	return NULL;
}

static double x_of(double at, double begin, double end)
{
	double part = end > begin ? (at - begin) / (end - begin) : 0;

	if (!(part >= 0))
		part = 0;
	return LEFT + (WIDTH - LEFT - RIGHT) * (part > 1 ? 1 : part);
}

static void put_time_axis(struct str *out, double seconds, double y)
{
	bool ms = seconds < 1;

	str_printf(out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
		LEFT, y, WIDTH - RIGHT, y);
	for (int i = 0; i <= TICKS; i++) {
		double x = LEFT + (WIDTH - LEFT - RIGHT) * i / TICKS;

		str_printf(out,
			"<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" "
			"text-anchor=\"middle\">%.*f %s</text>\n",
			x, y + 18, seconds < 100 ? 1 : 0, seconds * (ms ? 1000 : 1) * i / TICKS,
			ms ? "ms" : "s");
	}
}

void report_timeline(const struct json *events, double begin, double end, struct str *out)
{
	double y[4] = { 28, 52, 76, 100 };
	static const char *const rows[4] = { "bad", "warn", "note", "good" };
	static const char *const labels[4] = { "failures", "changes", "notes", "decisions" };

	str_printf(out,
		"<div class=\"wide\"><svg class=\"plot\" viewBox=\"0 0 %.0f 150\" role=\"img\" "
		"aria-label=\"Timeline of the run\">\n",
		WIDTH);
	for (int r = 0; r < 4; r++)
		str_printf(out, "<text class=\"tick\" x=\"4\" y=\"%.0f\">%s</text>\n", y[r] + 4,
			labels[r]);
	for (size_t i = 0; i < json_count(events); i++) {
		const struct json *event = json_at(events, i);
		const char *name = json_string(json_get(event, "event"));
		const char *class = name ? class_of(name) : NULL;

		for (int r = 0; class && r < 4; r++) {
			if (strcmp(rows[r], class) != 0)
				continue;
			str_printf(out,
				"<circle class=\"%s\" cx=\"%.1f\" cy=\"%.0f\" r=\"5\"><title>",
				class, x_of(report_time(event), begin, end), y[r]);
			str_put_markup(out, name);
			str_printf(
				out, " at %.3f s</title></circle>\n", report_time(event) - begin);
		}
	}
	put_time_axis(out, end - begin, 118);
	str_puts(out, "</svg></div>\n");
}

/* A curve: points in time, drawn as a line, or as steps. */
struct curve {
	const char *name, *class;
	double *values;
};

struct plot {
	const char *title;
	const double *at;
	size_t count;
	const struct curve *curves;
	int ncurves;
	bool steps;
};

static double top_of(const struct plot *p)
{
	double top = 1, unit;

	for (int c = 0; c < p->ncurves; c++) {
		for (size_t i = 0; i < p->count; i++) {
			if (p->curves[c].values[i] > top)
				top = p->curves[c].values[i];
		}
	}
	/* The next 1, 2 or 5 times a power of ten. */
	unit = pow(10, floor(log10(top)));
	return top <= unit	 ? unit
	       : top <= 2 * unit ? 2 * unit
	       : top <= 5 * unit ? 5 * unit
				 : 10 * unit;
}

static void put_curve(struct str *out, const struct plot *p, const struct curve *curve, double top)
{
	double base = HEIGHT - BOTTOM, last = base, end = p->at[p->count - 1];

	str_printf(out, "<polyline class=\"curve %s\" points=\"", curve->class);
	for (size_t i = 0; i < p->count; i++) {
		double x = x_of(p->at[i], 0, end);
		double y = base - (base - TOP) * curve->values[i] / top;

		if (p->steps && i)
			str_printf(out, "%.1f,%.1f ", x, last);
		str_printf(out, "%.1f,%.1f ", x, y);
		last = y;
	}
	str_puts(out, "\"/>\n");
}

static void put_plot(struct str *out, const struct plot *p)
{
	double base = HEIGHT - BOTTOM, top = top_of(p);

	str_puts(out, "<figure><figcaption>");
	str_put_markup(out, p->title);
	for (int c = 0; c < p->ncurves; c++) {
		str_printf(out, " <span class=\"key %s\">&#9644; ", p->curves[c].class);
		str_put_markup(out, p->curves[c].name);
		str_puts(out, "</span>");
	}
	str_printf(out,
		"</figcaption>\n<svg class=\"plot\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
		"aria-label=\"",
		WIDTH, HEIGHT);
	str_put_markup(out, p->title);
	str_puts(out, "\">\n");
	for (int i = 0; i <= 4; i++) {
		double y = base - (base - TOP) * i / 4;

		str_printf(out,
			"<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
			"<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" "
			"text-anchor=\"end\">%g</text>\n",
			LEFT, y, WIDTH - RIGHT, y, LEFT - 6, y + 4, top * i / 4);
	}
	for (int c = 0; c < p->ncurves; c++)
		put_curve(out, p, &p->curves[c], top);
	put_time_axis(out, p->at[p->count - 1], base);
	str_puts(out, "</svg></figure>\n");
}

/* The difference to the sample before, a second. */
static void to_rate(double *values, const double *at, size_t count)
{
	double before = 0, before_at = 0;

	for (size_t i = 0; i < count; i++) {
		double value = values[i], span = at[i] - before_at;

		values[i] = span > 0 && value >= before ? (value - before) / span : 0;
		before = value;
		before_at = at[i];
	}
}

void report_plots(const struct json *figures, struct str *out)
{
	static const char *const classes[LINES_MAX] = { "c0", "c1", "c2", "c3", "c4", "c5" };
	const struct json *samples = json_get(figures, "samples"),
			  *names = json_get(figures, "names");
	size_t count = json_count(samples), versions = json_count(names);
	struct curve curves[LINES_MAX];
	double *at;

	if (count < 2 || versions < 1 || versions > LINES_MAX - 2) {
		str_puts(
			out, "<p>The run was too short for plots, or had no control socket.</p>\n");
		return;
	}
	at = xzalloc(count * sizeof(*at));
	for (size_t c = 0; c < versions + 2; c++) {
		const char *name = json_string(json_at(names, c));

		curves[c] = (struct curve){ c < versions    ? (name ? name : "?")
					    : c == versions ? "divergences"
							    : "crashes",
			classes[c], xzalloc(count * sizeof(double)) };
	}
	for (size_t i = 0; i < count; i++) {
		const struct json *sample = json_at(samples, i);

		at[i] = number_of(json_at(sample, 0));
		if (i && !(at[i] > at[i - 1]))
			at[i] = at[i - 1];
		for (size_t c = 0; c < versions + 2; c++)
			curves[c].values[i] = number_of(json_at(sample, c + 1));
	}
	for (size_t c = 0; c < versions; c++)
		to_rate(curves[c].values, at, count);
	put_plot(out, &(struct plot){ "System calls that came to the engine, a second", at, count,
			      curves, (int)versions, false });
	put_plot(out, &(struct plot){ "Divergences and crashes, in all", at, count,
			      curves + versions, 2, true });
	for (size_t c = 0; c < versions + 2; c++)
		free(curves[c].values);
	free(at);
}
