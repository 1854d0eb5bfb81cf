#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions that were built with different C libraries make their processes and threads in other ways:
# these run as one; a mask that stays different, or a child of another kind, is found out
# (tests/victims/libcs.h).

load lib
load pairs

setup() {
	old=$(victim libcs_old)
	new=$(victim libcs_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "signals that are blocked around a fork by one version" {
	harmless signal-mask fork-masked fork-masked-twice fork-within-mask
}

@test "signals that are blocked before a thread's exit by one version" {
	harmless signal-mask exit-masked
}

@test "signals that are blocked around a look at a handler by one version" {
	harmless signal-mask handler-masked
}

@test "a look by the name of a call that changes something, and right before it" {
	harmless look look-before
}

@test "the library's own signals, a mask that is set to what it is" {
	harmless signal-mask own-handler mask-as-it-is
}

@test "handlers with another stack and another form; what nobody handles" {
	local sync leader
	for sync in lockstep barrier stream; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader" compare_native "$old" "$new" -- handler-form
		done
	done
}

@test "a mask that one version sets in a thread that does nothing but nap from then on" {
	local sync
	# Where the old version leads, its naps are passed over, and the end may come before the mask.
	for sync in lockstep barrier stream; do
		MX_TEST_OPTIONS="--sync $sync --leader old --patience 10" compare_native "$old" "$new" -- napping-thread
		MX_TEST_OPTIONS="--sync $sync --leader new --patience 10" compare_native "$old" "$new" -- napping-thread
		jq -e -s 'any(.event == "rule" and .rule == "signal-mask")' "$LOG" >/dev/null || fail "$sync: $(cat "$LOG")"
	done
}

@test "clone, clone3 and fork" {
	harmless same-call fork-names
}

@test "harmful: a mask that stays different, in the parent, in the child, or without a fork" {
	harmful x-mask x-mask-stays x-child-mask x-handler x-restarts
}

@test "harmful: a child that shares other things, has another parent, or ends with another signal" {
	harmful x-shares-files x-parent x-exit-signal
}
