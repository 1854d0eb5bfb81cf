#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions that read and write files at places by other calls run as one, each at its own position
# (tests/victims/ways.h).

load lib
load pairs

setup() {
	old=$(victim ways_old)
	new=$(victim ways_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "pread and pwrite, or a seek and a read or write, and back again" {
	harmless position place-read place-back place-write place-asked
}

@test "seeks in a file that is only appended to" {
	harmless position place-append
}

@test "harmful: other places, and positions that one has and the other has not" {
	harmful x-place-read x-place-then-read x-place-then-write x-place-pieces x-place-write-bytes \
		x-place-write-at x-place-descriptor x-place-copied x-place-seek \
		x-place-append-asked x-place-append-moved x-place-append-read
}

@test "a leader that is lost at another place of a file: the other one goes on at its own" {
	for lost in old new; do
		for leader in old new; do
			rm -f "$LOG"
			RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --leader "$leader" \
				--patience 10 "$old" "$new" -- "c-place-$lost"
			[ "$(events crash)/$(events divergence)" = 1/0 ] || fail "$lost, $leader leads: $(cat "$LOG")"
			RESULT=$BATS_TEST_TMPDIR/native in_fresh_folder \
				"$([ $lost = old ] && echo "$new" || echo "$old")" "c-place-$lost"
			diff -r "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/mx" || fail "$lost, $leader leads"
		done
	done
}
