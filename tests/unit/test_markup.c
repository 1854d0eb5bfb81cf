/* SPDX-License-Identifier: Apache-2.0 */
/* Text in HTML and XML. */
#include "base/markup.h"
#include "tap.h"

static void is_put(const char *text, const char *want, const char *what)
{
	cleanup_str struct str out = STR_INIT;

	str_put_markup(&out, text);
	is_str(str_text(&out), want, "%s", what);
}

int main(void)
{
	is_put("a < b & \"c\" > 'd'", "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;",
		"what is markup");
	is_put("caf\xc3\xa9 \xf0\x9f\x90\x84", "caf\xc3\xa9 \xf0\x9f\x90\x84", "UTF-8 stays");
	is_put("\xc3(\xff\xc0\xaf\xed\xa0\x80", "?(??????", "what is no UTF-8");
	is_put("a\x01\x7f\tb\nc", "a??\tb\nc", "control characters");
	is_put("\xf0\x9f", "??", "a sequence that is cut off");
	is_put(NULL, "", "no text");
	return tap_done();
}
