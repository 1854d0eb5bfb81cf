#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx compare: what it foresees is what mx run then does.

load lib
# shellcheck source=tests/feasibility/packages.bash
source "$BATS_TEST_DIRNAME/feasibility/packages.bash"

teardown() {
	stop_all
}

OLD=$VICTIMS/differ_old
NEW=$VICTIMS/differ_new

# compare ARGS...: the comparison in $json; $status is mx compare's.
compare() {
	status=0
	timeout 120 "$MX" compare --no-recovery --json "$@" >"$BATS_TEST_TMPDIR/compare.json" || status=$?
	json=$BATS_TEST_TMPDIR/compare.json
	jq -e . "$json" >/dev/null
}

field() {
	jq -r ".$1" "$json"
}

# really CASE: "together" or "apart", as mx run does it; its standard output is a pipe, as in compare.
really() {
	local dir=$BATS_TEST_TMPDIR/$1
	mkdir "$dir"
	(
		cd "$dir" || exit
		LOG=$dir/log
		mx_run "$OLD" "$NEW" -- "$1" </dev/null 2>&1 | cat >/dev/null
	)
	if jq -se 'any(.[].event; IN("divergence", "discarded", "crash", "unsupported-syscall"))' \
		"$dir/log" >/dev/null; then
		echo apart
	else
		echo together
	fi
}

# The rules that mx run told of.
rules_used() {
	jq -r 'select(.event == "rule").rule' "$BATS_TEST_TMPDIR/$1/log" | sort -u
}

# agree CASES...: compare's verdict and the run's are the same, and so are the rules.
agree() {
	local what seen rule
	for what; do
		compare "$OLD" "$NEW" -- "$what"
		seen=$(really "$what")
		if [ "$status" = 0 ]; then
			[ "$seen" = together ] || fail "$what: foreseen $(field verdict), but they part"
		else
			[ "$status" = 1 ] && [ "$seen" = apart ] || fail "$what: foreseen $(field verdict), but $seen"
		fi
		[ "$seen" = together ] || continue
		for rule in $(jq -r '[.differences[].rules[]] | unique[]' "$json"); do
			rules_used "$what" | grep -qx "$rule" || fail "$what: $rule was foreseen and not used"
		done
	done
}

@test "differences that rules cover are foreseen, with the rules" {
	agree ids urandom getrandom limits stat-first proc flags descriptor-state at-calls dup3 pipe2 sigaction-query
}

@test "the same bytes in other pieces are foreseen" {
	agree read-large read-small writev write-pieces write-whole write-across file-pieces pipe sendto
}

@test "newer names, and close-on-exec set afterwards, are foreseen" {
	OLD=$(victim ways_old) NEW=$(victim ways_new)
	agree names copies polls selects poll-or-select cloexec sleep-name sleep-added sleep-dropped
}

@test "calls that find nothing, or nothing to do, are foreseen" {
	OLD=$(victim asides_old) NEW=$(victim asides_new)
	agree drained
	OLD=$(victim alike_old) NEW=$(victim alike_new)
	agree nothing x-unlink x-mkdir
}

@test "calls in another order are foreseen" {
	agree signals-order options-order x-options-order
}

@test "what parts the versions is foreseen: what they write, and where" {
	agree x-bytes x-more x-less x-late-byte x-order x-swap x-descriptor x-twice x-datagrams
}

@test "what parts the versions is foreseen: files, options, processes, ends" {
	agree x-unlink x-file x-truncate x-mode x-rename x-mkdir x-kill x-option x-umask x-chdir x-socket \
		x-seek x-fork x-flags x-protocol x-exit x-random-write
}

@test "a version against itself is identical, with threads and children" {
	for victim in threads births pipes signals ids; do
		compare "$VICTIMS/$victim" "$VICTIMS/$victim" --
		[ "$status" = 0 ] || fail "$victim: $(field forecast)"
		[ "$(field distance_of_calls)" = 0 ] || fail "$victim: $(field distance_of_calls) calls"
	done
}

