#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx compare: what it foresees is what mx run then does.

load lib

OLD=$VICTIMS/differ_old
NEW=$VICTIMS/differ_new

# compare ARGS...: the comparison in $json; $status is mx compare's.
compare() {
	status=0
	timeout 120 "$MX" compare --no-recovery --json "$@" >"$BATS_TEST_TMPDIR/compare.json" || status=$?
	json=$BATS_TEST_TMPDIR/compare.json
	jq -e . "$json" >/dev/null
}

field() {
	jq -r ".$1" "$json"
}

# really CASE: "together" or "apart", as mx run does it; its standard output is a pipe, as in compare.
really() {
	local dir=$BATS_TEST_TMPDIR/$1
	mkdir "$dir"
	(
		cd "$dir" || exit
		LOG=$dir/log
		mx_run "$OLD" "$NEW" -- "$1" </dev/null 2>&1 | cat >/dev/null
	)
	if jq -se 'any(.[].event; IN("divergence", "discarded", "crash", "unsupported-syscall"))' \
		"$dir/log" >/dev/null; then
		echo apart
	else
		echo together
	fi
}

# The rules that mx run told of.
rules_used() {
	jq -r 'select(.event == "rule").rule' "$BATS_TEST_TMPDIR/$1/log" | sort -u
}

# agree CASES...: compare's verdict and the run's are the same, and so are the rules.
agree() {
	local what seen rule
	for what; do
		compare "$OLD" "$NEW" -- "$what"
		seen=$(really "$what")
		if [ "$status" = 0 ]; then
			[ "$seen" = together ] || fail "$what: foreseen $(field verdict), but they part"
		else
			[ "$status" = 1 ] && [ "$seen" = apart ] || fail "$what: foreseen $(field verdict), but $seen"
		fi
		[ "$seen" = together ] || continue
		for rule in $(jq -r '[.differences[].rules[]] | unique[]' "$json"); do
			rules_used "$what" | grep -qx "$rule" || fail "$what: $rule was foreseen and not used"
		done
	done
}

@test "differences that rules cover are foreseen, with the rules" {
	agree ids urandom getrandom limits stat-first proc flags descriptor-state at-calls dup3 pipe2 sigaction-query
}

@test "the same bytes in other pieces are foreseen" {
	agree read-large read-small writev write-pieces write-whole write-across file-pieces pipe sendto
}

@test "calls in another order are foreseen" {
	agree signals-order options-order x-options-order
}

@test "what parts the versions is foreseen: what they write, and where" {
	agree x-bytes x-more x-less x-late-byte x-order x-swap x-descriptor x-twice x-datagrams
}

@test "what parts the versions is foreseen: files, options, processes, ends" {
	agree x-unlink x-file x-truncate x-mode x-rename x-mkdir x-kill x-option x-umask x-chdir x-socket \
		x-seek x-fork x-flags x-protocol x-exit x-random-write
}

@test "a version against itself is identical, with threads and children" {
	for victim in threads births pipes signals ids; do
		compare "$VICTIMS/$victim" "$VICTIMS/$victim" --
		[ "$status" = 0 ] || fail "$victim: $(field forecast)"
		[ "$(field distance_of_calls)" = 0 ] || fail "$victim: $(field distance_of_calls) calls"
	done
}
