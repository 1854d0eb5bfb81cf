/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON tree: what it keeps, what it refuses, and edits. */
#include <errno.h>

#include "base/str.h"
#include "oci/json.h"
#include "tap.h"

static void round_trip(const char *text, const char *want)
{
	cleanup_json struct json *j = NULL;
	cleanup_str struct str out = STR_INIT;
	struct err err = { 0 };

	if (!ok(json_parse(text, strlen(text), &j, &err) == 0, "parses: %.40s", text)) {
		printf("# %s\n", err.text);
		return;
	}
	json_print(j, &out);
	is_str(str_text(&out), want, "prints: %.40s", want);
}

static void refuse(const char *text, const char *part)
{
	struct json *j = NULL;
	struct err err = { 0 };

	ok(json_parse(text, strlen(text), &j, &err) == -EINVAL, "refused: %.40s", text);
	ok(strstr(err.text, part) != NULL, "says \"%s\": %s", part, err.text);
	ok(j == NULL, "and gives nothing");
}

static void test_kept(void)
{
	round_trip("{}", "{}");
	round_trip(" [ ] ", "[]");
	round_trip("{\"b\":1,\"a\":[null,true,false]}", "{\"b\":1,\"a\":[null,true,false]}");
	round_trip("[18446744073709551616, 1.50, -0, 1e400, 1E+2]",
		"[18446744073709551616,1.50,-0,1e400,1E+2]");
	round_trip("\"\\u0000\\u0001\\\"\\\\/\\u20ac\"", "\"\\u0000\\u0001\\\"\\\\/\xe2\x82\xac\"");
	round_trip("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
	round_trip("{\"\":{\"a.b\":\"\"}}", "{\"\":{\"a.b\":\"\"}}");
}

static void test_refused(void)
{
	cleanup_str struct str deep = STR_INIT;

	refuse("", "EOF");
	refuse("{\"a\":1", "EOF");
	refuse("[1] 2", "trailing garbage");
	refuse("[1,]", "line 1");
	refuse("{\n\"a\": x}", "line 2");
	refuse("{\"a\":1,\"b\":2,\"a\":3}", "\"a\" is there twice");
	refuse("\"\xff\"", "line 1");
	for (int i = 0; i <= JSON_DEPTH_MAX; i++)
		str_puts(&deep, "[");
	refuse(str_text(&deep), "nested deeper");
}

static void test_read(void)
{
	const char *text = "{\"a\":{\"b\":[\"x\",7,\"y\\u0000z\"]},\"t\":true,\"n\":null}";
	cleanup_json struct json *j = NULL;
	const struct json *list;
	long long n = 42;

	if (json_parse(text, strlen(text), &j, NULL) < 0)
		return;
	list = json_path(j, "a.b");
	is_int(json_count(list), 3, "a path leads to the list");
	is_str(json_string(json_at(list, 0)), "x", "a string");
	ok(json_string(json_at(list, 2)) == NULL, "a string with a NUL is no C string");
	ok(json_string(json_at(list, 3)) == NULL, "past the end there is nothing");
	ok(json_integer(json_at(list, 1), 0, 6, &n) == -EINVAL && n == 42, "a number out of range");
	ok(json_integer(json_at(list, 1), 0, 7, &n) == 0 && n == 7, "a number in range");
	ok(json_integer(json_at(list, 0), 0, 7, &n) == -EINVAL, "a string is no number");
	ok(json_is_true(json_get(j, "t")) && !json_is_true(json_get(j, "n")), "true and null");
	ok(json_get(list, "a") == NULL && json_path(j, "t.x") == NULL, "no object, no member");
	ok(json_get(NULL, "a") == NULL && json_count(NULL) == 0, "nothing has nothing");
}

static void test_edit(void)
{
	const char *text = "{\"keep\":1,\"list\":[\"b\"],\"null\":null}";
	cleanup_json struct json *j = NULL, *copy = NULL;
	cleanup_str struct str out = STR_INIT, again = STR_INIT;
	struct json *list, *made;
	struct err err = { 0 };

	if (json_parse(text, strlen(text), &j, NULL) < 0)
		return;
	list = json_get(j, "list");
	json_insert(list, 0, json_new_string("a"));
	json_append(list, json_new_integer(-3));
	json_insert(list, 99, json_new_bool(false));
	json_remove_at(list, 1);
	json_remove_at(list, 99);
	json_set(j, "keep", json_new_strings("x", "y", NULL));
	ok(json_ensure(j, "null", JSON_OBJECT, &made, &err) == 0, "null becomes an object");
	json_set(made, "k", json_new(JSON_NULL));
	ok(json_ensure(j, "list", JSON_OBJECT, &made, &err) == -EINVAL, "a list does not");
	is_str(err.text, "list: is no object", "and it is said");
	json_print(j, &out);
	is_str(str_text(&out),
		"{\"keep\":[\"x\",\"y\"],\"list\":[\"a\",-3,false],\"null\":{\"k\":null}}",
		"after the edits");
	copy = json_copy(j);
	json_print(copy, &again);
	is_str(str_text(&again), str_text(&out), "a copy is the same");
}

static void test_after_the_value(void)
{
	static const char *const bad[] = { "{}}", "{} \"", "{} \"x}", "{}\"a\\", "{} \"a\\\"",
		"[] []", "1 \"", "{} tru" };
	static const char *const good[] = { "{}", " {} \t", "\"a\"", "12", "true", "null",
		"\"\\\\\"" };
	struct json *j;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		j = NULL;
		ok(json_parse(bad[i], strlen(bad[i]), &j, NULL) < 0, "refused: %s", bad[i]);
		json_free(j);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		j = NULL;
		ok(json_parse(good[i], strlen(good[i]), &j, NULL) == 0, "taken: %s", good[i]);
		json_free(j);
	}
}

int main(void)
{
	test_kept();
	test_refused();
	test_read();
	test_edit();
	test_after_the_value();
	return tap_done();
}
