#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions of which one asks once more and finds nothing, says farewell to a descriptor before it closes it,
# or closes a file at another moment, run as one, with the rule named in the log; those that only look so are
# found out (tests/victims/asides.h).

load lib
load pairs

setup() {
	old=$(victim asides_old)
	new=$(victim asides_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "one more read, accept, epoll_wait, SO_ERROR, which finds nothing" {
	harmless nothing-found drained accepted asked
}

@test "one more wait, that does not wait, where there is no child, or none that has ended" {
	harmless wait reaped
}

@test "taken out of a set, shut down, unlocked, right before the close that does it too" {
	harmless before-close left-set shut-down unlocked
}

@test "a file is closed before what else is done, or after it" {
	harmless reorder closed
}

@test "signals are blocked around a few calls" {
	harmless signal-mask masked
}

@test "harmful: signals blocked for long, for good, in a wait, where one comes" {
	harmful x-masked-long x-masked-kept x-masked-wait x-masked-poll x-masked-signal
}

@test "a program is executed by vfork or posix_spawn in one version, and by fork in the other" {
	harmless same-call vforked spawned
	# Where the leader forks, the child of the other has memory of its own, which it cannot end with.
	LEADERS=new harmless same-call unexecuted
}

@test "harmful: another program, another argument, another status, memory that the child changes" {
	harmful x-vfork-program x-spawn-word x-vfork-stays
	LEADERS=new harmful x-vfork-status x-vfork-memory
}

@test "a child by vfork that has memory of its own cannot end without a program, and its version does not go on" {
	local what
	cd "$BATS_TEST_TMPDIR" || return
	for what in x-vfork-memory x-vfork-status; do
		rm -f "$LOG"
		run -0 "$MX" run --log "$LOG" --leader old --prefer new "$old" "$new" -- "$what"
		[ "$output" = "$("$old" "$what")" ] || fail "$output"
		jq -e -s 'any(.event == "divergence" and .let_go == "new" and .lacks_memory)' "$LOG" >/dev/null ||
			fail "$(cat "$LOG")"
	done
}

@test "a folder's entries, with more room at once, or with less" {
	harmless pieces folders
}

@test "harmful: fewer entries, no room for any" {
	harmful x-folder-less x-folder-room
}

@test "harmful: bytes, connections, events, errors, children that one version takes" {
	harmful x-drains x-accepts x-ready x-error x-reaps
}

@test "harmful: shut down, taken out or unlocked while others have it, or without a close" {
	harmful x-shutdown x-shutdown-copied x-shutdown-passed x-deletes x-deletes-copied x-unlocks-copied
}

@test "harmful: closes that are seen, or of what the other one writes to" {
	harmful x-close-socket x-close-locked x-close-written
}
