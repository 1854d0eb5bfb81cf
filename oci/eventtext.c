/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/eventtext.h"

#include <ctype.h>
#include <string.h>

#define OBJECT_MAX 60

static bool is_plain(const char *s)
{
	for (; *s; s++) {
		if (!isgraph((unsigned char)*s) || *s == '"')
			return false;
	}
	return true;
}

/* Objects (the registers at a crash) are cut; the log itself has all of it. */
static void put_value(const struct json *value, struct str *out)
{
	cleanup_str struct str object = STR_INIT;
	const char *text = json_string(value);

	if (text && text[0] && is_plain(text)) {
		str_puts(out, text);
		return;
	}
	if (json_type(value) != JSON_OBJECT) {
		json_print(value, out);
		return;
	}
	json_print(value, &object);
	if (object.len > OBJECT_MAX)
		str_printf(out, "%.*s...}", OBJECT_MAX, object.data);
	else
		str_puts(out, object.data);
}

void eventtext_put(const struct json *event, struct str *out)
{
	const char *time = json_string(json_get(event, "time"));
	const char *name = json_string(json_get(event, "event"));
	const char *clock = time ? strchr(time, 'T') : NULL;

	if (clock)
		str_printf(out, "%.15s ", clock + 1);
	str_puts(out, name && is_plain(name) ? name : "?");
	for (size_t i = 0; i < json_count(event); i++) {
		const char *key = json_key_at(event, i);
		const struct json *value = json_at(event, i);

		if (strcmp(key, "time") == 0 || strcmp(key, "event") == 0)
			continue;
		if (json_type(value) != JSON_ARRAY) {
			str_printf(out, " %s=", is_plain(key) ? key : "?");
			put_value(value, out);
			continue;
		}
		for (size_t k = 0; k < json_count(value); k++) {
			str_printf(out, "\n    %s: ", is_plain(key) ? key : "?");
			put_value(json_at(value, k), out);
		}
	}
	str_putc(out, '\n');
}
