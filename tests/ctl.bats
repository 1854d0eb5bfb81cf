#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The control socket of a running engine, and the verbs that speak to it.

load lib
load mxm

setup() {
	SOCKET=$BATS_TEST_TMPDIR/control
	CAT=$(command -v cat)
}

# start_cat OPTIONS...: two cats as one that wait for input, with the control socket.
start_cat() {
	mkfifo "$BATS_TEST_TMPDIR/in"
	LOG=$BATS_TEST_TMPDIR/events.log
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" --control "$SOCKET" \
		"$@" "$CAT" "$CAT"
	exec 7>"$BATS_TEST_TMPDIR/in"
	"$MX" status --control "$SOCKET" --until mirroring --timeout 20
}

# ask BYTES: what the engine answers to them, raw.
ask() {
	python3 - "$SOCKET" "$1" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		s.settimeout(10)
		s.sendall(sys.argv[2].encode("latin-1").decode("unicode_escape").encode("latin-1"))
		s.shutdown(socket.SHUT_WR)
		data = b""
		while True:
		    got = s.recv(65536)
		    if not got:
		        break
		    data += got
		sys.stdout.write(data.decode())
	END
}

phase() {
	"$MX" status --control "$SOCKET" -o json | jq -r .phase
}

@test "status: a table and JSON; the socket is its owner's alone and goes with the run" {
	start_cat
	[ "$(stat -c %a "$SOCKET")" = 600 ]
	run -0 "$MX" status --control "$SOCKET"
	[[ ${lines[0]} =~ ^ID\ +APP\ +OLD\ +NEW\ +PHASE\ +LEADER\ +SYSCALLS\ +DIVERGED\ +CRASHES\ +AGE$ ]]
	[[ ${lines[1]} = "control "*" cat "*" mirroring "*" new "* ]]
	run -0 "$MX" status --control "$SOCKET" -o json
	jq -e '.versions | length == 2 and all(.runs and .syscalls > 0)' <<<"$output"
	before=$(jq .versions[0].syscalls <<<"$output")
	# A name with a slash is a path.
	[ "$("$MX" status -o json "$SOCKET" | jq -r .phase)" = mirroring ]
	(cd "$BATS_TEST_TMPDIR" && "$MX" status ./control) | grep -q mirroring
	echo more >&7
	wait_until 10 grep -q more "$SERVER_LOG"
	[ "$("$MX" status --control "$SOCKET" -o json | jq .versions[0].syscalls)" -gt "$before" ]
	exec 7>&-
	wait_until 10 test ! -e "$SOCKET"
	run -5 "$MX" status --control "$SOCKET"
}

