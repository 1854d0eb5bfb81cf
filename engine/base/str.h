/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer. It is always terminated by a NUL that `len` does not count, so a buffer
 * that holds text can be used as a C string.
 */
#ifndef MX_BASE_STR_H
#define MX_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct str {
	char *data; /* never NULL once something was appended */
	size_t len;
	size_t room;
};

#define STR_INIT                                                                                   \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void str_free(struct str *s);
/* Empties it and keeps the memory. */
void str_reset(struct str *s);
/* Makes room for @extra more bytes and returns where they begin; `len` is unchanged. */
char *str_reserve(struct str *s, size_t extra);
void str_append(struct str *s, const void *data, size_t len);
void str_puts(struct str *s, const char *text);
void str_putc(struct str *s, char c);
void str_printf(struct str *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The text, or "" for a buffer that never held anything. */
/*
 * "2026-11-30T10:03:10" of seconds since 1970, none before. gmtime_r(3) would read the file of the
 * time zone first.
 */
void str_put_utc(struct str *s, int64_t seconds);
const char *str_text(const struct str *s);

#define cleanup_str __attribute__((cleanup(str_free)))

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Strict decimal number in [@min, @max]. Returns 0 or -EINVAL, *@ret_n untouched on failure. */
MUST_CHECK int str_to_long(const char *s, long min, long max, long *ret_n);

#endif
