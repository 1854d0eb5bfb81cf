/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns, and rule files that were damaged at every place: read or refused, never more than that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mxm/rulefile.h"
#include "oci/json.h"
#include "tap.h"

static const char good[] =
	"{\"mx-rules\":1,\"rules\":["
	"{\"name\":\"a\",\"why\":\"w\",\"action\":\"drop\",\"in\":\"new\",\"calls\":[\"umask(*)\"],"
	"\"results\":[18]},"
	"{\"name\":\"b\",\"action\":\"add\",\"in\":\"old\",\"calls\":[\"umask(0)\",\"openat(*)\"]},"
	"{\"name\":\"c\",\"action\":\"rewrite\",\"old\":[\"write(*, 1)\"],\"new\":[\"write(*, "
	"2)\"]},"
	"{\"name\":\"d\",\"action\":\"merge\",\"old\":[\"lseek(*)\",\"write(*)\"],\"new\":[\"write("
	"*)\"]},"
	"{\"name\":\"e\",\"action\":\"reorder\",\"calls\":[\"lseek(3*)\",\"lseek(4*)\"],\"window\":"
	"4}]}";

static int parse(const char *text, size_t len)
{
	cleanup_json struct json *j = NULL;
	struct rules *rules = NULL;
	struct err err = { 0 };
	int rc = json_parse(text, len, &j, &err);

	if (rc == 0)
		rc = rulefile_parse(j, &rules, &err);
	if (rc < 0 && (!err.text[0] || err.code != -rc))
		return 1000; /* a failure without a reason */
	rulefile_free(rules);
	return rc;
}

static void test_patterns(void)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "anything", true },
		{ "a?c", "abc", true },
		{ "a?c", "ac", false },
		{ "a*c", "abbbc", true },
		{ "a*c", "abbbd", false },
		{ "*b*b*", "abcb", true },
		{ "*b*b*", "abc", false },
		{ "a\\*b", "a*b", true },
		{ "a\\*b", "axb", false },
		{ "a\\?", "a?", true },
		{ "a\\\\n", "a\\n", true },
		{ "a\\", "a\\", true },
		{ "write(1, *", "write(1, \"x\", 1)", true },
		{ "write(1, *)", "write(1, \"x\", 1) ", false },
		{ "**********b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
		{ "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ok(rulefile_matches(cases[i].pattern, cases[i].text) == cases[i].fits, "%s fits %s",
			cases[i].pattern, cases[i].text);
}

/* Each byte taken out, and replaced; each beginning; pieces doubled. */
static void test_damage(void)
{
	size_t len = sizeof(good) - 1;
	unsigned taken = 0, refused = 0, odd = 0;
	cleanup_free char *copy = xmalloc(2 * len);

	for (size_t i = 0; i < len; i++) {
		static const char bytes[] = "\"\\{}[],:0x*\xff\x01";

		for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
			int rc;

			memcpy(copy, good, len);
			copy[i] = bytes[k];
			rc = parse(copy, len);
			taken += rc == 0;
			refused += rc < 0;
			odd += rc > 0;
		}
		memcpy(copy, good, i);
		memcpy(copy + i, good + i + 1, len - i - 1);
		odd += parse(copy, len - 1) > 0;
		odd += parse(good, i) >= 0;
		memcpy(copy, good, len);
		memcpy(copy + len, good + i, len - i);
		odd += parse(copy, 2 * len - i) >= 0;
	}
	ok(taken > 0 && refused > 1000, "most damage is refused, some of it is a rule of its own");
	is_int((long)odd, 0, "every refusal has its reason");
}

int main(void)
{
	test_patterns();
	is_int(parse(good, sizeof(good) - 1), 0, "a good file is read");
	test_damage();
	return tap_done();
}
