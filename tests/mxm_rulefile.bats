#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Rule files: what they allow, what they cannot allow, what is wrong with one, and what a log proposes.

load lib

setup() {
	old=$(victim differ_old)
	new=$(victim differ_new)
	LOG=$BATS_TEST_TMPDIR/events.log
	RULES=$BATS_TEST_TMPDIR/rules.json
	prepare() {
		printf 'precious\n' >text
		chmod 600 text
	}
}

# rules RULE: a file with that one.
rules() {
	printf '{"mx-rules": 1, "rules": [%s]}\n' "$1" >"$RULES"
	"$MX" lint "$RULES" >/dev/null
}

# allowed NAME CASE [SYNC...]: whoever leads nobody is let go, the log names the rule, and what
# came out is what the leader does alone.
allowed() {
	local rule=$1 what=$2 sync leader
	shift 2
	for sync in "${@:-lockstep}" barrier stream; do
		for leader in old new; do
			rm -f "$LOG"
			RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --rules "$RULES" --sync "$sync" \
				--leader "$leader" --patience 10 "$old" "$new" -- "$what"
			assert_no_divergence || fail "$what, $sync, $leader leads"
			jq -e --arg rule "$rule" -s 'any(.event == "rule" and .rule == $rule)' "$LOG" >/dev/null ||
				fail "$what, $sync, $leader leads: no rule '$rule': $(cat "$LOG")"
			RESULT=$BATS_TEST_TMPDIR/native in_fresh_folder "$(victim "differ_$leader")" "$what"
			diff -r "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/mx" || fail "$what, $sync, $leader leads"
		done
	done
}

# not_allowed CASE: the file changes nothing about a divergence.
not_allowed() {
	local sync
	for sync in lockstep barrier stream; do
		rm -f "$LOG"
		RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --rules "$RULES" --sync $sync \
			--patience 10 "$old" "$new" -- "$1"
		[ "$(events divergence)" -ge 1 ] || fail "$1, $sync: accepted: $(cat "$LOG")"
	done
}

# wrong FILE-TEXT MESSAGE: lint says so, and mx run does not start with it.
wrong() {
	printf '%s' "$1" >"$RULES"
	run -1 "$MX" lint "$RULES"
	[[ $output = "mx lint: "*"$2"* ]] || fail "$1: $output"
	run -125 "$MX" run --rules "$RULES" /bin/true /bin/true
	[[ $output = "mx run: --rules: "*"$2"* ]]
}

@test "drop: one version makes a call more" {
	rules '{"name": "no-chmod", "action": "drop", "in": "new", "calls": ["fchmodat(*, \".\", 0700*)"], "results": [0]}'
	# It has happened where the new version leads, and only there; both are told that it went well.
	allowed no-chmod w-drop
	rules '{"name": "other", "action": "drop", "in": "new", "calls": ["fchmodat(*, \".\", 0755*)"]}'
	not_allowed w-drop
	rules '{"name": "other", "action": "drop", "in": "old", "calls": ["fchmodat(*)"]}'
	not_allowed w-drop
}

@test "add: one version sets what the other does not" {
	rules '{"name": "umask", "why": "stricter", "action": "add", "in": "new", "calls": ["umask(027)"]}'
	allowed umask w-add
}

@test "a follower whose own call brings something else goes on alone, where it is preferred" {
	rules '{"name": "umask", "action": "add", "in": "new", "calls": ["umask(027)"]}'
	for sync in lockstep barrier; do
		rm -f "$LOG"
		RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder timeout -k 1 20 "$MX" run --log "$LOG" --rules "$RULES" --sync $sync \
			--leader old --prefer new "$old" "$new" -- w-result
		[ "$(event_field divergence kind)" = result ] || fail "$sync: $(cat "$LOG")"
		[ "$(event_field takeover version)" = new ]
		RESULT=$BATS_TEST_TMPDIR/native in_fresh_folder "$new" w-result
		diff -r "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/mx"
	done
}

@test "rewrite: one call stands for another" {
	rules '{"name": "keepalive", "action": "rewrite", "old": ["setsockopt(*, SOL_SOCKET, 9, ??0*, 4)"],
		"new": ["setsockopt(*, SOL_SOCKET, 9, ??1*, 4)"]}'
	allowed keepalive w-rewrite
	rules '{"name": "keepalive", "action": "rewrite", "old": ["setsockopt(*, 9, ??1*, 4)"], "new": ["setsockopt(*, 9, ??0*, 4)"]}'
	not_allowed w-rewrite
}

sequence='{"name": "buffers", "action": "merge", "old": ["setsockopt(*SOL_SOCKET, 7, *)", "setsockopt(*SOL_SOCKET, 8, *)",
	"fchmodat(*)"], "new": ["setsockopt(*SOL_SOCKET, 9, *)", "fchmodat(*)"]}'

@test "merge: a sequence stands for another, and its effect comes once" {
	rules "$sequence"
	allowed buffers w-sequence
	rules "${sequence/merge/split}" 2>/dev/null && fail "more old calls than new ones are no split"
	rules '{"name": "buffers", "action": "merge", "old": ["setsockopt(*SOL_SOCKET, 8, *)", "setsockopt(*SOL_SOCKET, 7, *)"],
		"new": ["setsockopt(*SOL_SOCKET, 9, *)"]}'
	not_allowed w-sequence
}

@test "merge: a leader that is lost in the midst leaves the whole to the other" {
	rules "$sequence"
	for sync in lockstep barrier stream; do
		rm -f "$LOG"
		RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --rules "$RULES" --sync $sync \
			"$old" "$new" -- w-lost
		RESULT=$BATS_TEST_TMPDIR/native in_fresh_folder "$old" w-lost
		diff -r "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/mx" || fail "$sync: $(cat "$LOG")"
		[ "$(events crash)" = 1 ]
	done
}

