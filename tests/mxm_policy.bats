#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What becomes of a new version that does something else: it ends as the policy says, whoever leads,
# and the log says what each of them wanted.

load lib
load mxm

setup() {
	old=$(victim lines_old)
	new=$(victim lines_new)
	LOG=$BATS_TEST_TMPDIR/events.log
	printf 'l%d\n' 1 2 3 4 5 6 >"$BATS_TEST_TMPDIR/in"
	cd "$BATS_TEST_TMPDIR" || return
	# What each does alone.
	"$old" 3 nothing <in >old.out || echo $? >old.status
	for what in write open exit abort; do
		"$new" 3 $what <in >"$what.out" || echo $? >"$what.status"
	done
}

# ends_as POLICY LEADER WHAT old|new: the output and the status are those of that version alone.
ends_as() {
	local status=0 as=$4
	[ "$as" = new ] && as=$3
	rm -f "$LOG"
	mx_run --prefer "$1" --leader "$2" "$old" "$new" -- 3 "$3" <in >out 2>err || status=$?
	cmp out "$as.out" || fail "$*: output: $(cat out)"
	[ "$status" = "$(cat "$as.status")" ] || fail "$*: status $status"
	[ ! -s err ] || [ "$3" = abort ] || fail "$*: $(cat err)"
	[ "$(events divergence)" -ge 1 ] || fail "$*: no divergence in the log"
	[ "$(events discarded)" = 1 ] || fail "$*: $(cat "$LOG")"
	[ "$(events crash)" = 0 ] || fail "$*: $(cat "$LOG")"
}

# calls LEADER OLD NEW: the log names both, as the side that they were; these are how they begin.
calls() {
	local leads=$2 follows=$3
	[ "$1" = new ] && leads=$3 follows=$2
	[[ $(event_field divergence leader_call) = "$leads"* ]] || fail "leader: $(cat "$LOG")"
	[[ $(event_field divergence follower_call) = "$follows"* ]] || fail "follower: $(cat "$LOG")"
}

@test "other bytes" {
	for leader in old new; do
		for policy in new old; do
			ends_as $policy $leader write $policy
			calls $leader 'write(1, "3 l3\n", 5)' 'write(1, "something else\n", 15)'
		done
		ends_as leader $leader write $leader
	done
}

@test "another file" {
	for leader in old new; do
		for policy in new old; do
			ends_as $policy $leader open $policy
			calls $leader 'write(1, "3 l3\n", 5)' 'openat(AT_FDCWD, "/dev/zero", O_RDONLY)'
		done
		ends_as leader $leader open $leader
	done
}

# Runs a command whose standard input is a socket with what comes to this one's.
through_socket='
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
command = subprocess.Popen(sys.argv[1:], stdin=theirs)
theirs.close()
while data := os.read(0, 4096): ours.sendall(data)
ours.shutdown(socket.SHUT_WR)
sys.exit(command.wait())'

@test "what the leader has read, and the preferred follower has not, is answered, and once" {
	need python3
	local way sync option relay
	for way in read poll select epoll message peek; do
		relay=()
		[[ $way != message && $way != peek ]] || relay=(python3 -c "$through_socket")
		for sync in stream barrier lockstep; do
			for option in --agent --no-agent; do
				rm -rf folder "$LOG"
				(echo one; sleep 0.2; echo two) | "${relay[@]}" "$MX" run --log "$LOG" --leader old --prefer new --sync "$sync" \
					"$option" "$(victim unread_old)" "$(victim unread_new)" -- "$way" >out
				[ "$(cat out)" = $'one\ntwo' ] || fail "$way, $sync, $option: $(cat out "$LOG")"
				[ "$(events divergence)" = 1 ] || fail "$way, $sync, $option: $(cat "$LOG")"
			done
		done
	done
}

@test "an early exit" {
	for leader in old new; do
		for policy in new old; do
			ends_as $policy $leader exit $policy
			calls $leader 'write(1, "3 l3\n", 5)' 'exit_group(17)'
		done
		ends_as leader $leader exit $leader
	done
}

@test "an abort is the program's own decision, and no crash" {
	for leader in old new; do
		ends_as new $leader abort new
		ends_as old $leader abort old
		ends_as leader $leader abort $leader
	done
}

@test "--prefer stop ends both, in the open" {
	for leader in old new; do
		for what in write open exit abort; do
			rm -f "$LOG"
			run mx_run --prefer stop --leader $leader "$old" "$new" -- 3 $what <in
			[ "$status" -gt 128 ] || [ "$status" = 125 ]
			[ "$(event_field divergence policy)" = stop ]
			[[ $output != *"3 l3"* && $output != *else* ]] || fail "$output"
		done
	done
}

