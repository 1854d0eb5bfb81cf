#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A canary in a container from end to end: two images, traffic, status, a crash of the new version,
# events, and the decision; one client's connection lives through all of it.



# SC2154: variables of podman.bash; SC2031: files are run one test a process.
# shellcheck disable=SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0
load podman.bash

flags=()

setup_file() {
	podman_setup
	make_image canary cp "$BUILD/victims/canary_new" bin/canary
	make_image canary-old cp "$BUILD/victims/canary_old" bin/canary
}

teardown_file() {
	podman_teardown
}

teardown() {
	exec 8>&-
	podman rm -f -t 0 canary >/dev/null 2>&1 || :
}

# start_canary: the container, with $flags, and a client on descriptor 8.
start_canary() {
	local d
	d=$(delegates | head -n 1)
	port=$(free_port)
	podman --runtime "mx-$d" run -d --name canary --network host \
		--mount 'type=image,source=test:canary-old,destination=/.mx/old' \
		--annotation io.mx.old=/.mx/old "${flags[@]}" test:canary /bin/canary "$port" >/dev/null 3>&-
	for _ in {1..200}; do
		(exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
		sleep 0.05
	done
	exec 8<>"/dev/tcp/127.0.0.1/$port"
}

# say LINE: sends it on the one connection and gives the reply.
say() {
	local reply
	printf '%s\n' "$1" >&8
	read -r -t 20 reply <&8 || return
	printf '%s\n' "$reply"
}

mx() {
	"$BUILD/mx" "$@"
}

@test "healthy, promoted: the old version goes, the connection stays" {
	start_canary
	[ "$(say hello)" = "1 hello" ]
	run -0 mx status canary
	[[ ${lines[1]} = "canary "*" canary "*" mirroring "*" new "* ]]
	run -0 mx status
	[[ $output = *"canary "* ]]
	id=$(podman inspect --format '{{.Id}}' canary)
	run -0 mx status "${id:0:8}" -o json
	[ "$(jq -r .id <<<"$output")" = "$id" ]
	[ "$(jq -r .name <<<"$output")" = canary ]
	for i in {2..40}; do
		[ "$(say "line $i")" = "$i line $i" ]
	done
	run -0 mx promote canary
	[ "$(say "still here")" = "41 still here" ]
	run -0 mx status canary
	[[ ${lines[1]} = *" promoted "* ]]
	[ "$(say differ)" = "new says hello" ]
	run -0 mx history canary
	[[ $output = *" decision decision=promote by=operator"*"discarded version=old"* ]]
}

@test "the new version crashes: the old one answers, it is told, and the canary is aborted" {
	start_canary
	[ "$(say one)" = "1 one" ]
	[ "$(say crash)" = "2 crash" ]
	[ "$(say three)" = "3 three" ]
	# Its whole program differs, so that it cannot come back.
	run -3 mx status canary --until degraded --timeout 60
	[[ ${lines[-1]} = *" degraded "*" old "*" 1 "* ]]
	run -0 mx events canary
	[[ $output = *" crash version=new "*"signal=SIGSEGV"*"backtrace: "*" takeover version=old"* ]]
	run -1 mx promote canary
	[[ $output = *"the new version does not run"* ]]
	run -0 mx abort canary
	run -0 mx status canary
	[[ ${lines[1]} = *" aborted "* ]]
	[ "$(say four)" = "4 four" ]
	[ "$(say differ)" = "old says hello" ]
	id=$(podman inspect --format '{{.Id}}' canary)
	exec 8>&-
	podman rm -f -t 0 canary >/dev/null
	run -5 mx status canary
	# What is kept of it is found by its id.
	for _ in {1..100}; do
		[ -s "$shims/logs/$id.jsonl" ] && break
		sleep 0.05
	done
	run -0 mx history --mx-conf "$shims/mx-$(delegates | head -n 1).conf" "$id"
	[[ $output = *" crash version=new"*"phase=aborted"* ]]
}

@test "aborted while all is well: the new version goes, the connection stays" {
	start_canary
	[ "$(say one)" = "1 one" ]
	run -0 mx abort canary
	[ "$(say two)" = "2 two" ]
	[ "$(say differ)" = "old says hello" ]
	run -0 mx status canary
	[[ ${lines[1]} = *" aborted "*" old "* ]]
}

@test "they say different things: exit status 3, and both sides in the events" {
	start_canary
	[ "$(say differ)" = "new says hello" ]
	run -3 mx status canary
	[[ ${lines[1]} = *" diverged "* ]]
	run -0 mx events canary -o json
	[[ $output = *"old says hello"*"new says hello"* || $output = *"new says hello"*"old says hello"* ]]
	[ "$(say two)" = "1 two" ]
}

@test "annotations: promoted after a calm second; rules from an annotation" {
	# podman splits the flag's value at commas, so the rules are in a file of the container.
	printf '%s\n' '{"mx-rules": 1, "rules": [{"name": "hello", "action": "rewrite",
		"old": ["write(*, \"old says*)"], "new": ["write(*, \"new says*)"]}]}' >"$BATS_TEST_TMPDIR/rules.json"
	chmod 755 "$BATS_TEST_TMPDIR"
	flags=(--annotation io.mx.promote-after=1 --annotation io.mx.rules=/rules.json
		-v "$BATS_TEST_TMPDIR/rules.json:/rules.json:ro")
	start_canary
	[ "$(say differ)" = "new says hello" ]
	run -0 mx events canary -o json
	[[ $output = *'"rule":"hello"'* && $output != *'"event":"divergence"'* ]]
	run -0 mx status canary --until promoted --timeout 20
	[ "$(say on)" = "1 on" ]
	podman rm -f -t 0 canary >/dev/null
	flags=(--annotation io.mx.promote-after=soon)
	run start_canary
	[[ $output = *"promote-after"*"soon"* ]]
}

