#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is made under a random name gets the one that the leader made up, in both versions; a name that means something
# is compared as it is (tests/victims/named.h).

load lib
load pairs

setup() {
	old=$(victim named_old)
	new=$(victim named_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "a file, a folder, a FIFO, a link under a random name, which then takes its place" {
	harmless temporary-name file letters folder fifo symlink link
}

@test "harmful: names that differ in a number, a word, a date, a release, and what a link leads to" {
	harmful x-number x-word x-date x-release x-target
}
