/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON text into a buffer, value after value: commas, colons and (where wanted) line breaks
 * come by themselves. The output is always valid JSON and plain ASCII, whatever bytes a string
 * holds: well-formed UTF-8 is written as \uXXXX escapes (surrogate pairs above U+FFFF), and each
 * byte that is no part of well-formed UTF-8 is written as \u00XX with the byte's own value, so that
 * nothing is lost to the eye although it cannot be told from the Latin-1 character.
 *
 * Unbalanced begins and ends, a value without a key inside an object, and a nesting deeper than
 * JSONW_DEPTH are bugs of the caller and abort.
 */
#ifndef MX_BASE_JSONW_H
#define MX_BASE_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define JSONW_DEPTH 32

struct jsonw {
	struct str *out;
	bool pretty; /* one value a line, two spaces of indent a level */
	bool after_key;
	int depth;
	struct {
		char close; /* '}' or ']' */
		bool any;
	} level[JSONW_DEPTH];
};

/* Appends to @out, which stays the caller's and must live as long as the writer is used. */
void jsonw_init(struct jsonw *w, struct str *out, bool pretty);

void jsonw_object_begin(struct jsonw *w);
void jsonw_object_end(struct jsonw *w);
void jsonw_array_begin(struct jsonw *w);
void jsonw_array_end(struct jsonw *w);

/* The name of the value that comes next; only inside an object. */
void jsonw_key(struct jsonw *w, const char *key);

/* Values. */
void jsonw_str(struct jsonw *w, const char *text); /* NULL: null */
void jsonw_bytes(struct jsonw *w, const void *data, size_t len);
void jsonw_int(struct jsonw *w, int64_t n);
void jsonw_uint(struct jsonw *w, uint64_t n);
void jsonw_hex(struct jsonw *w, uint64_t n); /* the string "0x..." */
void jsonw_bool(struct jsonw *w, bool b);
void jsonw_null(struct jsonw *w);
/* A number with @digits decimals; one that JSON cannot express (infinity, NaN) becomes null. */
void jsonw_double(struct jsonw *w, double n, int digits);

/* Key and value in one. */
void jsonw_kv_str(struct jsonw *w, const char *key, const char *text);
void jsonw_kv_int(struct jsonw *w, const char *key, int64_t n);
void jsonw_kv_uint(struct jsonw *w, const char *key, uint64_t n);
void jsonw_kv_hex(struct jsonw *w, const char *key, uint64_t n);
void jsonw_kv_bool(struct jsonw *w, const char *key, bool b);

/* True where everything that was begun has been ended. */
bool jsonw_is_complete(const struct jsonw *w);

#endif
