/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/markup.h"
#include "base/version.h"

static const char style[] =
	":root{color-scheme:light dark;--ink:#1d2330;--paper:#fff;--line:#c9cfdb;--soft:#f3f5f9;"
	"--bad:#b3261e;--warn:#9a6700;--good:#1a7f37;--note:#57606a;--c0:#3b6fb6;--c1:#c2571a}"
	"@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--paper:#14171d;--line:#3a4150;"
	"--soft:#1d222b;--bad:#ff8a80;--warn:#e3b341;--good:#56d364;--note:#9aa4b2;--c0:#79b0ff;"
	"--c1:#ffa657}}"
	"body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
	"max-width:60rem;margin:2rem auto;padding:0 1rem}"
	"h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid "
	"var(--line)}"
	"table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;"
	"border-bottom:1px solid var(--line);vertical-align:top}"
	"td.n{white-space:nowrap;text-align:right;font-variant-numeric:tabular-nums}"
	"code,pre{font:13px/1.45 "
	"ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}"
	"pre{background:var(--soft);padding:.7rem;border-radius:4px}"
	".pair{display:grid;grid-template-columns:1fr 1fr;gap:.8rem}"
	".pair>div{background:var(--soft);padding:.6rem;border-radius:4px}"
	"@media (max-width:40rem){.pair{grid-template-columns:1fr}}"
	".bad{color:var(--bad);fill:var(--bad)}.warn{color:var(--warn);fill:var(--warn)}"
	".good{color:var(--good);fill:var(--good)}.note{color:var(--note);fill:var(--note)}"
	".wide,figure{overflow-x:auto}.plot{width:100%;min-width:38rem;height:auto}"
	".axis,.grid{stroke:var(--line)}.tick{font-size:12px;"
	"fill:var(--note)}"
	".curve{fill:none;stroke-width:2}.c0{color:var(--c0);stroke:var(--c0)}"
	".c1{color:var(--c1);stroke:var(--c1);stroke-dasharray:7 "
	"5}.c2,.c4{color:var(--bad);stroke:var(--bad)}"
	".c3,.c5{color:var(--warn);stroke:var(--warn)}"
	".key{stroke:none;margin-left:.8rem}figure{margin:1.2rem 0}";

