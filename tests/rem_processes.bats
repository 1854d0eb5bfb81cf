#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Recovery of programs of several processes: a version is lost as a whole and comes back as a whole,
# with the memory that its processes share, with its children, and with its own functions in all of
# them.

load lib
load mxm

setup() {
	need jq pgrep
	good=$(victim family_old)
	bad=$(victim family_new)
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	exec 7>&- || :
	stop_all
}

recovered_times() {
	[ "$(grep -c '"event":"recovered"' "$LOG")" -ge "$1" ]
}

said() {
	[ "$(grep -c . "$SERVER_LOG")" -ge "$1" ]
}

# family OLD NEW [FILE] -- OPTIONS...: obeys $commands as the good version alone does; at each 13 a
# version crashes, at switch they change places, and the next command comes when it is back.
family() {
	local old=$1 new=$2 file="" command i=0 said=0
	shift 2
	[ "$1" = -- ] || { file=$1 && shift; }
	shift
	rm -f in control file want.file
	mkfifo in
	LOG=$(mktemp "$BATS_TEST_TMPDIR/events.XXXXXX")
	start sh -c 'exec "$@" <"$0"' in "$MX" run --log "$LOG" --max-recoveries 1000 --control control "$@" \
		"$old" "$new" -- $file
	exec 7>in
	wait_until 10 grep -q mirroring "$LOG"
	for command in "${commands[@]}"; do
		if [ "$command" = switch ]; then
			# In the midst of a command a signal may be on its way to the old leader.
			wait_until 10 said $said || fail "$*: $(cat "$LOG")"
			"$MX" switch --control control
		else
			echo "$command" >&7
			said=$((said + 1))
			[ "${command%% *}" = 13 ] || continue
		fi
		i=$((i + 1))
		[ "${lost-}" ] || wait_until 20 recovered_times $i || fail "$* $i: $(cat "$LOG")"
	done
	exec 7>&-
	wait "$SERVER" || fail "$*: it ended with $?: $(cat "$LOG")"
	printf '%s\n' "${commands[@]}" | grep -v switch | "$good" ${file:+want.file} >want
	diff want "$SERVER_LOG" || fail "$*: $(cat "$LOG")"
	[ -z "$file" ] || cmp want.file "$file"
	[ "$(events divergence)$(events not-carried-over)" = 00 ] || fail "$*: $(cat "$LOG")"
}

@test "a file that several processes have mapped goes on when the other version takes over" {
	commands=(1 2 13 3 4 "13 x" 5 "exit 1 2" 6)
	lost=yes
	family "$good" "$bad" file -- --max-recoveries 0
	family "$bad" "$good" file -- --max-recoveries 0 --no-agent
}

@test "what is stored in mapped files while a version takes over reaches them" {
	local bad_stores agent
	bad_stores=$(victim stores_new)
	printf '%s\n' a crash b | "$(victim stores_old)" want.file >want
	for agent in "" --no-agent; do
		rm -f file
		LOG=$BATS_TEST_TMPDIR/events$agent.log
		# shellcheck disable=SC2086 # no agent: no word
		printf '%s\n' a crash b | "$MX" run --log "$LOG" --leader old --max-recoveries 0 $agent \
			"$bad_stores" "$(victim stores_old)" -- file >got
		diff want got
		cmp want.file file
		[ "$(events takeover)$(events divergence)$(events not-carried-over)" = 100 ] ||
			fail "$agent: $(cat "$LOG")"
	done
}

# families COUNT: each version with the bug, each as leader, with the agent and without; it comes back so often.
families() {
	local agent leader
	for agent in "" --no-agent; do
		for leader in old new; do
			# shellcheck disable=SC2086 # no agent: no word
			family "$good" "$bad" -- --leader $leader $agent
			# shellcheck disable=SC2086
			family "$bad" "$good" file -- --leader $leader $agent
			[ "$(events recovered)" = "$1" ] || fail "$(cat "$LOG")"
		done
	done
}

@test "a version comes back with its children, and the memory that they share is the survivor's" {
	commands=(1 2 "who 0" 13 "who 1" "exit 0 7" 4 5 "kill 1 15" "who 1" 13 13 "kill 0 9" 6 "13 x"
		"exit 1 0" "who 0" "who 1" 13 7)
	lost=
	families 5
	family "$bad" "$good" -- --sync stream
	family "$good" "$bad" file -- --sync lockstep
	[ "$(jq -s 'map(select(.event == "recovered").functions) | all(. == 1)' "$LOG")" = true ]
}

@test "a child that job control has stopped stays so while versions crash and take over, and goes on after it" {
	commands=(1 "stop 0" 13 3 "go 0" 2 "stop 1" "13 x" 4 "go 1" "stop 0" "stop 1" "13 x" "go 1" 13 "go 0" 7)
	lost=
	families 4
	family "$bad" "$good" -- --sync stream
	family "$good" "$bad" -- --sync lockstep
}

