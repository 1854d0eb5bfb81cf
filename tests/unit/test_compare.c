/* SPDX-License-Identifier: Apache-2.0 */
/* mx compare's parts: the edit distance, what is steady in texts, the figure. */
#include "base/xalloc.h"
#include "compare/myers.h"
#include "compare/series.h"
#include "compare/steady.h"
#include "tap.h"

/* Deletions and insertions, by the table of all beginnings. */
static uint64_t slow_distance(const uint32_t *a, int na, const uint32_t *b, int nb)
{
	uint64_t table[64][64];

	for (int i = 0; i <= na; i++) {
		for (int k = 0; k <= nb; k++) {
			uint64_t del, ins;

			if (!i || !k) {
				table[i][k] = (uint64_t)(i + k);
				continue;
			}
			del = table[i - 1][k] + 1;
			ins = table[i][k - 1] + 1;
			table[i][k] = del < ins ? del : ins;
			if (a[i - 1] == b[k - 1] && table[i - 1][k - 1] < table[i][k])
				table[i][k] = table[i - 1][k - 1];
		}
	}
	return table[na][nb];
}

/* Do the hunks make the one of the other? */
static bool is_script(
	const struct myers *m, const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb)
{
	uint32_t i = 0, k = 0;
	uint64_t sum = 0;

	for (size_t h = 0; h <= m->n; h++) {
		uint32_t end = h < m->n ? m->hunks[h].a : na;

		for (; i < end; i++, k++) {
			if (i >= na || k >= nb || a[i] != b[k])
				return false;
		}
		if (h == m->n)
			break;
		if (m->hunks[h].b != k || (!m->hunks[h].na && !m->hunks[h].nb))
			return false;
		i += m->hunks[h].na;
		k += m->hunks[h].nb;
		sum += m->hunks[h].na + m->hunks[h].nb;
	}
	return i == na && k == nb && sum == m->distance;
}

static void test_distance(void)
{
	uint32_t a[48], b[48];
	unsigned wrong = 0, broken = 0, inexact = 0;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		uint32_t na = rand() % 49, nb = rand() % 49, kinds = 1 + rand() % 6;
		struct myers m;

		for (uint32_t i = 0; i < na; i++)
			a[i] = rand() % kinds;
		for (uint32_t i = 0; i < nb; i++)
			b[i] = i < na && rand() % 3 ? a[i] : (uint32_t)rand() % kinds;
		myers_compare(a, na, b, nb, 1000000, &m);
		wrong += m.distance != slow_distance(a, (int)na, b, (int)nb);
		broken += !is_script(&m, a, na, b, nb);
		inexact += !m.exact;
		myers_free(&m);
	}
	is_int(wrong, 0, "the distance is the shortest");
	is_int(broken, 0, "the hunks turn one sequence into the other");
	is_int(inexact, 0, "and nothing was given up");
}

/* A bound on the work gives a longer script, never a wrong one. */
static void test_bound(void)
{
	enum { N = 20000 };
	uint32_t *a = xreallocarray(NULL, N, sizeof(*a)), *b = xreallocarray(NULL, N, sizeof(*b));
	struct myers m;

	for (int i = 0; i < N; i++) {
		a[i] = (uint32_t)rand() % 1000;
		b[i] = (uint32_t)rand() % 1000;
	}
	myers_compare(a, N, b, N, 100000, &m);
	ok(!m.exact && is_script(&m, a, N, b, N), "too much work: an upper bound");
	ok(m.distance <= 2 * N, "which is not above what replacing everything takes");
	myers_free(&m);
	myers_compare(a, N, a, N, 1, &m);
	ok(m.exact && !m.distance && !m.n, "equal sequences take no work");
	myers_free(&m);
	free(a);
	free(b);
}

static void steady_is(const char *text, const char *want)
{
	static const int64_t ids[] = { 4321, 77 };
	const struct steady_run run = {
		.ids = ids, .nids = 2, .begun = 1700000000, .now = 1700000010
	};
	struct str out = STR_INIT;
	bool changed = steady_text(&out, text, strlen(text), &run);

	is_str(str_text(&out), want, "%s", text);
	ok(changed == (strcmp(text, want) != 0), "and it is told whether that is another text");
	str_free(&out);
}

static void test_steady(void)
{
	steady_is("pid 4321 is up", "pid <id> is up");
	steady_is("4321:M 23 Nov 2026 18:39:47.088 * Ready", "<id>:M 23 Nov 2026 <time> * Ready");
	steady_is("temp-4321.rdb", "temp-<id>.rdb");
	steady_is("54321 43210", "54321 43210");
	steady_is("a77 x4321y", "a77 x4321y");
	steady_is("at 1700000005, 1700000005123 ms", "at <time>, <time>");
	steady_is("at 1600000005", "at 1600000005");
	steady_is("2026-11-23T10:11:12Z", "<time>T<time>Z");
	steady_is("2026/11/23 10:11:12 [notice]", "<time> <time> [notice]");
	steady_is("took 0.003 seconds, 12 ms", "took <time>, <time>");
	steady_is("12 msgs, 3 seconds_left", "12 msgs, 3 seconds_left");
	steady_is("at 0x7ffe12345678, flags 0x1f", "at <address>, flags 0x1f");
	steady_is("HTTP/1.1 200 OK 7.0.15", "HTTP/1.1 200 OK 7.0.15");
	steady_is("4321", "<id>");
	steady_is("12:34", "12:34");
	steady_is("", "");
}

static void test_steady_bytes(void)
{
	static const int64_t id = 1234;
	const struct steady_run run = { .ids = &id, .nids = 1 };
	const char bytes[] = "\1\0\0\0pid 1234\0\377\37712\0";
	struct str out = STR_INIT;

	steady_bytes(&out, bytes, sizeof(bytes), &run);
	ok(out.len == sizeof(bytes) &&
			memcmp(out.data, "\1\0\0\0pid <id>\0\377\37712\0", out.len) == 0,
		"bytes that are no text stay as they are");
	str_free(&out);
}

/* A figure of anything: no division by zero, nothing outside, and names cannot break out. */
static void test_figure(void)
{
	struct series_pair pairs[] = {
		{ .old = (char *)"a", .new = (char *)"<script>&\"\001\377" },
		{ .old = (char *)"a",
			.new = (char *)"b",
			.distance_of_calls = UINT64_MAX / 2,
			.has_functions = true,
			.changed = 1,
			.verdict = VERDICT_UNSUPPORTED },
	};
	struct series s = { .pairs = pairs, .n = 2 };
	struct str out = STR_INIT;

	series_svg(&out, &s);
	ok(strstr(str_text(&out), "&lt;script&gt;&amp;&quot;??") &&
			!strstr(str_text(&out), "<script"),
		"names are text");
	ok(!strstr(str_text(&out), "nan") && !strstr(str_text(&out), "inf"),
		"all places are numbers");
	str_reset(&out);
	s.n = 0;
	series_svg(&out, &s);
	ok(strstr(str_text(&out), "</svg>") && !strstr(str_text(&out), "nan"),
		"a figure of nothing");
	str_free(&out);
}

int main(void)
{
	test_distance();
	test_bound();
	test_steady();
	test_steady_bytes();
	test_figure();
	return tap_done();
}
