#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions that do the same in other ways run as one, with the rule named in the log; versions that do
# something else are found out, and nothing that the other one did not want has happened
# (tests/victims/differ.h).

load lib
load pairs

setup() {
	old=$(victim differ_old)
	new=$(victim differ_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "ids asked for one by one, or all at once" {
	harmless look ids
}

@test "one more read of /dev/urandom, of what the kernel tells" {
	harmless random-source urandom
	harmless system-file proc
}

@test "the same bytes read in other pieces" {
	harmless pieces read-large read-small pipe
}

@test "the same bytes written in other pieces, by writev, by sendto" {
	harmless pieces writev write-pieces write-whole write-across file-pieces sendto
}

@test "more looks: at files, limits, descriptors, clocks, random numbers" {
	harmless look getrandom clock stat-first limits descriptor-state sigaction-query attributes advice
}

@test "what the kernel never reads is not compared, and no rule is needed: the event of EPOLL_CTL_DEL" {
	MX_TEST_OPTIONS="--patience 10" compare_native "$old" "$new" -- deleted-member
	[ "$(events rule)" = 0 ]
}

@test "the same calls by other names" {
	harmless same-call at-calls pipe2 dup3
	harmless descriptor-flags flags
}

@test "descriptors that one version alone has: objects, sockets that reach nobody, files of the C library" {
	harmless own-descriptor own-eventfd own-pipe own-socket own-nscd own-routes own-before-another
	harmless system-file own-localtime
	harmless file-read own-file
	harmful x-bound x-member x-read-other x-routes-set x-routes-heard
}

@test "a file that is only read, in other ways: mapped, by place, by seeks, beyond its end, in another order" {
	harmless file-read reads-mapped reads-end reads-size reads-places reads-order
	harmful x-read x-read-less
}

@test "closing what is not open, a thread's name, the order in which files are opened" {
	harmless closed-already idle-close
	harmless thread-name idle-name
	harmless file-read open-order
	harmless reorder reads-order
}

# survives_midway CASE...: the new version crashes in the midst of pieces, and what comes out is the old
# version's, whole and once.
survives_midway() {
	local what sync leader
	for what in "$@"; do
		for sync in lockstep barrier stream; do
			for leader in old new; do
				rm -f "$LOG"
				RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --sync "$sync" \
					--leader "$leader" --patience 10 "$old" "$new" -- "$what"
				RESULT=$BATS_TEST_TMPDIR/native in_fresh_folder "$old" "$what"
				diff -r "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/mx" ||
					fail "$what, $sync, $leader leads: $(cat "$LOG")"
				[ "$(events crash)" = 1 ]
			done
		done
	done
}

@test "a version is lost in the midst of pieces: nothing is lost and nothing comes twice" {
	survives_midway c-write-pieces c-writev-pieces c-read-pieces c-read-whole c-pipe-whole
}

@test "a leader that is killed while its follower was answered ahead" {
	load mxm
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	for when in 0.3 0.8; do
		rm -f "$LOG"
		"$MX" run --log "$LOG" --sync barrier --leader new "$old" "$new" -- c-slow-pieces \
			<&7 >"$BATS_TEST_TMPDIR/out" 3>&- 7>&- &
		SERVER=$!
		started+=("$SERVER")
		wait_until 10 grep -q '"phase":"mirroring"' "$LOG"
		sleep "$when"
		for pid in $(version_pids); do
			[ "$(readlink "/proc/$pid/exe")" != "$new" ] || kill -KILL "$pid"
		done
		wait_until 20 grep -q '^aaaabbbbcccc$' "$BATS_TEST_TMPDIR/out"
		printf 'hello\n' >&7
		wait "$SERVER"
		[ "$(cat "$BATS_TEST_TMPDIR/out")" = $'aaaabbbbcccc\n6\nend' ] || fail "$(cat "$BATS_TEST_TMPDIR/out" "$LOG")"
		[ "$(events takeover)" = 1 ]
	done
}

@test "harmful: other bytes, more, fewer, late, in another order, to another descriptor" {
	harmful x-bytes x-more x-less x-tail x-no-tail x-late-byte x-order x-swap x-descriptor x-twice x-datagrams
}

@test "harmful: files made, unmade, emptied, renamed, with other modes" {
	harmful x-unlink x-file x-truncate x-mode x-rename x-mkdir x-seek
}

@test "harmful: signals, options, masks, folders, sockets, processes, the end" {
	harmful x-kill x-option x-umask x-chdir x-socket x-fork x-exit x-random-write x-flags x-protocol
}
