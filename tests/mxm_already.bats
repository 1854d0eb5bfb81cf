#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What one version sets and is so already, and modes that come to the same under the umask, part no versions;
# what is set to something else does (tests/victims/already.h).

load lib
load pairs

setup() {
	old=$(victim already_old)
	new=$(victim already_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "a file's mode and owner that it has, a write of nothing" {
	harmless nothing-to-do chmod fchmod chown nothing
}

@test "ids, a process group, CPUs, a socket's option and backlog that are so" {
	harmless nothing-to-do ids group cpus linger listen
}

@test "a version that alone asks for its CPUs is told those that the program has" {
	harmless look cpus-asked
}

@test "a mode that differs in what the umask takes away" {
	harmless same-call mode mode-folder
}

@test "harmful: another mode, another option, another backlog, a group of its own, a byte" {
	harmful x-chmod x-fchmod x-chmod-both x-linger x-listen x-group x-something x-mode x-mode-folder
}
