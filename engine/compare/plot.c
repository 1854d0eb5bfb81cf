/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figure of a series: above, for each pair, how many calls differ; below, how much of the code.
 * Both scales are logarithmic, since one rewrite is as large as a hundred corrections, and begin
 * below 1, so that nothing at all can be told from one.
 */
#include <math.h>
#include <string.h>

#include "base/markup.h"
#include "compare/series.h"

#define LEFT	92.0
#define RIGHT	16.0
#define TOP	34.0
#define PANEL	150.0
#define MIDDLE	34.0
#define LABELS	170.0
#define BAR_MIN 7.0
#define BAR_MAX 26.0

struct frame {
	double width, step;
	size_t n;
};

static double level(uint64_t n, double top)
{
	return n ? (log10((double)n) + 0.3) / (top + 0.3) : 0;
}

/* Powers of ten from 1 to 10^@top. */
static void put_axis(
	struct str *out, const struct frame *f, double base, int top, const char *title)
{
	str_printf(out, "<text x=\"%.0f\" y=\"%.0f\" class=\"title\">%s</text>\n", LEFT,
		base - PANEL - 10, title);
	for (int power = 0; power <= top; power++) {
		double y = base - PANEL * level((uint64_t)pow(10, power), top);

		str_printf(out,
			"<line class=\"grid\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
			"<text class=\"tick\" x=\"%.0f\" y=\"%.1f\" "
			"text-anchor=\"end\">%.0f</text>\n",
			LEFT, y, f->width - RIGHT, y, LEFT - 6, y + 4, pow(10, power));
	}
	str_printf(out,
		"<line class=\"axis\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
		"<text class=\"tick\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">0</text>\n",
		LEFT, base, f->width - RIGHT, base, LEFT - 6, base + 4);
}

static void put_bar(struct str *out, const struct frame *f, double base, int top, size_t i,
	uint64_t n, const char *class, const char *label)
{
	double x = LEFT + f->step * (double)i + f->step * 0.15, high = PANEL * level(n, top);

	str_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
		class, x, base - high, f->step * 0.7, high);
	str_printf(out, "<title>");
	str_put_markup(out, series_name(label));
	str_printf(out, ": %lu</title></rect>\n", n);
}

static int top_of(uint64_t most)
{
	return most > 1 ? (int)ceil(log10((double)most)) : 1;
}

static uint64_t code_of(const struct series_pair *p, bool lines)
{
	return lines ? p->lines : p->changed;
}

static void put_names(struct str *out, const struct frame *f, const struct series *s, double y)
{
	for (size_t i = 0; i < s->n; i++) {
		double x = LEFT + f->step * ((double)i + 0.5) + 3;

		str_printf(out,
			"<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" "
			"transform=\"rotate(-60 %.1f %.1f)\">",
			x, y, x, y);
		str_put_markup(out, series_name(s->pairs[i].new));
		str_puts(out, "</text>\n");
	}
}

void series_svg(struct str *out, const struct series *s)
{
	static const char *const classes[] = {
		[VERDICT_IDENTICAL] = "same",
		[VERDICT_TOGETHER] = "same",
		[VERDICT_DIVERGES] = "apart",
		[VERDICT_CRASHES] = "apart",
		[VERDICT_UNSUPPORTED] = "apart",
	};
	struct frame f = { .n = s->n };
	double upper = TOP + PANEL, lower = upper + MIDDLE + PANEL;
	uint64_t most = 0, most_code = 0;
	bool lines = s->n > 0;

	f.step = s->n ? 800.0 / (double)s->n : BAR_MAX;
	f.step = f.step < BAR_MIN ? BAR_MIN : f.step > BAR_MAX ? BAR_MAX : f.step;
	f.width = LEFT + RIGHT + f.step * (double)s->n;
	if (f.width < 460)
		f.width = 460;
	for (size_t i = 0; i < s->n; i++) {
		const struct series_pair *p = &s->pairs[i];

		most = p->distance_of_calls > most ? p->distance_of_calls : most;
		lines = lines && p->has_lines;
	}
	for (size_t i = 0; i < s->n; i++) {
		uint64_t n = code_of(&s->pairs[i], lines);

		most_code = n > most_code ? n : most_code;
	}
	str_printf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
		"width=\"%.0f\" height=\"%.0f\" role=\"img\">\n"
		"<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
		"<title>System calls and code that differ between neighbouring versions</title>\n"
		"<style>text{font:11px sans-serif;fill:#333}.title{font-size:13px}.name{font-size:"
		"9px}.grid{stroke:#ddd}.axis{stroke:#333}.same{fill:#3b7dd8}.apart{fill:#d1495b}"
		".code{fill:#8a8f98}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		f.width, lower + LABELS, f.width, lower + LABELS);
	put_axis(out, &f, upper, top_of(most),
		"system calls that differ (blue: the versions would run together; red: not)");
	put_axis(out, &f, lower, top_of(most_code),
		lines ? "lines of source code that differ" : "functions that differ");
	for (size_t i = 0; i < s->n; i++) {
		const struct series_pair *p = &s->pairs[i];

		put_bar(out, &f, upper, top_of(most), i, p->distance_of_calls, classes[p->verdict],
			p->new);
		if (lines || p->has_functions)
			put_bar(out, &f, lower, top_of(most_code), i, code_of(p, lines), "code",
				p->new);
		/* A red mark where not a call differs, but its arguments, or the end. */
		if (classes[p->verdict][0] == 'a' && !p->distance_of_calls)
			str_printf(out,
				"<circle class=\"apart\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
				LEFT + f.step * ((double)i + 0.5), upper - 4);
	}
	put_names(out, &f, s, lower + 12);
	str_puts(out, "</svg>\n");
}
