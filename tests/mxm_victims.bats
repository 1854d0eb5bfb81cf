#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tiny programs, each of which does one kind of thing to the kernel and prints what it saw: as two
# copies of one, in every mode, they see what they see alone.

load lib

modes="stream barrier lockstep"

# both_leaders VICTIM ARGS...: in each mode of $modes, led by either.
both_leaders() {
	local program mode leader
	program=$(victim "$1")
	shift
	for mode in $modes; do
		leader=$([ "$leader" = old ] && echo new || echo old)
		MX_TEST_OPTIONS="--sync $mode --leader $leader"
		compare_native "$program" "$program" -- "$@"
	done
}

@test "signals: handlers, masks, restarts, timers, information, own death" {
	both_leaders signals
	run -143 mx_run "$(victim signals)" "$(victim signals)" -- 15
	run -137 mx_run "$(victim signals)" "$(victim signals)" -- 9
	run -134 mx_run "$(victim signals)" "$(victim signals)" -- 6
	assert_no_divergence
}

@test "a handler that holds once and ends the program by the same signal" {
	local sync
	LOG=$BATS_TEST_TMPDIR/events.log
	for sync in stream barrier lockstep lockstep lockstep lockstep lockstep lockstep; do
		MX_TEST_OPTIONS="--sync $sync"
		run -142 mx_run "$(victim signals)" "$(victim signals)" -- 14
	done
	assert_no_divergence
}

@test "a signal that a child sends before it ends" {
	both_leaders signal_order
}

@test "faults that the program handles itself" {
	both_leaders faults
}

@test "signals on an alternate stack" {
	both_leaders altstack
}

@test "fork, vfork, posix_spawn, wait, a child that is killed" {
	both_leaders births
}

@test "signals for a program that makes no call meanwhile" {
	both_leaders spins
}

@test "what a process is sent comes to its main thread, though that stands in a stop" {
	both_leaders woken
}

@test "a signal that comes between a look at its flag and the wait for it ends the wait" {
	local how options
	for how in poll epoll select pause; do
		for options in "--leader old" "--leader new --no-agent" "--sync lockstep"; do
			# shellcheck disable=SC2086 # options are words
			run -0 mx_run $options "$(victim quits)" "$(victim quits)" -- $how
			[ "$(grep -c ': yes$' <<<"$output")" = 2 ] || fail "$how $options: $output"
			[ "$(events divergence)" = 0 ]
		done
	done
}

@test "a program that only waits for a timer's signal, whose leader crashes" {
	for sync in stream barrier lockstep; do
		LOG=$BATS_TEST_TMPDIR/$sync.log
		run -0 mx_run --leader old --sync $sync "$(victim spin_old)" "$(victim spin_new)"
		[ "$output" = "done" ]
		[ "$(event_field crash version)" = old ]
		[ "$(events takeover)" = 1 ]
	done
}

@test "children that ask not to be traced" {
	both_leaders untraced
}

@test "pipelines of a shell with job control" {
	both_leaders pipelines
}

@test "a session and a group of its own, which the leader's crash leaves as they are" {
	local sync leader
	both_leaders sessions_new
	MX_TEST_OPTIONS=
	for sync in stream barrier lockstep; do
		for leader in old new; do
			LOG=$BATS_TEST_TMPDIR/$sync.$leader.log
			run -0 mx_run --sync $sync --leader $leader "$(victim sessions_old)" \
				"$(victim sessions_new)"
			[ "$output" = "$("$(victim sessions_new)")" ] || fail "$sync, led by $leader: $output"
			[ "$(events crash)" = 1 ]
		done
	done
}

@test "processes that share memory make hot calls while others of them execute programs or are killed" {
	both_leaders bystanders
	run ! grep -q ring-damaged "$BATS_TEST_TMPDIR/events.log"
}

@test "a child of vfork that crashes before it executes a program" {
	local sync
	both_leaders vforked_new
	for sync in stream barrier lockstep; do
		run -0 timeout -k 1 20 "$MX" run --sync $sync --leader old --patience 0 \
			"$(victim vforked_old)" "$(victim vforked_new)" --
		[ "$output" = "$("$(victim vforked_new)")" ] || fail "$sync: $output"
	done
}

@test "a thread that waits for one which goes its own way, while calls of the old leader are left for it" {
	both_leaders unled_new
	LOG=$BATS_TEST_TMPDIR/unled.log
	run -0 timeout -k 1 20 "$MX" run --log "$LOG" --sync stream --leader old --patience 0 \
		"$(victim unled_old)" "$(victim unled_new)" --
	[ "$output" = "$("$(victim unled_new)")" ]
	[ "$(events takeover)" = 1 ]
}

@test "a thread that waits for another one, where the leader's has gone on by its agent" {
	local sync leader
	for leader in old new; do
		for sync in stream barrier lockstep; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader --patience 5" \
				compare_native "$(victim heldup_old)" "$(victim heldup_new)" --
			run ! grep -q standstill "$BATS_TEST_TMPDIR/events.log"
		done
	done
}

@test "a daemon" {
	both_leaders daemon
}

@test "a process that ends, or executes, in the midst of its threads' calls" {
	both_leaders sudden
}

