#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx events tells the operator: a program, a webhook, with a limit of time, and a failure is in the log.

load lib
load mxm

setup() {
	SOCKET=$BATS_TEST_TMPDIR/control
	CAT=$(command -v cat)
	LOG=$BATS_TEST_TMPDIR/events.log
}

# start_cat: two cats as one, which end when descriptor 7 is closed.
start_cat() {
	mkfifo "$BATS_TEST_TMPDIR/in"
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" --control "$SOCKET" \
		"$CAT" "$CAT"
	exec 7>"$BATS_TEST_TMPDIR/in"
	"$MX" status --control "$SOCKET" --until mirroring --timeout 20
}

# program TEXT: an operator's program.
program() {
	printf '#!/bin/sh\n%s\n' "$1" >"$BATS_TEST_TMPDIR/program"
	chmod 755 "$BATS_TEST_TMPDIR/program"
	printf '%s\n' "$BATS_TEST_TMPDIR/program"
}

# hook_server WHERE STATUS: answers each POST with STATUS, and writes what it got to $BATS_TEST_TMPDIR/got; WHERE
# is "tcp", and the port is then in $BATS_TEST_TMPDIR/port, or a socket's path. STATUS 0: no answer at all.
hook_server() {
	python3 - "$1" "$2" "$BATS_TEST_TMPDIR" <<-'END' 3>&- &
		import http.server, os, socket, socketserver, sys, time
		where, status, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
		class Handler(http.server.BaseHTTPRequestHandler):
		    def do_POST(self):
		        body = self.rfile.read(int(self.headers["Content-Length"]))
		        with open(folder + "/got", "ab") as f:
		            f.write(self.path.encode() + b" " + body)
		        if not status:
		            time.sleep(60)
		        self.send_response(status)
		        self.end_headers()
		    def address_string(self):
		        return "local"
		    def log_message(self, *args):
		        pass
		if where == "tcp":
		    server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
		    with open(folder + "/port.new", "w") as f:
		        f.write(str(server.server_address[1]))
		    os.rename(folder + "/port.new", folder + "/port")
		else:
		    server = socketserver.UnixStreamServer(where, Handler)
		server.serve_forever()
	END
	started+=("$!")
	wait_until 10 test -e "$([ "$1" = tcp ] && echo "$BATS_TEST_TMPDIR/port" || echo "$1")"
}

# tell OPTIONS...: follows the run in the background.
tell() {
	"$MX" events -f --control "$SOCKET" "$@" 2>"$BATS_TEST_TMPDIR/said" 3>&- 7>&- &
	TELLER=$!
	started+=("$TELLER")
}

# is_over PID: it has ended; nobody may have asked how yet.
is_over() {
	[[ ! -e /proc/$1 || $(ps -o stat= -p "$1") = Z* ]]
}

@test "--exec: each event on the program's standard input; --only chooses" {
	start_cat
	tell --only phase,exit --exec "$(program "cat >>$BATS_TEST_TMPDIR/got")"
	wait_until 10 grep -q mirroring "$BATS_TEST_TMPDIR/got"
	"$MX" promote --control "$SOCKET"
	wait_until 10 grep -q promoted "$BATS_TEST_TMPDIR/got"
	exec 7>&-
	wait "$TELLER"
	[ "$(jq -r .event "$BATS_TEST_TMPDIR/got" | sort -u | xargs)" = "exit phase" ]
}

@test "a program that does not end is killed with what it has started, and the log says so" {
	start_cat
	tell --only phase --within 1 --exec "$(program "echo \$\$ >>$BATS_TEST_TMPDIR/pids; sleep 1000 & echo \$! >>$BATS_TEST_TMPDIR/pids; wait")"
	wait_until 10 grep -q '"notify-failed".*phase: .*program did not end within 1000 ms' "$LOG"
	# The run has not waited.
	echo on >&7
	wait_until 10 grep -q on "$SERVER_LOG"
	for pid in $(cat "$BATS_TEST_TMPDIR/pids"); do
		wait_until 10 is_over "$pid"
	done
	exec 7>&-
	wait "$TELLER" && false
	grep -q 'did not end' "$BATS_TEST_TMPDIR/said"
}

