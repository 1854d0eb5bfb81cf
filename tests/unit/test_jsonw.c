/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/jsonw.h"
#include "tap.h"

static const char *string(struct str *s, const char *data, size_t len)
{
	struct jsonw w;

	str_reset(s);
	jsonw_init(&w, s, false);
	jsonw_bytes(&w, data, len);
	return s->data;
}

static void test_strings(void)
{
	cleanup_str struct str s = STR_INIT;

	is_str(string(&s, "plain", 5), "\"plain\"", "plain text");
	is_str(string(&s, "", 0), "\"\"", "no text");
	is_str(string(&s, "a\"b\\c/\n\t\r\b\f", 11), "\"a\\\"b\\\\c/\\n\\t\\r\\b\\f\"", "escapes");
	is_str(string(&s, "\0\x01\x1f\x7f", 4), "\"\\u0000\\u0001\\u001f\\u007f\"",
		"control bytes");
	is_str(string(&s, "\xc3\xa4", 2), "\"\\u00e4\"", "two bytes of UTF-8");
	is_str(string(&s, "\xe2\x82\xac", 3), "\"\\u20ac\"", "three bytes");
	is_str(string(&s, "\xf0\x9f\x92\xa9", 4), "\"\\ud83d\\udca9\"", "a surrogate pair");
	is_str(string(&s, "\xff\xc3", 2), "\"\\u00ff\\u00c3\"", "bytes that are no UTF-8");
	is_str(string(&s, "\xc0\x80", 2), "\"\\u00c0\\u0080\"", "overlong");
	is_str(string(&s, "\xe0\x80\x80", 3), "\"\\u00e0\\u0080\\u0080\"", "overlong, three bytes");
	is_str(string(&s, "\xed\xa0\x80", 3), "\"\\u00ed\\u00a0\\u0080\"", "a surrogate");
	is_str(string(&s, "\xf4\x90\x80\x80", 4), "\"\\u00f4\\u0090\\u0080\\u0080\"",
		"above the last code point");
	is_str(string(&s, "\xe2\x82", 2), "\"\\u00e2\\u0082\"", "a cut sequence");
}

static void test_structure(void)
{
	cleanup_str struct str s = STR_INIT;
	struct jsonw w;

	jsonw_init(&w, &s, false);
	jsonw_object_begin(&w);
	jsonw_kv_int(&w, "min", INT64_MIN);
	jsonw_kv_uint(&w, "max", UINT64_MAX);
	jsonw_kv_hex(&w, "hex", 0xdeadbeef);
	jsonw_kv_bool(&w, "yes", true);
	jsonw_kv_str(&w, "none", NULL);
	jsonw_key(&w, "list");
	jsonw_array_begin(&w);
	jsonw_double(&w, 0.125, 2);
	jsonw_double(&w, INFINITY, 2);
	jsonw_object_begin(&w);
	jsonw_object_end(&w);
	ok(!jsonw_is_complete(&w), "an open list is not complete");
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	is_str(s.data,
		"{\"min\":-9223372036854775808,\"max\":18446744073709551615,\"hex\":\"0xdeadbeef\","
		"\"yes\":true,\"none\":null,\"list\":[0.12,null,{}]}",
		"an object of everything");
	ok(jsonw_is_complete(&w), "complete");

	str_reset(&s);
	jsonw_init(&w, &s, true);
	jsonw_array_begin(&w);
	jsonw_int(&w, 1);
	jsonw_object_begin(&w);
	jsonw_kv_int(&w, "a", 2);
	jsonw_object_end(&w);
	jsonw_array_begin(&w);
	jsonw_array_end(&w);
	jsonw_array_end(&w);
	is_str(s.data, "[\n  1,\n  {\n    \"a\": 2\n  },\n  []\n]", "pretty");
}

/* Whatever the bytes, a parser that knows nothing of us accepts the text. */
static void test_any_bytes(void)
{
	cleanup_str struct str s = STR_INIT;
	struct jsonw w;
	FILE *parser;

	srandom(1);
	jsonw_init(&w, &s, false);
	jsonw_array_begin(&w);
	for (int i = 0; i < 2000; i++) {
		char data[24];
		size_t len = random() % sizeof(data);

		for (size_t j = 0; j < len; j++)
			data[j] = random() % 3 ? (random() & 0x7f) | 0x80 : random() & 0xff;
		jsonw_bytes(&w, data, len);
	}
	jsonw_array_end(&w);
	parser = popen(
		"python3 -c 'import json,sys; sys.exit(len(json.load(sys.stdin)) != 2000)'", "w");
	if (!parser)
		return tap_skip("no parser");
	fwrite(s.data, 1, s.len, parser);
	is_int(pclose(parser), 0, "2000 strings of random bytes are valid JSON");
}

static void misuse(int which)
{
	cleanup_str struct str s = STR_INIT;
	struct jsonw w;

	jsonw_init(&w, &s, false);
	jsonw_object_begin(&w);
	if (which == 0)
		jsonw_int(&w, 1);
	else if (which == 1)
		jsonw_array_end(&w);
	else
		for (int i = 0; i < JSONW_DEPTH; i++) {
			jsonw_key(&w, "k");
			jsonw_object_begin(&w);
		}
}

static void test_misuse(void)
{
	static const char *const names[] = { "a value without key", "a wrong end", "too deep" };

	for (int i = 0; i < 3; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			fclose(stderr);
			misuse(i);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s aborts", names[i]);
	}
}

int main(void)
{
	test_strings();
	test_structure();
	test_any_bytes();
	test_misuse();
	return tap_done();
}