@test "what is not a request is answered with the reason, and harms nobody" {
	start_cat
	[[ $(ask 'junk\n') = '{"mx":1,"ok":false,"error":"line 1:'*'"code":"bad-request"}' ]]
	[[ $(ask '[]\n') = *'a request is a JSON object'* ]]
	[[ $(ask '{"do":"status"}\n') = *'version, is missing'* ]]
	[[ $(ask '{"mx":7,"do":"status"}\n') = *'speaks version 1 '*'"code":"protocol"}' ]]
	[[ $(ask '{"mx":1}\n') = *'is missing'* ]]
	[[ $(ask '{"mx":1,"do":"dance"}\n') = *'no request'*dance* ]]
	[[ $(ask '{"mx":1,"do":"status","folow":true}\n') = *folow* ]]
	[[ $(ask '{"mx":1,"do":"events","follow":"yes"}\n') = *'true or false'* ]]
	[[ $(ask '\xff\x00\x01\n') = *'"ok":false'* ]]
	[[ $(ask "$(printf 'x%.0s' {1..9000})") = *'too long'* ]]
	[[ $(ask "$(printf '[%.0s' {1..2000})\n") = *'"ok":false'* ]]
	# Two at once, in order; an unfinished one is no request.
	run -0 ask '{"mx":1,"do":"nothing"}\n{"mx":1,"do":"status"}\n{"mx":1,'
	[ ${#lines[@]} = 2 ]
	[[ ${lines[0]} = *'"ok":false'* && ${lines[1]} = *'"phase":"mirroring"'* ]]
	echo alive >&7
	wait_until 10 grep -q alive "$SERVER_LOG"
}

@test "many clients, idle ones and ones that hang up" {
	start_cat
	python3 - "$SOCKET" "$MX" <<-'END'
		import socket, subprocess, sys
		idle = []
		for i in range(80):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(sys.argv[1])
		    if i % 2:
		        s.close()
		    else:
		        s.send(b'{"mx"')
		        idle.append(s)
		# They are still there, and shut nobody out.
		subprocess.run([sys.argv[2], "status", "--control", sys.argv[1]], check=True)
	END
	echo alive >&7
	wait_until 10 grep -q alive "$SERVER_LOG"
}

@test "a program may not steer the engine that it runs under" {
	LOG=$BATS_TEST_TMPDIR/events.log
	run -1 timeout 30 "$MX" run --log "$LOG" --control "$SOCKET" "$MX" "$MX" -- \
		promote --control "$SOCKET"
	[[ $output = *"may not steer"* ]] || fail "$output"
	[ "$(events decision)" = 0 ]
}

@test "a socket that nobody serves is replaced, anything else is not" {
	start_cat
	run -125 "$MX" run --control "$SOCKET" "$CAT" "$CAT" -- /dev/null
	[[ $output = *"another engine serves it"* ]]
	echo mine >"$BATS_TEST_TMPDIR/file"
	run -125 "$MX" run --control "$BATS_TEST_TMPDIR/file" "$CAT" "$CAT" -- /dev/null
	[[ $output = *"is no socket"* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = mine ]
	pkill -KILL -P "$SERVER"
	wait_until 10 sh -c "! kill -0 $SERVER 2>/dev/null"
	[ -S "$SOCKET" ]
	run -0 "$MX" run --control "$SOCKET" "$CAT" "$CAT" -- /dev/null
	[ ! -e "$SOCKET" ]
}

@test "a socket whose path is longer than an address" {
	long=$BATS_TEST_TMPDIR/$(printf 'l%.0s' {1..120})
	mkdir "$long"
	SOCKET=$long/control
	start_cat
	[ "$(phase)" = mirroring ]
	# A link is not followed: in a container it could lead to another's socket.
	ln -s "$SOCKET" "$BATS_TEST_TMPDIR/link"
	run -1 "$MX" status --control "$BATS_TEST_TMPDIR/link"
	[[ $output = *"is no socket"* ]]
}

@test "promote and abort: one version goes on alone, and the decision is final" {
	for verb in promote abort; do
		SOCKET=$BATS_TEST_TMPDIR/$verb.socket
		rm -f "$BATS_TEST_TMPDIR/in"
		start_cat
		echo before >&7
		wait_until 10 grep -q before "$SERVER_LOG"
		run -0 "$MX" $verb --control "$SOCKET"
		[ -z "$output" ]
		echo after >&7
		wait_until 10 grep -q after "$SERVER_LOG"
		run -0 "$MX" $verb --control "$SOCKET"
		[ "$(phase)" = "$([ $verb = promote ] && echo promoted || echo aborted)" ]
		run -1 "$MX" "$([ $verb = promote ] && echo abort || echo promote)" --control "$SOCKET"
		[[ $output = *"does not run"* ]]
		run -0 "$MX" history --control "$SOCKET"
		[[ $output = *" decision decision=$verb by=operator"*" phase phase="* ]]
		exec 7>&-
		wait_until 10 test ! -e "$SOCKET"
		[ "$(sort "$SERVER_LOG" | uniq -c | awk '{print $1 $2}' | xargs)" = "1after 1before" ]
		rm -f "$LOG"
	done
}

@test "switch: leader and follower change places; restart: a version that was let go comes back" {
	start_cat
	run -1 "$MX" restart old --control "$SOCKET"
	[[ $output = *"the old version runs" ]]
	for leader in old new old; do
		run -0 "$MX" switch --control "$SOCKET"
		"$MX" status --control "$SOCKET" --until mirroring --timeout 20
		[ "$("$MX" status --control "$SOCKET" -o json | jq -r .leader)" = $leader ]
		echo "$leader leads" >&7
		wait_until 10 grep -q "$leader leads" "$SERVER_LOG"
	done
	run -0 "$MX" promote --control "$SOCKET"
	run -1 "$MX" restart old --control "$SOCKET"
	[[ $output = *"promoted already" ]]
	run -1 "$MX" switch --control "$SOCKET"
	exec 7>&-
	wait_until 10 test ! -e "$SOCKET"
	[ "$(cat "$SERVER_LOG")" = $'old leads\nnew leads\nold leads' ]
}

@test "a version that is killed comes back" {
	mkfifo "$BATS_TEST_TMPDIR/in"
	LOG=$BATS_TEST_TMPDIR/events.log
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" --control "$SOCKET" \
		"$CAT" "$CAT"
	exec 7>"$BATS_TEST_TMPDIR/in"
	"$MX" status --control "$SOCKET" --until mirroring --timeout 20
	pid=$(pgrep -P "$(pgrep -P "$SERVER")" | head -n 1)
	kill -KILL "$pid"
	wait_until 20 grep -q '"recovered"' "$LOG"
	echo on >&7
	wait_until 10 grep -q on "$SERVER_LOG"
	[ "$("$MX" status --control "$SOCKET" -o json | jq -r '[.versions[].runs] | all')" = true ]
	[ "$(jq -r 'select(.event == "recovered") | .rung' "$LOG")" = rejoin ]
	exec 7>&-
}

@test "events: as they are, followed to the end, given to a program" {
	start_cat
	"$MX" events -f --control "$SOCKET" >"$BATS_TEST_TMPDIR/followed" 3>&- 7>&- &
	follower=$!
	printf '#!/bin/sh\njq -r .event >>"%s/told"\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/tell"
	chmod +x "$BATS_TEST_TMPDIR/tell"
	"$MX" events -f --exec "$BATS_TEST_TMPDIR/tell" --control "$SOCKET" 3>&- 7>&- &
	teller=$!
	wait_until 10 grep -q mirroring "$BATS_TEST_TMPDIR/followed"
	wait_until 10 grep -q phase "$BATS_TEST_TMPDIR/told"
	"$MX" promote --control "$SOCKET"
	exec 7>&-
	wait $follower
	wait $teller
	grep -q 'decision=promote' "$BATS_TEST_TMPDIR/followed"
	grep -q ' exit status=0' "$BATS_TEST_TMPDIR/followed"
	grep -qx decision "$BATS_TEST_TMPDIR/told"
	run -0 "$MX" events --log "$LOG" -o json
	[ "$(jq -r .event <<<"$output" | head -n 1)" = start ]
	run -1 "$MX" events --log "$LOG" --exec false
	[[ $output = *"false said 1"* ]]
}

@test "exit statuses: usage 2, diverged or degraded 3, time-out 4, nobody there 5" {
	run -2 "$MX" status --control a b
	run -2 "$MX" status --until dancing --control a
	run -2 "$MX" promote
	run -2 "$MX" restart sideways --control a
	run -2 "$MX" events
	run -5 "$MX" status --control "$BATS_TEST_TMPDIR/nothing"
	run -5 "$MX" promote --control "$BATS_TEST_TMPDIR/nothing"
	run -5 "$MX" promote no-such-container-here
	start_cat --max-recoveries 0
	run -4 "$MX" status --control "$SOCKET" --until diverged --timeout 1
	pid=$(pgrep -P "$(pgrep -P "$SERVER")" | head -n 1)
	kill -KILL "$pid"
	echo on >&7
	run -3 "$MX" status --control "$SOCKET" --until degraded
	[[ $output = *" degraded "*" 1 "* ]]
	# An engine that does not answer.
	python3 -c 'import socket,sys,time
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(20)' "$BATS_TEST_TMPDIR/deaf" 3>&- 7>&- &
	started+=("$!")
	wait_until 10 test -S "$BATS_TEST_TMPDIR/deaf"
	run -4 "$MX" status --control "$BATS_TEST_TMPDIR/deaf" --timeout 1
}

@test "a divergence shows in the phase and the counts" {
	mkfifo "$BATS_TEST_TMPDIR/in"
	LOG=$BATS_TEST_TMPDIR/events.log
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" --control "$SOCKET" \
		"$(victim lines_old)" "$(victim lines_new)" -- 2 write
	exec 7>"$BATS_TEST_TMPDIR/in"
	"$MX" status --control "$SOCKET" --until mirroring --timeout 20
	printf '1\n2\n' >&7
	run -3 "$MX" status --control "$SOCKET" --until diverged -o json
	jq -e '.divergences.arguments == 1 and .leader == "new" and (.versions[0].runs | not)' <<<"$output"
	# It is the operator's to say that this is well.
	run -0 "$MX" promote --control "$SOCKET"
	run -0 "$MX" status --control "$SOCKET"
}

@test "--abort-after: the old version alone after so many failures; --promote-after: the new one" {
	LOG=$BATS_TEST_TMPDIR/events.log
	printf '1\n2\n3\n' >"$BATS_TEST_TMPDIR/lines"
	run mx_run --abort-after 1 "$(victim lines_old)" "$(victim lines_new)" -- 2 write <"$BATS_TEST_TMPDIR/lines"
	[ "$output" = $'1 1\n2 2\n3 3' ]
	[ "$(event_field divergence policy)" = abort ]
	[ "$(jq -rs 'map(select(.event == "phase"))[-1].phase' "$LOG")" = aborted ]
	rm "$LOG"
	start_cat --promote-after 1
	"$MX" status --control "$SOCKET" --until promoted --timeout 20
	[ "$(event_field decision by)" = promote-after ]
	exec 7>&-
	run -2 "$MX" run --promote-after 0 a b
	run -2 "$MX" run --promote-after 5,x a b
	run -2 "$MX" run --abort-after x a b
}

@test "metrics: what promtool takes, printed, in a file, over HTTP" {
	need promtool curl
	start_cat
	"$MX" metrics --control "$SOCKET" >"$BATS_TEST_TMPDIR/metrics"
	run -0 promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
	[ -z "$output" ] || fail "$output"
	grep -qx 'mx_phase{container="control",app="cat",phase="mirroring"} 1' "$BATS_TEST_TMPDIR/metrics"
	grep -qx 'mx_phase{container="control",app="cat",phase="diverged"} 0' "$BATS_TEST_TMPDIR/metrics"
	grep -qE '^mx_syscalls_total\{container="control",app="cat",version="old"\} [1-9]' "$BATS_TEST_TMPDIR/metrics"
	# A counter that is not there before it counts has no increase.
	grep -qx 'mx_divergences_total{container="control",app="cat",kind="arguments"} 0' "$BATS_TEST_TMPDIR/metrics"
	grep -qx 'mx_recoveries_total{container="control",app="cat",result="recovered"} 0' "$BATS_TEST_TMPDIR/metrics"
	run -0 "$MX" metrics --control "$SOCKET" --textfile "$BATS_TEST_TMPDIR/mx.prom"
	# The numbers go on meanwhile.
	diff <(sed 's/ [0-9.]*$//' "$BATS_TEST_TMPDIR/mx.prom") <(sed 's/ [0-9.]*$//' "$BATS_TEST_TMPDIR/metrics")
	port=$(free_port)
	start_server "$port" "$MX" metrics --control "$SOCKET" --listen "$port" 7>&-
	curl -sf "http://127.0.0.1:$port/metrics" >"$BATS_TEST_TMPDIR/http"
	promtool check metrics <"$BATS_TEST_TMPDIR/http"
	diff <(sed 's/ [0-9.]*$//' "$BATS_TEST_TMPDIR/http") <(sed 's/ [0-9.]*$//' "$BATS_TEST_TMPDIR/metrics")
	[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")" = 404 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' -d x "http://127.0.0.1:$port/metrics")" = 405 ]
	printf 'junk\r\n\r\n' | timeout 5 nc -q 1 127.0.0.1 "$port" 2>/dev/null || :
	# The run ends: it is not up, and nothing is made up.
	exec 7>&-
	wait_until 10 test ! -e "$SOCKET"
	curl -sf "http://127.0.0.1:$port/metrics" >"$BATS_TEST_TMPDIR/http"
	grep -qx 'mx_up{container="control",app=""} 0' "$BATS_TEST_TMPDIR/http"
	run ! grep -q '^mx_phase{' "$BATS_TEST_TMPDIR/http"
	run -2 "$MX" metrics --listen nonsense
	run -2 "$MX" metrics --every 5
}

@test "doctor: what this machine has is good, what is broken is named" {
	run "$MX" doctor
	[[ $output = *"ok    trial "*"two versions run as one"* ]] || fail "$output"
	[[ $output = *"ok    mx-hook "* ]]
	"$MX" doctor -o json | jq -e 'all(.topic and .level and .text) and any(.topic == "kernel")'
	printf '{"delegate": "/nowhere/crun"}' >"$BATS_TEST_TMPDIR/mx.conf"
	run -1 "$MX" doctor --mx-conf "$BATS_TEST_TMPDIR/mx.conf"
	[[ $output = *"BAD "*delegate*/nowhere/crun* ]] || fail "$output"
	printf '{"nonsense": 1}' >"$BATS_TEST_TMPDIR/mx.conf"
	run -1 "$MX" doctor --mx-conf "$BATS_TEST_TMPDIR/mx.conf"
	[[ $output = *"BAD "*mx.conf*nonsense* ]]
	# Where tracing is refused, the trial says so.
	need strace
	run -1 strace -f -o /dev/null "$MX" doctor
	[[ $output = *"BAD   trial "*"mx run fails"*ptrace* ]] || fail "$output"
}
