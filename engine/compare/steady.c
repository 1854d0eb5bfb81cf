/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/steady.h"

#include <ctype.h>
#include <string.h>

/* Shorter runs of printable characters among other bytes are numbers that look like text. */
#define TEXT_MIN 4

static size_t digits(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && isdigit((unsigned char)s[n]))
		n++;
	return n;
}

static bool is_at(const char *s, size_t len, const char *word)
{
	size_t n = strlen(word);

	return n <= len && memcmp(s, word, n) == 0;
}

/* 12:34:56, with a fraction where there is one. */
static size_t time_of_day(const char *s, size_t len)
{
	size_t n = 8, fraction;

	if (len < n || digits(s, 2) != 2 || s[2] != ':' || digits(s + 3, 2) != 2 || s[5] != ':' ||
		digits(s + 6, len - 6) != 2)
		return 0;
	if (n < len && (s[n] == '.' || s[n] == ',')) {
		fraction = digits(s + n + 1, len - n - 1);
		if (fraction >= 3)
			n += 1 + fraction;
	}
	return n;
}

/* 2026-11-23 or 2026/11/23 */
static size_t date(const char *s, size_t len)
{
	if (len < 10 || digits(s, len) != 4 || (s[4] != '-' && s[4] != '/') || s[7] != s[4] ||
		digits(s + 5, len - 5) != 2 || digits(s + 8, len - 8) != 2)
		return 0;
	return s[0] == '2' || s[0] == '1' ? 10 : 0;
}

/* 0x7ffd0123: shorter ones are flags and the like. */
static size_t address(const char *s, size_t len)
{
	size_t n = 2;

	if (len < 8 || s[0] != '0' || s[1] != 'x')
		return 0;
	while (n < len && isxdigit((unsigned char)s[n]))
		n++;
	return n >= 8 ? n : 0;
}

/* A number with a unit of time: 12 ms, 0.003 seconds. */
static size_t duration(const char *s, size_t len)
{
	static const char *const units[] = { "milliseconds", "microseconds", "seconds", "msec",
		"usec", "sec", "ms", "us", "ns" };
	size_t n = digits(s, len), unit;
	bool fraction = n < len && s[n] == '.' && digits(s + n + 1, len - n - 1) > 0;

	if (fraction)
		n += 1 + digits(s + n + 1, len - n - 1);
	if (n < len && s[n] == ' ')
		n++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		unit = strlen(units[i]);
		if (is_at(s + n, len - n, units[i]) &&
			(n + unit == len ||
				!(isalnum((unsigned char)s[n + unit]) || s[n + unit] == '_')))
			return n + unit;
	}
	return 0;
}

/* Seconds since the epoch, or so many thousandths, millionths or billionths. */
static bool is_epoch(const char *s, size_t n, const struct steady_run *run)
{
	int64_t v = 0;

	if (n != 10 && n != 13 && n != 16 && n != 19)
		return false;
	for (size_t i = 0; i < 10; i++)
		v = v * 10 + (s[i] - '0');
	return v >= run->begun - 1 && v <= run->now + 1;
}

static bool is_id(const char *s, size_t n, const struct steady_run *run)
{
	int64_t v = 0;

	/* One digit is a count, or anything; an id of a container's first processes stays. */
	if (n < 2 || n > 10 || s[0] == '0')
		return false;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (s[i] - '0');
	for (size_t i = 0; i < run->nids; i++) {
		if (run->ids[i] == v)
			return true;
	}
	return false;
}

/*
 * How many bytes at @s, where a number begins, are replaced, and by what; 0: none. @in_word: it
 * stands after a letter, as the time does in 2026-11-23T10:11:12.
 */
static size_t unsteady(const char *s, size_t len, bool in_word, const struct steady_run *run,
	const char **ret_word)
{
	size_t n;

	*ret_word = "<time>";
	n = time_of_day(s, len);
	if (n || in_word)
		return n;
	n = date(s, len);
	if (n)
		return n;
	*ret_word = "<address>";
	n = address(s, len);
	if (n)
		return n;
	*ret_word = "<time>";
	n = duration(s, len);
	if (n)
		return n;
	n = digits(s, len);
	if (is_epoch(s, n, run))
		return n;
	*ret_word = "<id>";
	return is_id(s, n, run) ? n : 0;
}

bool steady_text(struct str *out, const char *text, size_t len, const struct steady_run *run)
{
	bool changed = false;
	const char *word;
	bool in_word = false;
	size_t i = 0, n;

	while (i < len) {
		if (!isdigit((unsigned char)text[i])) {
			in_word = isalpha((unsigned char)text[i]) || text[i] == '_';
			str_putc(out, text[i++]);
			continue;
		}
		n = unsteady(text + i, len - i, in_word, run, &word);
		if (n) {
			str_puts(out, word);
			changed = true;
		} else {
			n = digits(text + i, len - i);
			/* Letters and digits that belong together: no number begins in a word. */
			while (i + n < len && isalnum((unsigned char)text[i + n]))
				n++;
			str_append(out, text + i, n);
		}
		in_word = false;
		i += n;
	}
	return changed;
}

bool steady_bytes(struct str *out, const void *data, size_t len, const struct steady_run *run)
{
	const char *s = data;
	bool changed = false;
	size_t i = 0, n;

	while (i < len) {
		for (n = 0; i + n < len && (isprint((unsigned char)s[i + n]) || s[i + n] == '\n' ||
						   s[i + n] == '\r' || s[i + n] == '\t');
			n++) {
		}
		if (n >= TEXT_MIN) {
			changed |= steady_text(out, s + i, n, run);
			i += n;
			continue;
		}
		n += i + n < len;
		str_append(out, s + i, n);
		i += n;
	}
	return changed;
}