@test "lockstep tells the difference before anything happened, even a call that can be taken back" {
	echo precious >precious
	for leader in old new; do
		rm -f "$LOG"
		mx_run --sync lockstep --prefer old --leader $leader "$old" "$new" -- 3 unlink <in >out ||
			[ $? = 5 ]
		cmp out old.out
		[ -e precious ]
		[ "$(event_field divergence executed)" != true ]
	done
}

@test "barrier: what cannot be taken back waits for the other version" {
	echo precious >precious
	run mx_run --sync barrier --prefer old --leader new "$old" "$new" -- 3 unlink <in
	[ "$status" = 5 ]
	[ "$output" = "$(cat old.out)" ]
	[ -e precious ]
}

@test "a version that has no CPU to compute on is not late" {
	need gcc chrt
	local pid follower hogs=() i
	printf '%s\n' '#include <stdio.h>' 'int main(void) { char line[64]; while (fgets(line, sizeof(line), stdin)) {' \
		'for (volatile long i = 0; i < 50000000; i++);' 'fputs(line, stdout); fflush(stdout); } return 0; }' >computes.c
	gcc -O2 -o computes-old computes.c
	cp computes-old computes-new
	mkfifo lines
	start sh -c 'exec "$@" <"$0"' lines "$MX" run --log "$LOG" --leader old --patience 2 ./computes-old ./computes-new --
	exec 7>lines
	echo one >&7
	wait_until 60 grep -qx one "$SERVER_LOG"
	for pid in $(version_pids); do
		[ "$(readlink "/proc/$pid/exe")" != "$PWD/computes-new" ] || follower=$pid
	done
	chrt -i -p 0 "$follower"
	for ((i = 0; i < 2 * $(nproc); i++)); do
		sh -c 'while :; do :; done' 7>&- &
		hogs+=($!)
	done
	echo two >&7
	# Longer than the patience, and far from what is enough of it for anyone.
	sleep 4
	kill "${hogs[@]}"
	chrt -o -p 0 "$follower"
	wait_until 60 grep -qx two "$SERVER_LOG"
	exec 7>&-
	wait "$SERVER"
	[ "$(events divergence)" = 0 ] || fail "$(cat "$LOG")"
}

@test "a version that computes for ever is let go after the patience" {
	rm -f "$LOG"
	SECONDS=0
	run mx_run --leader old --patience 1 --prefer old "$old" "$new" -- 3 spin <in
	[ "$status" = 5 ]
	[ "$output" = "$(cat old.out)" ]
	[ $SECONDS -lt 8 ]
	[ "$(event_field divergence kind)" = late ]
}

@test "the versions' own crashes: survived by SIGSEGV, by others where --survive says so" {
	for leader in old new; do
		rm -f "$LOG"
		run mx_run --leader $leader "$old" "$new" -- 3 fault <in
		[ "$status" = 5 ] || fail "$leader: $status $(cat "$LOG")"
		[ "$output" = "$(cat old.out)" ]
		[ "$(event_field crash signal)" = SIGSEGV ]
		[ "$(event_field crash version)" = new ]
		[[ $(event_field crash registers) = *rip* ]]
		[[ $(event_field crash backtrace) = *main* ]]
		rm -f "$LOG"
		run mx_run --survive BUS,FPE --leader $leader "$old" "$new" -- 3 fpe <in
		[ "$status" = 5 ]
		[ "$output" = "$(cat old.out)" ]
		[ "$(event_field crash signal)" = SIGFPE ]
	done
	for leader in old new; do
		rm -f "$LOG"
		run mx_run --leader $leader "$old" "$new" -- 3 handled <in
		[ "$status" = 5 ] || fail "$leader: $status $(cat "$LOG")"
		[ "$output" = "$(cat old.out)" ]
		if [ $leader = old ]; then
			only_events crash discarded
		else
			only_events crash discarded takeover
		fi
	done
	run mx_run --survive none --prefer new "$old" "$new" -- 3 fault <in
	[ "$status" = 139 ] || fail "status $status: $(cat "$LOG")"
}

@test "--core leaves a core file of the crashed version" {
	mkdir cores
	run mx_run --core cores "$old" "$new" -- 3 fault <in
	[ "$status" = 5 ]
	[[ $(file cores/*) = *"core file"* ]]
}
