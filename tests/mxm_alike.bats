#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions of which one does more that nobody notices, or asks for the same in another form, run as
# one, with the rule named in the log; those that only look so are found out (tests/victims/alike.h).

load lib
load pairs

setup() {
	old=$(victim alike_old)
	new=$(victim alike_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "what was written is brought to the disk, in another way or not" {
	harmless sync syncs
}

@test "a name that is removed and is not there, a folder that is made and is" {
	harmless nothing-to-do nothing cleared
}

@test "the same name from the root, with dots and slashes; openat2" {
	harmless same-path paths
	harmless same-call opens
}

@test "bytes at a place, by pwrite and pwritev, pread and preadv; seeks after a read of less" {
	harmless pieces at-place behind at-once
}

@test "sleeps by poll and select; a process that is looked for" {
	harmless sleep naps
	harmless look there
}

@test "objects, devices and copies that one version alone has" {
	harmless own-descriptor own-pair own-memory own-null own-copy own-watch own-set own-timer
	harmless file-read own-image
}

@test "a handler that is set by signal or sigaction, with or without what it was before" {
	harmless same-call handled
}

@test "whose a descriptor is, where both make some" {
	harmless own-descriptor copies-before-set set-for-copy
}

@test "a seek to where the file is already" {
	local sync leader
	# A stream's leader may have closed the file before the follower comes to its own seek.
	for sync in lockstep barrier; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader" compare_native "$old" "$new" -- rewinds
			jq -e -s 'any(.event == "rule" and .rule == "position")' "$LOG" >/dev/null || fail "$(cat "$LOG")"
		done
	done
}

@test "many looks of one version before what both make" {
	harmless look many-looks
}

@test "harmful: names that lead elsewhere, or are there" {
	harmful x-path-up x-path-slash x-unlink x-cleared x-mkdir x-resolve x-link-text
}

@test "harmful: other bytes, another place, a copy that is written to, a device that refuses, a signal" {
	harmful x-bytes x-place x-copy x-copy-flags x-full x-kill x-handler
}
