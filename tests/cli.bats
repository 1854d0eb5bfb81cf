#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The mx program's own command line, and what the house promises of the binaries.

load lib

@test "mx alone and an unknown verb are usage errors, and say what there is" {
	run -2 "$MX"
	[[ $output = *"Usage: mx VERB"* ]]
	run -2 "$MX" nonsense
	[[ $output = *"'nonsense' is not a verb"*"mx --help"* ]]
	run -2 "$MX" help nonsense
}

@test "a mistyped verb gets a hint" {
	run -2 "$MX" syscall
	[[ $output = *"did you mean 'syscalls'"* ]]
}

@test "mx --help lists each verb, and each verb has help" {
	run -0 "$MX" --help
	verbs=$(sed -n 's/^  \([a-z]\+\) .*/\1/p' <<<"$output" | grep -v '^help$')
	[ -n "$verbs" ]
	for verb in $verbs; do
		run -0 "$MX" help "$verb"
		[[ $output = "Usage: mx $verb"* ]]
		run -0 "$MX" "$verb" --help
		[[ $output = "Usage: mx $verb"* ]]
	done
}

@test "a wrong command line of a verb is a usage error that names the option" {
	run -2 "$MX" run --nonsense a b
	[[ $output = "mx run: "*nonsense* ]]
	run -2 "$MX" run --leader nobody /bin/true /bin/true
	[[ $output = *nobody* ]]
	run -2 "$MX" run /bin/true
	[[ $output = *"mx help run"* ]]
	run -2 "$MX" syscalls --class nonsense
}

@test "the manual page knows each option of each verb, and no other" {
	for verb in $("$MX" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p'); do
		[ "$verb" = help ] && continue
		has=$("$MX" help "$verb" | grep -oE '(^|[ |[])--[a-z][a-z-]*' | tr -d ' |[' | sort -u)
		[ -n "$has" ]
		for option in $has; do
			sed 's/\\-/-/g' "$ROOT/docs/man/mx.1" | grep -qe "$option" || fail "mx.1 lacks $option"
		done
	done
	all=$("$MX" --help; "$MX" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p' | grep -vx help |
		while read -r verb; do "$MX" help "$verb"; done)
	while read -r option; do
		[ "$option" = --port ] && continue # of an example's program
		grep -qe "$option" <<<"$all" || fail "no verb has $option"
	done < <(sed 's/\\-/-/g' "$ROOT/docs/man/mx.1" | grep -oE -e '--[a-z][a-z-]+' | sort -u)
}

@test "mx --version" {
	run -0 "$MX" --version
	[[ $output =~ ^mx\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "output that cannot be written is an error" {
	run -1 sh -c "'$MX' --help >/dev/full"
	[[ $output = *"No space left"* ]]
}

@test "the programs need nothing of the image that they run in" {
	for program in mx mx-shim mx-hook; do
		[ -e "$BUILD/$program" ] || continue
		run -0 file -b "$BUILD/$program"
		[[ $output = *static-pie* || $output = *"statically linked"* ]]
		run readelf -lW "$BUILD/$program"
		[[ $output != *INTERP* ]]
		[[ $output != *"GNU_STACK"*"RWE"* ]]
	done
	run -0 file -b "$MX"
	[[ $output = *static-pie* ]]
}

@test "make install puts everything below DESTDIR" {
	run -0 make -s -C "$ROOT" BUILD="$BUILD" DESTDIR="$BATS_TEST_TMPDIR/dest" PREFIX=/usr install
	[ -x "$BATS_TEST_TMPDIR/dest/usr/bin/mx" ]
	[ -e "$BATS_TEST_TMPDIR/dest/usr/share/man/man1/mx.1" ]
	[ -e "$BATS_TEST_TMPDIR/dest/usr/share/bash-completion/completions/mx" ]
}

@test "the completion offers the verbs" {
	# shellcheck source=/dev/null
	source "$ROOT/completions/mx.bash"
	PATH=$BUILD:$PATH
	COMP_WORDS=(mx "") COMP_CWORD=1 COMPREPLY=()
	_mx
	[[ " ${COMPREPLY[*]} " = *" run "*"syscalls "* ]]
	COMP_WORDS=(mx syscalls --cl) COMP_CWORD=2 COMPREPLY=()
	_mx
	[ "${COMPREPLY[*]}" = --class ]
	COMP_WORDS=(mx run --sync "") COMP_CWORD=3 COMPREPLY=()
	_mx
	[ "${COMPREPLY[*]}" = "lockstep barrier stream" ]
	cd "$ROOT"
	COMP_WORDS=(mx run -- READM) COMP_CWORD=3 COMPREPLY=()
	_mx
	[ "${COMPREPLY[*]}" = README.md ]
}

@test "the manual page is without errors" {
	need man
	for page in "$ROOT"/docs/man/*.[1-8]; do
		run sh -c "LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l -Tutf8 -Z '$page' 2>&1 >/dev/null"
		[ -z "$output" ]
	done
}

@test "install-deps: an unknown group is refused, nothing missing is silent" {
	run -1 "$ROOT/scripts/install-deps" nonsense
	[[ $output = *"no group 'nonsense'"* ]]
	if "$ROOT/scripts/install-deps" -n build; then
		run -0 "$ROOT/scripts/install-deps" build
		[ -z "$output" ]
	fi
}

@test "run-tests: failure, death, silence and a short run are all failures" {
	cd "$BATS_TEST_TMPDIR"
	printf '#!/bin/sh\n%s\n' 'echo ok 1; echo ok 2; echo 1..2' >good
	printf '#!/bin/sh\n%s\n' 'echo ok 1; echo not ok 2; echo 1..2; exit 1' >bad
	printf '#!/bin/sh\n%s\n' 'echo ok 1; kill -SEGV $$' >dies
	printf '#!/bin/sh\n%s\n' 'exit 0' >silent
	printf '#!/bin/sh\n%s\n' 'echo ok 1; echo 1..2' >short
	printf '#!/bin/sh\n%s\n' 'echo ok 1; echo "ok 2 # SKIP why"; echo 1..2' >skips
	chmod +x good bad dies silent short skips
	run -0 "$ROOT/scripts/run-tests" "$PWD/good"
	[ "${lines[-1]}" = "2 passed, 0 failed" ]
	for name in bad dies silent short; do
		run -1 env TMPDIR="$BATS_TEST_TMPDIR" "$ROOT/scripts/run-tests" "$PWD/$name"
		[[ ${lines[-1]} =~ ^[01]\ passed,\ 1\ failed$ ]]
		[[ $output = *"again:"*"$PWD/$name"* ]]
	done
	run -0 "$ROOT/scripts/run-tests" "$PWD/skips"
	[ "${lines[-1]}" = "1 passed, 0 failed, 1 skipped" ]
}
