#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx report: a page that stands alone, shows what was in the log, and takes nothing in it for HTML.

load lib

setup() {
	LOG=$BATS_TEST_TMPDIR/events.log
	PAGE=$BATS_TEST_TMPDIR/report.html
}

# well_formed: the page's tags are balanced, nothing is loaded or run.
well_formed() {
	python3 - "$PAGE" <<-'END'
		import html.parser, sys
		class Page(html.parser.HTMLParser):
		    void = {"meta", "link", "line", "polyline", "br"}
		    def __init__(self):
		        super().__init__(convert_charrefs=True)
		        self.open = []
		    def handle_starttag(self, tag, attrs):
		        assert tag not in ("script", "img", "iframe", "object"), tag
		        for name, value in attrs:
		            assert not name.startswith("on"), name
		            assert name not in ("src", "href") or value.startswith("data:"), value
		        if tag not in self.void:
		            self.open.append(tag)
		    def handle_startendtag(self, tag, attrs):
		        pass
		    def handle_endtag(self, tag):
		        assert self.open and self.open[-1] == tag, (tag, self.open)
		        self.open.pop()
		page = Page()
		page.feed(open(sys.argv[1], encoding="utf-8").read())
		page.close()
		assert not page.open, page.open
	END
}

# A run with a harmless difference, and one that ends it.
make_log() {
	mx_run "$(victim differ_old)" "$(victim differ_new)" -- urandom >/dev/null
	mx_run "$(victim differ_old)" "$(victim differ_new)" -- x-bytes >/dev/null
	printf '1\n2\n3\n' | mx_run --control "$BATS_TEST_TMPDIR/control" "$(victim lines_old)" "$(victim lines_new)" \
		-- 2 fault >/dev/null || [ $? = 5 ]
}

@test "timeline, divergences side by side, crashes with backtraces, rules" {
	cd "$BATS_TEST_TMPDIR"
	make_log
	"$MX" report --log "$LOG" -o "$PAGE"
	well_formed
	grep -q '<pre>write(1, &quot;abcdef\\n&quot;, 7)' "$PAGE"
	grep -q '<pre>write(1, &quot;abcdeF\\n&quot;, 7)' "$PAGE"
	grep -q '#0 main+0x' "$PAGE"
	grep -q '<td>random-source</td>' "$PAGE"
	[ "$(grep -c '<circle class="bad"' "$PAGE")" = 2 ]
	run -5 "$MX" report --log "$BATS_TEST_TMPDIR/nothing"
	echo junk >"$BATS_TEST_TMPDIR/junk"
	run -1 "$MX" report --log "$BATS_TEST_TMPDIR/junk"
	run -2 "$MX" report
}

@test "a hostile log stays text" {
	{
		printf '{"time":"2024-01-01T00:00:00.5Z","event":"start","old":"<script>alert(1)</script>","new":"\\"><img src=x onerror=alert(1)>"}\n'
		printf '{"time":"2024-01-01T00:00:01.5Z","event":"<b>","x":"</td></table><script>","<i>":"\\u0000\\u001b[2J"}\n'
		printf '{"time":"9999999999-99-99T99:99:99Z","event":"crash","backtrace":[1,null,{"a":2},"<u>"],"registers":7,"version":{}}\n'
		printf '{"time":"2024-01-01T00:00:02.5Z","event":"divergence","leader_call":[],"follower_call":"<pre>"}\n'
		printf '{"time":"2024-01-01T00:00:03.5Z","event":"figures","json":"{\\"names\\":[\\"<s>\\",2],\\"samples\\":[[0,1,2,0,0],[-5,1e999,\\"x\\",0],[],[3,9,9,9,9,9,9]],\\"rules\\":{\\"<a>\\":\\"<b>\\"}}"}\n'
		printf '{"time":"2024-01-01T00:00:04.5Z","event":"rule","rule":"<tt>"}\n[[[[\n\377\376\n'
	} >"$LOG"
	"$MX" report --log "$LOG" >"$PAGE"
	well_formed
}

@test "in a browser: drawn, and nothing complained of" {
	need chromium
	cd "$BATS_TEST_TMPDIR"
	LOG=$BATS_TEST_TMPDIR/events.log
	mkfifo in
	start sh -c 'exec "$@" <in' sh "$MX" run --log "$LOG" --control "$BATS_TEST_TMPDIR/control" "$(command -v cat)" \
		"$(command -v cat)"
	exec 7>in
	"$MX" status --control control --until mirroring --timeout 20
	for _ in {1..25}; do
		echo line >&7
		sleep 0.1
	done
	"$MX" promote --control control
	exec 7>&-
	wait_until 10 test ! -e control
	"$MX" report --log "$LOG" -o "$PAGE"
	well_formed
	browser=(chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars "--user-data-dir=$BATS_TEST_TMPDIR/profile")
	timeout 60 "${browser[@]}" --window-size=1000,1600 --enable-logging=stderr "--screenshot=$BATS_TEST_TMPDIR/page.png" \
		"file://$PAGE" 2>browser.log || fail "$(tail browser.log)"
	run ! grep CONSOLE browser.log
	[[ $(file page.png) = *"1000 x 1600"* ]]
	# The curves have a place on the page.
	timeout 60 "${browser[@]}" --dump-dom "file://$PAGE" 2>/dev/null >dom
	[ "$(grep -o '<polyline class="curve [^"]*" points="[0-9]' dom | wc -l)" = 4 ]
}