@test "copies lead: they wait for children that are copies, too" {
	local agent
	commands=(1 2 switch "who 1" 4 "exit 0 7" switch cont 5 "kill 1 9" switch "kill 0 15" 6 switch cont "exit 1 3"
		switch switch "who 0" "who 1" "exit 0 1" "exit 1 2" 7)
	lost=
	for agent in "" --no-agent; do
		# shellcheck disable=SC2086 # no agent: no word
		family "$good" "$good" -- $agent
		# shellcheck disable=SC2086
		family "$good" "$good" file -- --sync stream $agent
	done
}

@test "a child that is busy with calls is copied with its parent, and both go on" {
	local options
	for options in "--leader old" "--leader new" "--leader old --no-agent"; do
		LOG=$BATS_TEST_TMPDIR/${options// /}.log
		# shellcheck disable=SC2086 # options are words
		run -0 timeout -k 1 60 "$MX" run $options --max-recoveries 1000 --log "$LOG" \
			"$(victim serving_old)" "$(victim serving_new)" --
		[ "$output" = "12 well, 12 served" ] || fail "$options: $output"
		[ "$(events crash) $(events divergence)" = "12 0" ] || fail "$options: $(cat "$LOG")"
	done
}

@test "a descriptor of signalfd in an epoll set tells the version that has taken over" {
	local victim agent i
	victim=$(victim signalfds)
	for agent in "" --no-agent; do
		rm -f in control
		mkfifo in
		LOG=$(mktemp "$BATS_TEST_TMPDIR/events.XXXXXX")
		# shellcheck disable=SC2086 # no agent: no word
		start sh -c 'exec "$@" <"$0"' in "$MX" run --log "$LOG" --control control $agent "$victim" "$victim" --
		exec 7>in
		wait_until 10 grep -q mirroring "$LOG"
		for i in 1 2 3 4; do
			echo >&7
			wait_until 20 grep -q ", $i times" "$SERVER_LOG" || fail "$agent $i: $(cat "$LOG")"
			[ $i = 4 ] && break
			"$MX" switch --control control
			wait_until 20 recovered_times $i || fail "$agent $i: $(cat "$LOG")"
		done
		exec 7>&-
		wait "$SERVER"
		[ "$(grep -c . "$SERVER_LOG")" = 4 ]
		[ "$(events takeover)" = 3 ]
	done
}

# LEADER, and options of mx run
child_amid() {
	local log
	log=$BATS_TEST_TMPDIR/events.$1${2-}.log
	"$MX" run --log "$log" --max-recoveries 1000 --leader "$@" "$(victim child-amid_old)" \
		"$(victim child-amid_new)" -- >"$log.out"
	"$(victim child-amid_old)" | diff - "$log.out"
	[ "$(LOG=$log events crash)" -ge 1 ]
	[ "$(LOG=$log events divergence)" = 0 ]
}

# All at once: who computes beside others is told of an end later, at another place.
@test "a child's end that the lost leader had not been told of is told to the one that takes over" {
	local leader pid pids=()
	for leader in new old; do
		child_amid $leader &
		pids+=($!)
		child_amid $leader --no-agent &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

@test "a version that cannot come back beside a helper process comes back when that has ended" {
	local good bad
	good=$(victim helper_old)
	bad=$(victim helper_new)
	commands=(7 1 3 13 4 2 5 13 6)
	mkfifo in
	LOG=$BATS_TEST_TMPDIR/events.log
	start sh -c 'exec "$@" <in' sh "$MX" run --log "$LOG" "$good" "$bad" --
	exec 7>in
	printf '%s\n' 7 1 3 13 4 >&7
	wait_until 30 grep -q '"recovery-refused".*several processes that share no memory' "$LOG"
	echo 2 >&7
	wait_until 20 recovered_times 1 || fail "$(cat "$LOG")"
	printf '%s\n' 5 13 >&7
	wait_until 20 recovered_times 2 || fail "$(cat "$LOG")"
	echo 6 >&7
	exec 7>&-
	wait "$SERVER"
	printf '%s\n' "${commands[@]}" | "$good" | diff - "$SERVER_LOG"
	[ "$(events crash) $(events recovery-refused) $(events divergence)" = "2 1 0" ]
}

@test "memory that a fork leaves out or leaves empty is the version's that comes back" {
	local leader agent i log
	for leader in new old; do
		for agent in "" --no-agent; do
			rm -f in
			mkfifo in
			LOG=$BATS_TEST_TMPDIR/events.$leader$agent.log
			# shellcheck disable=SC2086 # no agent: no word
			start sh -c 'exec "$@" <in' sh "$MX" run --log "$LOG" --leader $leader $agent \
				"$(victim marked_old)" "$(victim marked_new)" --
			exec 7>in
			for i in 1 2 3; do
				printf 'a\nc\n' >&7
				wait_until 20 recovered_times $i || fail "$leader $agent $i: $(cat "$LOG")"
			done
			echo b >&7
			exec 7>&-
			wait "$SERVER"
			[ "$(cat "$SERVER_LOG")" = "$(printf '%s 0\n' 101 202 303 404 505 606 707)" ]
			[ "$(events crash) $(events divergence)" = "3 0" ]
		done
	done
}
