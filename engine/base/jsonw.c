/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonw.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"

void jsonw_init(struct jsonw *w, struct str *out, bool pretty)
{
	*w = (struct jsonw){ .out = out, .pretty = pretty };
}

static void new_line(struct jsonw *w)
{
	if (!w->pretty)
		return;
	str_putc(w->out, '\n');
	for (int i = 0; i < w->depth; i++)
		str_puts(w->out, "  ");
}

/* What comes before an element: the comma after the one before, and the line break. */
static void separate(struct jsonw *w)
{
	if (w->depth == 0)
		return;
	if (w->level[w->depth - 1].any)
		str_putc(w->out, ',');
	w->level[w->depth - 1].any = true;
	new_line(w);
}

static void before_value(struct jsonw *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	assert(w->depth == 0 || w->level[w->depth - 1].close == ']');
	separate(w);
}

static void begin(struct jsonw *w, char open, char close)
{
	before_value(w);
	assert(w->depth < JSONW_DEPTH);
	w->level[w->depth].close = close;
	w->level[w->depth].any = false;
	w->depth++;
	str_putc(w->out, open);
}

static void end(struct jsonw *w, char close)
{
	bool any;

	assert(w->depth > 0 && w->level[w->depth - 1].close == close && !w->after_key);
	any = w->level[--w->depth].any;
	if (any)
		new_line(w);
	str_putc(w->out, close);
}

void jsonw_object_begin(struct jsonw *w)
{
	begin(w, '{', '}');
}

void jsonw_object_end(struct jsonw *w)
{
	end(w, '}');
}

void jsonw_array_begin(struct jsonw *w)
{
	begin(w, '[', ']');
}

void jsonw_array_end(struct jsonw *w)
{
	end(w, ']');
}

static void put_escape(struct str *out, uint32_t code)
{
	static const char names[] = "\bb\ff\nn\rr\tt\"\"\\\\";

	for (const char *p = names; *p; p += 2) {
		if ((uint32_t)(uint8_t)*p == code) {
			str_putc(out, '\\');
			str_putc(out, p[1]);
			return;
		}
	}
	if (code >= 0x10000) {
		code -= 0x10000;
		str_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + (code >> 10),
			0xdc00 + (code & 0x3ff));
		return;
	}
	str_printf(out, "\\u%04" PRIx32, code);
}

static void put_string(struct str *out, const uint8_t *s, size_t len)
{
	size_t i = 0;

	str_putc(out, '"');
	while (i < len) {
		size_t plain = i, n;
		uint32_t code;

		while (plain < len && s[plain] >= 0x20 && s[plain] < 0x7f && s[plain] != '"' &&
			s[plain] != '\\')
			plain++;
		str_append(out, s + i, plain - i);
		i = plain;
		if (i == len)
			break;
		n = utf8_decode(s + i, len - i, &code);
		if (n == 0) {
			code = s[i];
			n = 1;
		}
		put_escape(out, code);
		i += n;
	}
	str_putc(out, '"');
}

void jsonw_key(struct jsonw *w, const char *key)
{
	assert(w->depth > 0 && w->level[w->depth - 1].close == '}' && !w->after_key);
	separate(w);
	put_string(w->out, (const uint8_t *)key, strlen(key));
	str_puts(w->out, w->pretty ? ": " : ":");
	w->after_key = true;
}

void jsonw_bytes(struct jsonw *w, const void *data, size_t len)
{
	before_value(w);
	put_string(w->out, data, len);
}

void jsonw_str(struct jsonw *w, const char *text)
{
	if (text)
		jsonw_bytes(w, text, strlen(text));
	else
		jsonw_null(w);
}

void jsonw_int(struct jsonw *w, int64_t n)
{
	before_value(w);
	str_printf(w->out, "%" PRId64, n);
}

void jsonw_uint(struct jsonw *w, uint64_t n)
{
	before_value(w);
	str_printf(w->out, "%" PRIu64, n);
}

void jsonw_hex(struct jsonw *w, uint64_t n)
{
	before_value(w);
	str_printf(w->out, "\"0x%" PRIx64 "\"", n);
}

void jsonw_bool(struct jsonw *w, bool b)
{
	before_value(w);
	str_puts(w->out, b ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
	before_value(w);
	str_puts(w->out, "null");
}

void jsonw_double(struct jsonw *w, double n, int digits)
{
	before_value(w);
	if (isfinite(n))
		str_printf(w->out, "%.*f", digits, n);
	else
		str_puts(w->out, "null");
}

void jsonw_kv_str(struct jsonw *w, const char *key, const char *text)
{
	jsonw_key(w, key);
	jsonw_str(w, text);
}

void jsonw_kv_int(struct jsonw *w, const char *key, int64_t n)
{
	jsonw_key(w, key);
	jsonw_int(w, n);
}

void jsonw_kv_uint(struct jsonw *w, const char *key, uint64_t n)
{
	jsonw_key(w, key);
	jsonw_uint(w, n);
}

void jsonw_kv_hex(struct jsonw *w, const char *key, uint64_t n)
{
	jsonw_key(w, key);
	jsonw_hex(w, n);
}

void jsonw_kv_bool(struct jsonw *w, const char *key, bool b)
{
	jsonw_key(w, key);
	jsonw_bool(w, b);
}

bool jsonw_is_complete(const struct jsonw *w)
{
	return w->depth == 0 && !w->after_key;
}