# workload NAME: a program that drives it on $PORT.
workload() {
	local file=$BATS_TEST_TMPDIR/workload
	cat >"$file" <<-END
		#!/bin/bash
		set -e
		PORT=$PORT
		source '$BATS_TEST_DIRNAME/feasibility/packages.bash'
		drive_$1
	END
	chmod +x "$file"
	printf '%s\n' "$file"
}

# serves_together NAME ARGV0 FILES OLD NEW ARGS...: under mx run, with that workload: does no version
# have to be let go?
serves_together() {
	local name=$1 argv0=$2 dir=$BATS_TEST_TMPDIR/run
	rm -rf "$dir"
	cp -a "$3" "$dir"
	LOG=$dir.log
	rm -f "$LOG"
	pushd "$dir" >/dev/null || return
	start "$MX" run --log "$LOG" --argv0 "$argv0" "$4" "$5" -- "${@:6}"
	popd >/dev/null || return
	"$(workload "$name")"
	stop "$SERVER" TERM || [ $? -lt 126 ] || [ $? = 143 ]
	jq -se 'any(.[].event; . == "exit")' "$LOG" >/dev/null || fail "no end in $LOG"
	! jq -se 'any(.[].event; IN("divergence", "discarded", "crash", "unsupported-syscall"))' \
		"$LOG" >/dev/null
}

# servers_agree NAME ARGV0 FILES OLD NEW ARGS...: compare and run say the same; $status is compare's.
servers_agree() {
	compare --again 2 --argv0 "$2" --files "$3" --workload "$(workload "$1")" "$4" "$5" -- "${@:6}"
	if serves_together "$@"; then
		[ "$status" = 0 ] || fail "$4 $5: foreseen $(field forecast), but they run together"
	else
		[ "$status" = 1 ] || fail "$4 $5: foreseen $(field forecast), but they part"
	fi
}

@test "26 revisions of a server: neighbours do what was foreseen" {
	need gcc
	local n last together=0 apart=0 dir=$BATS_TEST_TMPDIR
	PORT=$(free_port)
	last=$(revisions)
	[ "$last" -ge 21 ]
	mkdir "$dir/none"
	for ((n = 1; n <= last; n++)); do
		revision $n >"$dir/$n.c"
		gcc -O2 -o "$dir/served-$n" "$dir/$n.c"
	done
	for ((n = 1; n < last; n++)); do
		servers_agree served served "$dir/none" "$dir/served-$n" "$dir/served-$((n + 1))" "$PORT"
		[ "$status" = 0 ] && together=$((together + 1)) || apart=$((apart + 1))
	done
	[ $together -ge 15 ] && [ $apart -ge 5 ] || fail "$together together, $apart apart"
}

# neighbours NAME ARGV0 PACKAGE OLD NEW: two versions in Debian's archive.
neighbours() {
	local old new program args
	PORT=$(free_port)
	# A server gives up root for a user of its own, who has to get there.
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
	mkdir "$BATS_TEST_TMPDIR/files"
	"files_$1" "$BATS_TEST_TMPDIR/files"
	old=$(package "$3" "$4")
	new=$(package "$3" "$5")
	read -r program args < <("args_$1")
	# shellcheck disable=SC2086 # words
	servers_agree "$1" "$2" "$BATS_TEST_TMPDIR/files" "$old$program" "$new$program" $args
	[ "$status" = 0 ] || fail "$(field forecast)"
}

@test "Debian's redis, nginx and memcached neighbours run together, as foreseen: redis" {
	neighbours redis redis-server redis-tools 5:7.0.15-1~deb12u7 5:7.0.15-1~deb12u10
}

@test "... nginx" {
	neighbours nginx nginx nginx 1.22.1-9+deb12u9 1.22.1-9+deb12u11
}

@test "... memcached" {
	neighbours memcached memcached memcached 1.6.18-1 1.6.18-1+deb12u1
}