@test "reorder: built in for what only sets, by a rule for the rest" {
	rules '{"name": "unused", "action": "add", "in": "new", "calls": ["umask(0)"]}'
	allowed reorder signals-order
	allowed reorder options-order
	not_allowed x-options-order
	allowed position seeks-order
	not_allowed w-order
	rules '{"name": "masks", "action": "reorder", "calls": ["prctl(PR_SET_DUMPABLE, 1)", "chdir(*)"], "window": 3}'
	allowed masks w-order
}

@test "what is wrong with a file is said, and such a file is not used" {
	wrong '' ''
	wrong '[]' 'no JSON object'
	wrong '{"rules": []}' 'mx-rules'
	wrong '{"mx-rules": 2, "rules": []}' 'mx-rules'
	wrong '{"mx-rules": 1}' 'rules'
	wrong '{"mx-rules": 1, "rules": [], "more": 1}' 'more'
	wrong '{"mx-rules": 1, "rules": [7]}' 'rule 1'
	wrong '{"mx-rules": 1, "rules": [{"name": "a b", "action": "drop"}]}' '"name"'
	wrong '{"mx-rules": 1, "rules": [{"name": "a", "action": "forget"}]}' '"action"'
	one() {
		wrong "{\"mx-rules\": 1, \"rules\": [{\"name\": \"a\", $1}]}" "$2"
	}
	one '"action": "drop"' 'missing'
	one '"action": "drop", "in": "both", "calls": ["umask(*)"]' 'neither'
	one '"action": "drop", "in": "new", "calls": []' '1 to 8'
	one '"action": "drop", "in": "new", "calls": ["dance(*)"]' 'name of a system call'
	one '"action": "drop", "in": "new", "calls": ["umask"]' 'name of a system call'
	one '"action": "drop", "in": "new", "calls": ["fork()"]' 'processes'
	one '"action": "drop", "in": "new", "calls": ["brk(*)"]' 'not compared'
	one '"action": "drop", "in": "new", "calls": ["socket(*)"]' 'descriptor'
	one '"action": "drop", "in": "new", "calls": ["chmod(*)"]' 'as fchmodat'
	one '"action": "drop", "in": "new", "calls": ["getuid()"]' 'only asks'
	one '"action": "drop", "in": "new", "calls": ["umask(*)"], "result": [1]' 'no such field'
	one '"action": "drop", "in": "new", "calls": ["umask(*)"], "results": ["x"]' 'no result'
	one '"action": "merge", "old": ["write(*)", "umask(*)"], "new": ["umask(*)"]' 'taken back'
	one '"action": "reorder", "calls": ["write(1*)", "write(2*)"]' 'taken back'
	one '"action": "reorder", "calls": ["lseek(*)"]' 'two or more'
	one '"action": "reorder", "calls": ["lseek(1*)", "lseek(2*)"], "window": 1000' '2 to 64'
	one '"action": "rewrite", "old": ["umask(*)", "umask(*)"], "new": ["umask(*)"]' 'cannot be taken back' ||
		one '"action": "rewrite", "old": ["umask(*)", "umask(*)"], "new": ["umask(*)"]' 'one call each'
	# Of a call that is many in one, only the operations that ask are looks.
	rules '{"name": "flags", "action": "drop", "in": "old", "calls": ["fcntl(*, F_SETFL, *)", "ioctl(*, FIONBIO, *)"]}'
	run -1 "$MX" lint "$BATS_TEST_TMPDIR/nothing"
	run -2 "$MX" lint
}

@test "rules learn: a log's divergence becomes a proposal that works, or why it cannot" {
	RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" "$old" "$new" -- w-rewrite
	"$MX" rules learn "$LOG" >"$RULES"
	run -0 "$MX" lint "$RULES"
	[[ $output = *"1 rules"*rewrite*learned-1* ]]
	grep -q PROPOSED "$RULES"
	allowed learned-1 w-rewrite
	rm "$LOG"
	RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" "$old" "$new" -- x-fork
	run -0 "$MX" rules learn "$LOG"
	[[ $output = *"no rule can allow this"* ]]
	run -1 "$MX" rules learn "$BATS_TEST_TMPDIR/nothing"
	run -2 "$MX" rules forget "$LOG"
}

@test "rules learn, again and again: the rules of all the logs let the pair run" {
	local what n
	old=$(victim grown_old)
	new=$(victim grown_new)
	for what in new-options old-options prepares; do
		rm -rf "$BATS_TEST_TMPDIR/logs"
		mkdir "$BATS_TEST_TMPDIR/logs"
		printf '{"mx-rules": 1, "rules": []}' >"$RULES"
		for n in 1 2 3 4 5 6; do
			LOG=$BATS_TEST_TMPDIR/logs/$n
			RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --rules "$RULES" \
				--leader new --patience 10 "$old" "$new" -- "$what"
			[ "$(events divergence)" != 0 ] || break
			"$MX" rules learn "$BATS_TEST_TMPDIR/logs/"* >"$RULES"
		done
		[ "$(events divergence)" = 0 ] || fail "$what: $(cat "$RULES" "$LOG")"
		[ "$n" -gt 1 ] || fail "$what: nothing was to be learned"
		grep -q learned- "$LOG"
		# With the other one leading, too.
		rm "$LOG"
		RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --rules "$RULES" \
			--leader old --patience 10 "$old" "$new" -- "$what"
		[ "$(events divergence)" = 0 ] || fail "$what, old leads: $(cat "$RULES" "$LOG")"
	done
}
