#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A version comes back: after a pause of the comparison, and after a divergence of one request
# (tests/victims/requests.h).

load lib
load mxm

setup() {
	SOCKET=$BATS_TEST_TMPDIR/control
	old=$(victim requests_old)
	new=$(victim requests_new)
}

# serve OPTIONS...: the two as one, with requests from descriptor 7.
serve() {
	mkfifo "$BATS_TEST_TMPDIR/in"
	LOG=$BATS_TEST_TMPDIR/events.log
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" --control "$SOCKET" \
		"$@" "$old" "$new"
	exec 7>"$BATS_TEST_TMPDIR/in"
	until_phase mirroring
}

until_phase() {
	local status=0
	"$MX" status --control "$SOCKET" --until "$1" --timeout 20 >/dev/null || status=$?
	[ $status = "$([ "$1" = diverged ] && echo 3 || echo 0)" ]
}

# request LINE ANSWER: sends a line and waits for the answer.
request() {
	echo "$1" >&7
	wait_until 10 grep -qxF "$2" "$SERVER_LOG"
}

# is_the_end ANSWERS...: the input ends; these and no others were given, each once.
is_the_end() {
	exec 7>&-
	wait_until 10 test ! -e "$SOCKET"
	[ "$(cat "$SERVER_LOG")" = "$(printf '%s\n' "$@")" ] || fail "$(cat "$SERVER_LOG" "$LOG")"
}

@test "pause: the leader alone; resume: the other version comes back and is compared again" {
	for leader in old new; do
		rm -rf "$BATS_TEST_TMPDIR/in"
		serve --leader $leader
		request one "1 one"
		run -1 "$MX" resume --control "$SOCKET"
		[[ $output = *"is not paused" ]]
		run -0 "$MX" pause --control "$SOCKET"
		until_phase paused
		run -0 "$MX" status --control "$SOCKET"
		run -1 "$MX" pause --control "$SOCKET"
		[[ $output = *"paused already" ]]
		request differ "2 as $([ $leader = old ] && echo old || echo the new)"
		run -0 "$MX" resume --control "$SOCKET"
		until_phase mirroring
		request two "3 two"
		[ "$(event_field recovered after)" = pause ]
		[ "$(events divergence)" = 0 ]
		# It is compared: with the new version preferred, what follows is the new one's.
		request differ "4 as the new"
		until_phase diverged
		is_the_end "1 one" "2 as $([ $leader = old ] && echo old || echo the new)" "3 two" "4 as the new"
		rm -f "$LOG"
	done
}

@test "pause is refused where the version could not come back, and the comparison goes on" {
	serve --max-recoveries 0
	run -1 "$MX" pause --control "$SOCKET"
	[[ $output = *"--max-recoveries 0"* ]]
	request one "1 one"
	is_the_end "1 one"
}

@test "promote and abort end a pause; a version that was paused away cannot be kept" {
	serve --leader new
	"$MX" pause --control "$SOCKET"
	until_phase paused
	run -1 "$MX" abort --control "$SOCKET"
	[[ $output = *"does not run"* ]]
	run -0 "$MX" promote --control "$SOCKET"
	until_phase promoted
	run -1 "$MX" resume --control "$SOCKET"
	request one "1 one"
	is_the_end "1 one"
}

@test "--promote-after does not count the time of a pause" {
	serve --promote-after 4
	"$MX" pause --control "$SOCKET"
	until_phase paused
	sleep 5
	"$MX" resume --control "$SOCKET"
	until_phase mirroring
	sleep 1
	[ "$("$MX" status --control "$SOCKET" -o json | jq -r .phase)" = mirroring ]
	until_phase promoted
	is_the_end
}

@test "--max-resyncs: a version that diverged comes back, so often in a minute" {
	for leader in old new; do
		rm -rf "$BATS_TEST_TMPDIR/in"
		serve --leader $leader --max-resyncs 2
		request one "1 one"
		request differ "2 as the new"
		until_phase mirroring
		request two "3 two"
		request differ "4 as the new"
		until_phase mirroring
		request three "5 three"
		[ "$(events divergence)" = 2 ]
		[ "$(events resync)" = 2 ]
		[ "$(event_field recovered after | sort -u)" = divergence ]
		[ "$(events takeover)" = "$([ $leader = old ] && echo 1 || echo 0)" ]
		request differ "6 as the new"
		until_phase diverged
		[[ $(event_field recovery-refused reason) = *--max-resyncs* ]]
		request four "7 four"
		is_the_end "1 one" "2 as the new" "3 two" "4 as the new" "5 three" "6 as the new" "7 four"
		rm -f "$LOG"
	done
	run -2 "$MX" run --max-resyncs many a b
}

@test "--abort-after ends what --max-resyncs would bring back" {
	serve --max-resyncs 100 --abort-after 2
	request differ "1 as the new"
	until_phase mirroring
	request differ "2 as old"
	until_phase aborted
	request one "3 one"
	is_the_end "1 as the new" "2 as old" "3 one"
}

@test "a version that comes back has the descriptors that the survivor had made for itself alone" {
	old=$(victim owned_old)
	new=$(victim owned_new)
	for leader in old new; do
		rm -rf "$BATS_TEST_TMPDIR/in"
		serve --leader $leader
		request one "3 one"
		request crash "5 crash"
		until_phase mirroring
		request two "3 two"
		request three "5 three"
		[ "$(events divergence)" = 0 ]
		[ "$(event_field recovered after | sort -u)" = crash ]
		event_field rule rule | grep -qxF own-descriptor
		is_the_end "3 one" "5 crash" "3 two" "5 three"
		rm -f "$LOG"
	done
}