@test "a version that crashes, one that is killed, and a workload that fails are told" {
	compare "$VICTIMS/spliced_old" "$VICTIMS/spliced_old" --
	[ "$(field verdict)" = identical ]
	compare /bin/true /bin/sh -- -c 'kill -9 $$'
	[ "$status" = 1 ]
	[ "$(field verdict)" = diverges ]
	[ "$(field new.end)" = "is ended by SIGKILL" ]
	printf '1\n13\n2\n' >"$BATS_TEST_TMPDIR/numbers"
	compare --stdin "$BATS_TEST_TMPDIR/numbers" "$VICTIMS/spliced_old" "$VICTIMS/spliced_new" --
	[ "$status" = 1 ]
	[ "$(field verdict)" = crashes ]
	[[ $(field forecast) = "NEW crashes with SIGSEGV"*"OLD goes on alone"* ]]
	run -125 "$MX" compare --workload /bin/false /bin/sleep /bin/sleep -- 100
	[[ $output = *"/bin/false fails with /bin/sleep: status 1"* ]]
}

@test "programs that are not there, and wrong command lines" {
	run -127 "$MX" compare /nowhere/old /nowhere/new
	run -126 "$MX" compare /etc/passwd /etc/passwd
	run -2 "$MX" compare /bin/true
	run -2 "$MX" compare --limit 0 /bin/true /bin/true
	run -2 "$MX" compare --svg x /bin/true /bin/true
	run -2 "$MX" compare --series --sources /tmp /bin/true /bin/true
	run -2 "$MX" compare --nonsense /bin/true /bin/true
}

@test "a program that does not end is ended, with its children" {
	# Such as nobody else runs.
	local long=$((100000 + $$))
	compare --limit 1 /bin/sh /bin/sh -- -c "sleep ${long}1 & sleep ${long}2"
	[ "$status" = 0 ]
	! pgrep -xf "sleep ${long}[12]"
}

@test "--files: each version finds the same, and what it writes is gone" {
	mkdir "$BATS_TEST_TMPDIR/given"
	echo 1 >"$BATS_TEST_TMPDIR/given/n"
	compare --files "$BATS_TEST_TMPDIR/given" /bin/sh /bin/sh -- -c 'read n <n; echo $((n + 1)) >n; mkdir new'
	[ "$(field verdict)" = identical ]
	[ "$(cat "$BATS_TEST_TMPDIR/given/n")" = 1 ]
	[ ! -e "$BATS_TEST_TMPDIR/given/new" ]
}

@test "--series: a table, JSON that can be read back, and a figure that is XML" {
	need python3
	local dir=$BATS_TEST_TMPDIR
	run -1 "$MX" compare --no-recovery --series --json --svg "$dir/a.svg" "$OLD" "$NEW" "$NEW" -- x-bytes
	printf '%s\n' "$output" >"$dir/a.json"
	[ "$(jq -c '[.pairs[].verdict]' "$dir/a.json")" = '["diverges","identical"]' ]
	[ "$(jq -c '[.pairs[].distance]' "$dir/a.json")" = '[2,0]' ]
	python3 -c "import sys, xml.dom.minidom as m; m.parse(sys.argv[1])" "$dir/a.svg"
	run -0 "$MX" compare --series --read "$dir/a.json" --svg "$dir/b.svg"
	[[ $output = *"2 pairs: 2 make the same calls, 1 of them with the same arguments; 1 would run together" ]]
	cmp "$dir/a.svg" "$dir/b.svg"
	echo '{"pairs":[{}]}' >"$dir/bad.json"
	run -125 "$MX" compare --series --read "$dir/bad.json"
	[[ $output = *"pair 0: old is missing"* ]]
}

@test "a relative name that the versions would not find is asked about" {
	cd "$BATS_TEST_TMPDIR"
	seq 10 >numbers
	run "$MX" compare --no-recovery "$(command -v md5sum)" "$(command -v sha1sum)" -- numbers
	[ "$status" = 2 ]
	grep -q 'numbers is a file here.*--here.*--files' <<<"$output"
	run "$MX" compare --no-recovery --here "$(command -v md5sum)" "$(command -v sha1sum)" -- numbers
	[ "$status" = 1 ]
	run "$MX" compare --no-recovery --here "$(command -v md5sum)" "$(command -v md5sum)" -- numbers
	[ "$status" = 0 ]
}
