/* SPDX-License-Identifier: Apache-2.0 */
#include "base/markup.h"

#include <string.h>

#include "base/utf8.h"

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void str_put_markup(struct str *out, const char *text)
{
	size_t left = text ? strlen(text) : 0, n;

	for (; left; text += n, left -= n) {
		const char *entity = entity_of(*text);
		uint32_t code;

		n = utf8_decode((const uint8_t *)text, left, &code);
		if (n) {
			str_append(out, text, n);
			continue;
		}
		n = 1;
		if (entity)
			str_puts(out, entity);
		else if (*text == '\n' || *text == '\t' || (*text >= ' ' && *text <= '~'))
			str_putc(out, *text);
		else
			str_putc(out, '?');
	}
}
