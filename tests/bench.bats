#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The benchmark itself: that it measures what it says. How fast anything is decides no test.

load lib

setup() {
	bench=$BATS_TEST_DIRNAME/../scripts/bench
	relay=$BUILD/bench/relay
	make -s -C "$BATS_TEST_DIRNAME/.." BUILD="$BUILD" "$relay"
}

@test "one row, one round: a table and JSON with the same figures" {
	json=$BATS_TEST_TMPDIR/figures.json
	run -0 --separate-stderr env BUILD="$BUILD" "$bench" --rounds 1 --json "$json" true
	[[ $output == *"true "* ]]
	[[ $stderr == *"round 1 of 1, stream"* ]]
	jq -e '.rows | length == 1' "$json"
	jq -e '.rows[0] | .row == "true" and .unit == "s" and .error == null' "$json"
	jq -e '[.rows[0].modes[] | .figures | length == 1 and .[0] > 0] | all' "$json"
	jq -e '.rows[0].modes | ["alone", "two", "stream", "barrier", "no-agent"] - keys == []' "$json"
	jq -e '.rows[0].modes | (.stream.of_two.median * .two.figures[0] / .stream.figures[0] - 1 | fabs) < 1e-9' "$json"
	jq -e '.machine.cpus >= 1 and (.machine.kernel | length > 0)' "$json"
}

@test "a row that cannot be measured says why, and the others are" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\nexit 3\n' >"$BATS_TEST_TMPDIR/bin/mkdir"
	chmod +x "$BATS_TEST_TMPDIR/bin/mkdir"
	run -1 --separate-stderr env PATH="$BATS_TEST_TMPDIR/bin:$PATH" BUILD="$BUILD" "$bench" --rounds 1 mkdir true
	[[ $output == *"mkdir "*"FAILED: mkdir ended with 3"* ]]
	[[ $output == *"true "*" "*"("* ]]
}

@test "an unknown part is refused, with the ones that there are" {
	run -2 --separate-stderr env BUILD="$BUILD" "$bench" no-such-part
	[[ $stderr == *"no part or row 'no-such-part'"*redis* ]]
}

@test "the relay delays each direction, and passes on what comes" {
	run -0 python3 - "$relay" <<'EOF'
import hashlib, os, socket, subprocess, sys, threading, time

listener = socket.create_server(("127.0.0.1", 0))
relay = subprocess.Popen([sys.argv[1], str(listener.getsockname()[1]), "40"], stdout=subprocess.PIPE, text=True)
port = int(relay.stdout.readline())

def echo():
    while True:
        c, _ = listener.accept()
        while data := c.recv(65536):
            c.sendall(data)
        c.close()

threading.Thread(target=echo, daemon=True).start()
try:
    c = socket.create_connection(("127.0.0.1", port))
    begun = time.monotonic()
    c.sendall(b"x")
    assert c.recv(1) == b"x"
    took = time.monotonic() - begun
    assert took >= 0.08, took
    blob = os.urandom(20 << 20)
    threading.Thread(target=lambda: (c.sendall(blob), c.shutdown(socket.SHUT_WR)), daemon=True).start()
    got = b"".join(iter(lambda: c.recv(1 << 20), b""))
    assert hashlib.sha256(got).digest() == hashlib.sha256(blob).digest(), len(got)
finally:
    relay.kill()
EOF
}

# below FOLDER: the processes that work in it.
below() {
	local process
	for process in /proc/[0-9]*; do
		[[ $(readlink "$process/cwd") != "$1"/* ]] || echo "${process#/proc/}"
	done
}

@test "a benchmark that is ended ends what it has started" {
	local work=$BATS_TEST_TMPDIR/work begun=$SECONDS pid
	need redis-server redis-benchmark
	mkdir "$work"
	TMPDIR=$work BUILD=$BUILD "$bench" --rounds 1 redis >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	pid=$!
	# The benchmark, and a server in a folder of its own.
	until [ "$(below "$work" | wc -l)" -ge 2 ]; do
		((SECONDS - begun < 60)) || fail "no server: $(cat "$BATS_TEST_TMPDIR/out")"
		sleep 0.1
	done
	kill "$pid"
	wait "$pid" || [ $? = 130 ]
	[ -z "$(ls "$work")" ]
	[ -z "$(below "$work")" ]
}
