#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions of which one waits until a descriptor is ready before it uses it, or waits by another call, run as one,
# with the rule named in the log; those that only look so are found out (tests/victims/awaited.h).

load lib
load pairs

setup() {
	old=$(victim awaited_old)
	new=$(victim awaited_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "a wait before a read, a write, an accept, in one version" {
	harmless ready-first first
}

@test "poll in one version, an epoll set of its own in the other, with waits that find nothing" {
	harmless ready-first sets
}

@test "harmful: a wait without an end, for nothing, before other bytes, for another descriptor" {
	harmful x-forever x-unused x-bytes x-other
}