@test "a program that fails, that is missing, that does not read: said, and the next event is told" {
	start_cat
	tell --exec "$BATS_TEST_TMPDIR/nothing"
	wait_until 10 grep -q '"notify-failed".*nothing was not found' "$LOG"
	kill "$TELLER"
	tell --exec "$(program 'exit 9')"
	wait_until 10 grep -q '"notify-failed".*program said 9' "$LOG"
	kill "$TELLER"
	# It is told of failures of others, never of its own: no event leads to the next for ever.
	count=$(events notify-failed)
	sleep 1
	[ "$(events notify-failed)" -le $((count + 1)) ]
	tell --exec "$(program "echo x >>$BATS_TEST_TMPDIR/told")"
	wait_until 10 test -e "$BATS_TEST_TMPDIR/told"
	exec 7>&-
	wait "$TELLER"
}

@test "--webhook: a POST for each event, by TCP and by a unix socket" {
	start_cat
	hook_server tcp 204
	tell --only phase --webhook "http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")/mx?a=b"
	wait_until 10 grep -q '^/mx?a=b {.*"phase":"mirroring"' "$BATS_TEST_TMPDIR/got"
	hook_server "$BATS_TEST_TMPDIR/hook" 200
	tell --only phase --webhook "unix:$BATS_TEST_TMPDIR/hook:/there"
	wait_until 10 grep -q '^/there {.*"phase":"mirroring"' "$BATS_TEST_TMPDIR/got"
	[ "$(events notify-failed)" = 0 ]
	exec 7>&-
}

@test "a webhook that is refused, answers an error, or does not answer: the log says so" {
	start_cat
	hook_server tcp 500
	tell --only phase --webhook "http://localhost:$(cat "$BATS_TEST_TMPDIR/port")"
	wait_until 10 grep -q '"notify-failed".*answered 500' "$LOG"
	kill "$TELLER"
	hook_server "$BATS_TEST_TMPDIR/hook" 0
	tell --only phase --within 1 --webhook "unix:$BATS_TEST_TMPDIR/hook"
	wait_until 10 grep -q '"notify-failed".*did not answer within 1000 ms' "$LOG"
	kill "$TELLER"
	tell --only phase --webhook "unix:$BATS_TEST_TMPDIR/nobody"
	wait_until 10 grep -q '"notify-failed".*No such file' "$LOG"
	exec 7>&-
}

@test "a webhook elsewhere, or one that is none, is a wrong command line" {
	for url in http://192.0.2.1/ https://127.0.0.1/ 127.0.0.1:80 http://127.0.0.1:0/ http://[::2]/ unix:relative \
		"unix:$(printf '/%0120d' 0)" "http://127.0.0.1/a b" $'http://127.0.0.1/\r\nX: y' http://127.0.0.1.evil.example/; do
		run -2 "$MX" events -f --webhook "$url" --control "$SOCKET"
		[[ $output = *"a program (curl) can tell others"* ]]
	done
	run -2 "$MX" events --attend --control "$SOCKET"
	run -2 "$MX" events --within 0 --control "$SOCKET"
	run -2 "$MX" history --webhook http://127.0.0.1/ --control "$SOCKET"
}

@test "--attend: it waits for the run to begin, and not for one that never will" {
	mkdir "$BATS_TEST_TMPDIR/state"
	SOCKET=$BATS_TEST_TMPDIR/state/control
	tell --attend --exec "$(program "cat >>$BATS_TEST_TMPDIR/got")"
	sleep 0.5
	start_cat
	wait_until 10 grep -q '"start"' "$BATS_TEST_TMPDIR/got"
	exec 7>&-
	wait "$TELLER"
	[ "$(jq -r .event "$BATS_TEST_TMPDIR/got" | tail -n 1)" = figures ]
	tell --attend --exec "$(program true)"
	rm -r "$BATS_TEST_TMPDIR/state"
	wait "$TELLER"
}

@test "a text for the log: bounded, and of the operator's" {
	start_cat
	run -0 python3 - "$SOCKET" <<-'END'
		import json, socket, sys
		def ask(request):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(sys.argv[1])
		    s.sendall(json.dumps(request).encode() + b"\n")
		    return json.loads(s.makefile().readline())
		print(ask({"mx": 1, "do": "notify-failed"})["ok"], ask({"mx": 1, "do": "notify-failed", "text": 5})["ok"],
		      ask({"mx": 1, "do": "notify-failed", "text": "x" * 1001})["ok"],
		      ask({"mx": 1, "do": "notify-failed", "text": "a\"b\n"})["ok"])
	END
	[ "$output" = "False False False True" ]
	[ "$(event_field notify-failed text)" = $'a"b' ]
	exec 7>&-
}