double report_time(const struct json *event)
{
	const char *text = json_string(json_get(event, "time"));
	struct tm tm = { 0 };
	double second;

	if (!text || sscanf(text, "%d-%d-%dT%d:%d:%lfZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			     &tm.tm_hour, &tm.tm_min, &second) != 6)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (double)timegm(&tm) + second;
}

static const char *field(const struct json *event, const char *key)
{
	const char *text = json_string(json_get(event, key));

	return text ? text : "";
}

static bool is(const struct json *event, const char *name)
{
	return strcmp(field(event, "event"), name) == 0;
}

static void put_cell(struct str *out, const char *tag, const char *text)
{
	str_printf(out, "<%s>", tag);
	str_put_markup(out, text);
	str_printf(out, "</%s>", tag);
}

static void put_row(struct str *out, const char *name, const char *value)
{
	str_puts(out, "<tr>");
	put_cell(out, "th", name);
	put_cell(out, "td", value);
	str_puts(out, "</tr>\n");
}

static void put_count(struct str *out, const char *name, size_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", n);
	put_row(out, name, text);
}

static size_t count_of(const struct json *events, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < json_count(events); i++)
		n += is(json_at(events, i), name);
	return n;
}

/* Where the run stands, or ended, in words. */
static const char *outcome(const struct json *events, const char **ret_class)
{
	const char *phase = "initializing";

	for (size_t i = 0; i < json_count(events); i++) {
		if (is(json_at(events, i), "phase"))
			phase = field(json_at(events, i), "phase");
	}
	*ret_class = strcmp(phase, "diverged") == 0 || strcmp(phase, "degraded") == 0 ? "bad"
		     : strcmp(phase, "aborted") == 0 || strcmp(phase, "paused") == 0  ? "warn"
										      : "good";
	return phase;
}

static void put_summary(const struct report *r, double begin, double end, struct str *out)
{
	const struct json *start = NULL;
	const char *class, *phase = outcome(r->events, &class);
	char text[64];

	for (size_t i = 0; i < json_count(r->events) && !start; i++) {
		if (is(json_at(r->events, i), "start"))
			start = json_at(r->events, i);
	}
	str_puts(out, "<table>\n<tr><th>outcome</th><td class=\"");
	str_printf(out, "%s\"><strong>", class);
	str_put_markup(out, phase);
	str_puts(out, "</strong></td></tr>\n");
	put_row(out, "old version", field(start, "old"));
	put_row(out, "new version", field(start, "new"));
	put_row(out, "leader at the start", field(start, "leader"));
	put_row(out, "synchronisation", field(start, "sync"));
	put_row(out, "started", field(start, "time"));
	snprintf(text, sizeof(text), "%.1f s", end - begin);
	put_row(out, "from first to last event", text);
	put_count(out, "divergences", count_of(r->events, "divergence"));
	put_count(out, "crashes", count_of(r->events, "crash"));
	put_count(out, "kinds of harmless differences", count_of(r->events, "rule"));
	str_puts(out, "</table>\n");
	if (r->left_out)
		str_printf(
			out, "<p class=\"warn\">%zu later events are left out.</p>\n", r->left_out);
}

static void put_when(struct str *out, const struct json *event, double begin)
{
	str_printf(out, "<td class=\"n\">%.3f s</td>", report_time(event) - begin);
}

/* Fields that a table of events shows after the name. */
static void put_fields(struct str *out, const struct json *event)
{
	for (size_t i = 0; i < json_count(event); i++) {
		const char *key = json_key_at(event, i);
		const struct json *value = json_at(event, i);
		cleanup_str struct str text = STR_INIT;

		if (strcmp(key, "time") == 0 || strcmp(key, "event") == 0 ||
			json_type(value) == JSON_ARRAY || json_type(value) == JSON_OBJECT)
			continue;
		if (json_string(value))
			str_puts(&text, json_string(value));
		else
			json_print(value, &text);
		str_put_markup(out, key);
		str_puts(out, " <code>");
		str_put_markup(out, str_text(&text));
		str_puts(out, "</code> ");
	}
}

static void put_events(const struct report *r, double begin, struct str *out)
{
	str_puts(out, "<table>\n<tr><th>after</th><th>event</th><th></th></tr>\n");
	for (size_t i = 0; i < json_count(r->events); i++) {
		const struct json *event = json_at(r->events, i);

		if (is(event, "figures") || is(event, "rule"))
			continue;
		str_puts(out, "<tr>");
		put_when(out, event, begin);
		put_cell(out, "td", field(event, "event"));
		str_puts(out, "<td>");
		put_fields(out, event);
		str_puts(out, "</td></tr>\n");
	}
	str_puts(out, "</table>\n");
}

static void put_side(struct str *out, const char *who, const char *role, const char *call)
{
	str_puts(out, "<div><strong>");
	str_put_markup(out, who);
	str_printf(out, "</strong> %s<pre>", role);
	str_put_markup(out, call[0] ? call : "(no call)");
	str_puts(out, "</pre></div>\n");
}

static void put_divergences(const struct report *r, double begin, struct str *out)
{
	if (!count_of(r->events, "divergence"))
		str_puts(out, "<p>None.</p>\n");
	for (size_t i = 0; i < json_count(r->events); i++) {
		const struct json *event = json_at(r->events, i);
		const char *let_go = field(event, "let_go");

		if (!is(event, "divergence"))
			continue;
		str_printf(out, "<h3>After %.3f s: ", report_time(event) - begin);
		str_put_markup(out, field(event, "kind"));
		str_puts(out, "</h3>\n<div class=\"pair\">\n");
		put_side(out, field(event, "leader"),
			json_is_true(json_get(event, "executed"))
				? "led, and its call was made"
				: "led, and its call was not made",
			field(event, "leader_call"));
		put_side(out, field(event, "version"), "followed", field(event, "follower_call"));
		str_puts(out, "</div>\n<p>Policy: ");
		str_put_markup(out, field(event, "policy"));
		str_putc(out, ' ');
		str_put_markup(out, let_go[0] ? let_go : field(event, "stopped"));
		str_puts(out, "</p>\n");
	}
}

static void put_crashes(const struct report *r, double begin, struct str *out)
{
	if (!count_of(r->events, "crash"))
		str_puts(out, "<p>None.</p>\n");
	for (size_t i = 0; i < json_count(r->events); i++) {
		const struct json *event = json_at(r->events, i);
		const struct json *frames = json_get(event, "backtrace");
		const struct json *regs = json_get(event, "registers");

		if (!is(event, "crash"))
			continue;
		str_printf(out, "<h3>After %.3f s: ", report_time(event) - begin);
		str_put_markup(out, field(event, "signal"));
		str_puts(out, " in the ");
		str_put_markup(out, field(event, "version"));
		str_puts(out, " version</h3>\n<p>");
		put_fields(out, event);
		str_puts(out, "</p>\n<pre>");
		for (size_t k = 0; k < json_count(frames); k++) {
			str_printf(out, "#%zu ", k);
			str_put_markup(out, json_string(json_at(frames, k)));
			str_putc(out, '\n');
		}
		if (!json_count(frames))
			str_puts(out, "(no backtrace)\n");
		str_puts(out, "</pre>\n<details><summary>registers</summary><pre>");
		for (size_t k = 0; k < json_count(regs); k++) {
			str_put_markup(out, json_key_at(regs, k));
			str_putc(out, ' ');
			str_put_markup(out, json_string(json_at(regs, k)));
			str_putc(out, '\n');
		}
		str_puts(out, "</pre></details>\n");
	}
}

static void put_rules(const struct report *r, struct str *out)
{
	const struct json *counts = json_get(r->figures, "rules");

	if (!count_of(r->events, "rule")) {
		str_puts(out, "<p>None.</p>\n");
		return;
	}
	for (size_t i = 0; i < json_count(counts); i++) {
		cleanup_str struct str n = STR_INIT;

		json_print(json_at(counts, i), &n);
		str_puts(out, i ? ", " : "<p>Applied: ");
		str_put_markup(out, json_key_at(counts, i));
		str_putc(out, ' ');
		str_put_markup(out, str_text(&n));
	}
	str_puts(out, json_count(counts) ? ".</p>\n" : "");
	str_puts(out, "<p>The first of each kind:</p>\n<table>\n"
		      "<tr><th>rule</th><th>leader</th><th>follower</th></tr>\n");
	for (size_t i = 0; i < json_count(r->events); i++) {
		const struct json *event = json_at(r->events, i);

		if (!is(event, "rule"))
			continue;
		str_puts(out, "<tr>");
		put_cell(out, "td", field(event, "rule"));
		str_puts(out, "<td><code>");
		str_put_markup(out, field(event, "leader_call"));
		str_puts(out, "</code></td><td><code>");
		str_put_markup(out, field(event, "follower_call"));
		str_puts(out, "</code></td></tr>\n");
	}
	str_puts(out, "</table>\n");
}

static void put_section(struct str *out, const char *title)
{
	str_printf(out, "<h2>%s</h2>\n", title);
}

void report_put(const struct report *r, struct str *out)
{
	size_t count = json_count(r->events);
	double begin = count ? report_time(json_at(r->events, 0)) : 0;
	double end = count ? report_time(json_at(r->events, count - 1)) : 0;

	str_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<link rel=\"icon\" href=\"data:,\">\n<title>");
	str_put_markup(out, r->title);
	str_printf(out, " - mx report</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
	str_put_markup(out, r->title);
	str_puts(out, ": two versions as one</h1>\n");
	put_summary(r, begin, end, out);
	put_section(out, "Timeline");
	report_timeline(r->events, begin, end, out);
	put_events(r, begin, out);
	put_section(out, "Divergences");
	put_divergences(r, begin, out);
	put_section(out, "Crashes");
	put_crashes(r, begin, out);
	put_section(out, "Figures");
	report_plots(r->figures, out);
	put_section(out, "Harmless differences");
	put_rules(r, out);
	str_puts(out, "<p class=\"note\">mx " MX_VERSION "</p>\n</body>\n</html>\n");
}
