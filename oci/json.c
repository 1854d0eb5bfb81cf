/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/xalloc.h"
#include "oci/json_tree.h"

struct json *json_new(enum json_type type)
{
	struct json *j = xzalloc(sizeof(*j));

	j->type = type;
	return j;
}

struct json *json_new_text(enum json_type type, const char *text, size_t len)
{
	struct json *j = json_new(type);

	j->text = xmalloc(len + 1);
	memcpy(j->text, text, len);
	j->text[len] = '\0';
	j->len = len;
	return j;
}

struct json *json_new_bool(bool value)
{
	struct json *j = json_new(JSON_BOOL);

	j->truth = value;
	return j;
}

struct json *json_new_integer(long long n)
{
	cleanup_free char *text = xasprintf("%lld", n);

	return json_new_text(JSON_NUMBER, text, strlen(text));
}

struct json *json_new_string(const char *s)
{
	return json_new_text(JSON_STRING, s, strlen(s));
}

struct json *json_new_strings(const char *first, ...)
{
	struct json *array = json_new(JSON_ARRAY);
	va_list ap;

	va_start(ap, first);
	for (const char *s = first; s; s = va_arg(ap, const char *))
		json_append(array, json_new_string(s));
	va_end(ap);
	return array;
}

static void member_free(struct json_member *m)
{
	free(m->key);
	json_free(m->value);
}

void json_free(struct json *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->count; i++)
		member_free(&j->members[i]);
	free(j->members);
	free(j->text);
	free(j);
}

struct json *json_copy(const struct json *j)
{
	struct json *copy;

	if (j->text)
		copy = json_new_text(j->type, j->text, j->len);
	else
		copy = json_new(j->type);
	copy->truth = j->truth;
	for (size_t i = 0; i < j->count; i++) {
		const struct json_member *m = &j->members[i];

		json_add_member(copy, i, m->key, m->key_len, json_copy(m->value));
	}
	return copy;
}

enum json_type json_type(const struct json *j)
{
	return j ? j->type : JSON_NULL;
}

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",
		[JSON_BOOL] = "boolean",
		[JSON_NUMBER] = "number",
		[JSON_STRING] = "string",
		[JSON_ARRAY] = "array",
		[JSON_OBJECT] = "object",
	};

	return names[type];
}

const char *json_string(const struct json *j)
{
	if (!j || j->type != JSON_STRING || memchr(j->text, '\0', j->len))
		return NULL;
	return j->text;
}

bool json_is_true(const struct json *j)
{
	return j && j->type == JSON_BOOL && j->truth;
}

int json_integer(const struct json *j, long long min, long long max, long long *ret_n)
{
	long long n;
	char *end;

	if (!j || j->type != JSON_NUMBER)
		return -EINVAL;
	errno = 0;
	n = strtoll(j->text, &end, 10);
	if (errno || *end || n < min || n > max)
		return -EINVAL;
	*ret_n = n;
	return 0;
}

size_t json_count(const struct json *j)
{
	return j ? j->count : 0;
}

struct json *json_at(const struct json *j, size_t i)
{
	return j && i < j->count ? j->members[i].value : NULL;
}

bool json_has_string(const struct json *array, const char *s)
{
	for (size_t i = 0; i < json_count(array); i++) {
		const char *item = json_string(json_at(array, i));

		if (item && strcmp(item, s) == 0)
			return true;
	}
	return false;
}

const char *json_key_at(const struct json *j, size_t i)
{
	return j && i < j->count ? j->members[i].key : NULL;
}

static struct json_member *find_member(const struct json *object, const char *key, size_t len)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < object->count; i++) {
		struct json_member *m = &object->members[i];

		if (m->key_len == len && memcmp(m->key, key, len) == 0)
			return m;
	}
	return NULL;
}

struct json *json_get(const struct json *object, const char *key)
{
	struct json_member *m = find_member(object, key, strlen(key));

	return m ? m->value : NULL;
}

struct json *json_path(const struct json *object, const char *path)
{
	for (;;) {
		size_t len = strcspn(path, ".");
		struct json_member *m = find_member(object, path, len);

		if (!m)
			return NULL;
		if (path[len] == '\0')
			return m->value;
		object = m->value;
		path += len + 1;
	}
}

void json_add_member(
	struct json *container, size_t i, const char *key, size_t key_len, struct json *value)
{
	struct json_member *at;

	if (container->count == container->room) {
		container->room = container->room ? container->room * 2 : 8;
		container->members = xreallocarray(
			container->members, container->room, sizeof(*container->members));
	}
	if (i > container->count)
		i = container->count;
	at = container->members + i;
	memmove(at + 1, at, (container->count - i) * sizeof(*at));
	container->count++;
	at->key = NULL;
	at->key_len = key_len;
	at->value = value;
	if (key) {
		at->key = xmalloc(key_len + 1);
		memcpy(at->key, key, key_len);
		at->key[key_len] = '\0';
	}
}

void json_set(struct json *object, const char *key, struct json *value)
{
	size_t len = strlen(key);
	struct json_member *m = find_member(object, key, len);

	if (!m) {
		json_add_member(object, object->count, key, len, value);
		return;
	}
	json_free(m->value);
	m->value = value;
}

void json_insert(struct json *array, size_t i, struct json *value)
{
	json_add_member(array, i, NULL, 0, value);
}

void json_append(struct json *array, struct json *value)
{
	json_add_member(array, array->count, NULL, 0, value);
}

void json_remove_at(struct json *container, size_t i)
{
	struct json_member *at = container->members + i;

	if (i >= container->count)
		return;
	member_free(at);
	container->count--;
	memmove(at, at + 1, (container->count - i) * sizeof(*at));
}

int json_ensure(struct json *object, const char *key, enum json_type type, struct json **ret_value,
	struct err *err)
{
	struct json *value = json_get(object, key);

	if (!value || value->type == JSON_NULL) {
		value = json_new(type);
		json_set(object, key, value);
	}
	if (value->type != type)
		return err_set(err, EINVAL, "%s: is no %s", key, json_type_name(type));
	*ret_value = value;
	return 0;
}

static void print_value(yajl_gen gen, const struct json *j)
{
	const unsigned char *text = (const unsigned char *)j->text;

	switch (j->type) {
	case JSON_NULL:
		yajl_gen_null(gen);
		return;
	case JSON_BOOL:
		yajl_gen_bool(gen, j->truth);
		return;
	case JSON_NUMBER:
		yajl_gen_number(gen, j->text, j->len);
		return;
	case JSON_STRING:
		yajl_gen_string(gen, text, j->len);
		return;
	case JSON_ARRAY:
		yajl_gen_array_open(gen);
		for (size_t i = 0; i < j->count; i++)
			print_value(gen, j->members[i].value);
		yajl_gen_array_close(gen);
		return;
	case JSON_OBJECT:
		yajl_gen_map_open(gen);
		for (size_t i = 0; i < j->count; i++) {
			const struct json_member *m = &j->members[i];

			yajl_gen_string(gen, (const unsigned char *)m->key, m->key_len);
			print_value(gen, m->value);
		}
		yajl_gen_map_close(gen);
		return;
	}
}

static void print_piece(void *out, const char *text, size_t len)
{
	str_append(out, text, len);
}

void json_print(const struct json *j, struct str *out)
{
	yajl_gen gen = yajl_gen_alloc(NULL);

	if (!gen)
		abort();
	yajl_gen_config(gen, yajl_gen_print_callback, print_piece, out);
	print_value(gen, j);
	yajl_gen_free(gen);
}