# This static pair is refused by the analysis; tests/mxm_resync.bats has one that comes back.
@test "annotation max-resyncs: a version that says one thing differently is to come back" {
	flags=(--annotation io.mx.max-resyncs=5)
	start_canary
	[ "$(say differ)" = "new says hello" ]
	run -3 mx status canary --until diverged --timeout 30
	[ "$(say two)" = "1 two" ]
	run -0 mx events canary -o json
	[[ $output = *'"event":"resync","version":"old","in_this_minute":1,"at_most":5'*'"event":"recovery-refused"'* ]]
	podman rm -f -t 0 canary >/dev/null
	flags=(--annotation io.mx.max-resyncs=often)
	run start_canary
	[[ $output = *"max-resyncs"*"often"* ]]
}

@test "mx.conf: the operator's program is told of the events, on the host; it ends with the container" {
	local conf got=$BATS_TEST_TMPDIR/got
	conf=$shims/mx-$(delegates | head -n 1).conf
	cp "$conf" "$BATS_TEST_TMPDIR/conf"
	printf '#!/bin/sh\necho $PPID >%s.teller\ncat >>%s\n' "$got" "$got" >"$BATS_TEST_TMPDIR/tell"
	chmod 755 "$BATS_TEST_TMPDIR/tell"
	sed -i "s|}\$|, \"events-exec\": \"$BATS_TEST_TMPDIR/tell\", \"events-only\": [\"phase\", \"exit\"]}|" "$conf"
	# The server does not handle SIGTERM, which would have no effect on it as PID 1.
	flags=(--init)
	start_canary
	for _ in {1..200}; do
		grep -q mirroring "$got" 2>/dev/null && break
		sleep 0.05
	done
	mx promote canary
	exec 8>&-
	podman stop -t 5 canary >/dev/null
	podman rm -f -t 0 canary >/dev/null
	teller=$(cat "$got.teller")
	for _ in {1..200}; do
		[ -e "/proc/$teller" ] || break
		sleep 0.05
	done
	# What it held would have kept podman waiting.
	[ ! -e "/proc/$teller" ] || [[ $(ps -o stat= -p "$teller") = Z* ]]
	[ "$(jq -r '.event + " " + (.phase // "")' "$got" | sed 's/ *$//' | xargs)" = \
		"phase mirroring phase promoted exit" ]
	# A program that is not there, or an address that is not this machine's: the container is not made.
	sed -i "s|$BATS_TEST_TMPDIR/tell|/nowhere/tell|" "$conf"
	run start_canary
	[[ $output = *"mx.conf: events-exec: /nowhere/tell"* ]]
	podman rm -f -t 0 canary >/dev/null 2>&1 || :
	sed -i 's|"events-exec": "[^"]*"|"events-webhook": "http://192.0.2.1/"|' "$conf"
	run start_canary
	[[ $output = *"mx.conf: events-webhook: "*"192.0.2.1"* ]]
	cp "$BATS_TEST_TMPDIR/conf" "$conf"
}
