/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void str_free(struct str *s)
{
	free(s->data);
	*s = (struct str)STR_INIT;
}

void str_reset(struct str *s)
{
	s->len = 0;
	if (s->data)
		s->data[0] = '\0';
}

char *str_reserve(struct str *s, size_t extra)
{
	size_t need = s->len + extra + 1;

	if (need > s->room) {
		size_t room = s->room ? s->room : 64;

		while (room < need)
			room *= 2;
		s->data = xrealloc(s->data, room);
		s->room = room;
	}
	return s->data + s->len;
}

void str_append(struct str *s, const void *data, size_t len)
{
	char *at = str_reserve(s, len);

	if (len)
		memcpy(at, data, len);
	at[len] = '\0';
	s->len += len;
}

void str_puts(struct str *s, const char *text)
{
	str_append(s, text, strlen(text));
}

void str_putc(struct str *s, char c)
{
	str_append(s, &c, 1);
}

void str_printf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	str_reserve(s, n);
	va_start(ap, fmt);
	vsnprintf(s->data + s->len, n + 1, fmt, ap);
	va_end(ap);
	s->len += n;
}

void str_put_utc(struct str *s, int64_t seconds)
{
	/* Years begin in March here, so that a leap day comes last; 400 of them have 146,097 days.
	 */
	int64_t days = seconds / 86400 + 719468, day_of_era = days % 146097;
	int64_t rest = seconds % 86400, year, day, month;

	year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day = day_of_era - (365 * year + year / 4 - year / 100);
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month = month < 10 ? month + 3 : month - 9;
	year += days / 146097 * 400 + (month <= 2);
	str_printf(s, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, (int)month, (int)day + 1,
		(int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}

const char *str_text(const struct str *s)
{
	return s->data ? s->data : "";
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

int str_to_long(const char *s, long min, long max, long *ret_n)
{
	char *end;
	long n;

	if (*s == '\0' || *s == ' ' || *s == '\t' || *s == '+')
		return -EINVAL;
	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || *end || n < min || n > max)
		return -EINVAL;
	*ret_n = n;
	return 0;
}