@test "a main thread that ends before the others; threads that close pipes when it executes" {
	both_leaders endings
}

@test "both versions crash at one place, in the midst of their threads' calls" {
	local i status
	LOG=$BATS_TEST_TMPDIR/events.log
	for i in {1..40}; do
		status=0
		timeout -k 1 20 "$MX" run --log "$LOG" "$(victim endings)" "$(victim endings)" -- crash ||
			status=$?
		[ "$status" = 139 ] || fail "run $i: status $status"
	done
	run jq -rs 'map(select(.event == "crash") | "\(.pid) \(.version)") | group_by(.)[] | length' "$LOG"
	[ "$(sort -u <<<"$output")" = 1 ] || fail "a crash is told twice: $output"
}

@test "the end of the first process, as an init, in the midst of its children's forks" {
	unshare -pf --mount-proc true 2>/dev/null || skip "no PID namespaces here"
	local i status script='trap "" TERM
		for i in 1 2 3 4 5 6; do while :; do (:); done & done
		sleep 0.1; exit 4'
	for i in {1..20}; do
		status=0
		timeout -k 1 20 unshare -pf --mount-proc "$MX" run --init sh sh -- -c "$script" || status=$?
		[ "$status" = 4 ] || fail "run $i: status $status"
	done
}

@test "a program that is written through a shared mapping, and executed" {
	both_leaders built
}

@test "ids of processes and threads" {
	both_leaders ids
}

@test "threads: mutexes, conditions, semaphores, barriers" {
	both_leaders threads
}

@test "threads whose order nothing fixes" {
	both_leaders races
}

@test "epoll: pointers as data, modified, deleted and duplicated members" {
	both_leaders epolls
}

@test "threads that map files, memory and members of a set at once" {
	both_leaders places
}

@test "threads that wait for each other by yielding" {
	both_leaders yields
}

@test "threads that wait for each other by spinning, without a call" {
	local sync
	both_leaders spinlocks
	for sync in stream barrier; do
		run -0 --separate-stderr mx_run --stats --sync $sync "$(victim spinlocks)" "$(victim spinlocks)"
		# Two versions, each turn of which at least one other task had to wait for.
		[[ $stderr =~ ([0-9]+)" turns lost by spinning" ]] || fail "$stderr"
		[ "${BASH_REMATCH[1]}" -gt 40 ] || fail "$stderr"
	done
}

@test "descriptors over sockets" {
	both_leaders rights
}

@test "numbers of descriptors, close-on-exec" {
	both_leaders descriptors
}

@test "numbers of descriptors that threads race for" {
	both_leaders numbers
}

@test "temporary files and folders" {
	both_leaders temporary
}

@test "shared memory" {
	both_leaders mappings
}

@test "System V's segments: each version stores into its own, and its leader's crash loses nothing" {
	local sync leader
	both_leaders segments_new
	MX_TEST_OPTIONS=
	for sync in stream barrier lockstep; do
		for leader in old new; do
			LOG=$BATS_TEST_TMPDIR/$sync.$leader.log
			run -0 mx_run --sync $sync --leader $leader "$(victim segments_old)" \
				"$(victim segments_new)" -- crash
			[ "$output" = "$("$(victim segments_new)" crash)" ] || fail "$sync, led by $leader: $output"
			[ "$(events crash)" = 1 ]
		done
	done
}

@test "a file that processes of no common memory map" {
	local i
	for i in 1 2 3; do
		both_leaders gathered
	done
}

@test "shared memory of a file that calls write and cut, too" {
	both_leaders mappings_mixed
}

@test "timerfd, signalfd, eventfd, inotify, POSIX timers" {
	both_leaders timers
}

@test "time stamps, random numbers, CPU numbers" {
	both_leaders instructions
}

@test "limits, umask, folders, sessions, abort" {
	both_leaders limits
}

@test "the limit of CPU time ends the program, not a version" {
	modes=barrier both_leaders cpu_limit
}

@test "pipes, splice, tee, sendfile, sockets" {
	both_leaders pipes
}

@test "the list of network interfaces" {
	both_leaders interfaces
}

@test "a static program, with arguments" {
	both_leaders static one two
}

@test "a script, and an interpreter that it names" {
	printf '#!/bin/sh\necho "$0 $1"; exit 6\n' >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	compare_native "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR/script" -- argument
}

@test "a program that is missing is 127, one that cannot be executed 126, and the text says which" {
	run -127 mx_run /missing/program /bin/true
	[[ $output = *"/missing/program"* ]]
	run -127 mx_run /bin/true /missing/program
	[[ $output = *"/missing/program"* ]]
	echo "no program" >"$BATS_TEST_TMPDIR/text"
	run -126 mx_run "$BATS_TEST_TMPDIR/text" /bin/true
	[[ $output = *"$BATS_TEST_TMPDIR/text"* ]]
	printf '\177ELF but no more\n' >"$BATS_TEST_TMPDIR/broken"
	chmod +x "$BATS_TEST_TMPDIR/broken"
	run -126 mx_run /bin/true "$BATS_TEST_TMPDIR/broken"
	[[ $output = *"$BATS_TEST_TMPDIR/broken"* ]]
	run -126 mx_run /etc /bin/true
}
