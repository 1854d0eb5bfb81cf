#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions that move the same bytes as messages, wait for children, set timers, name files and close
# descriptors by other calls, or set for themselves what they set back, run as one, with the rule named
# in the log; those that only look so are found out (tests/victims/otherwise.h).

load lib
load pairs

setup() {
	old=$(victim otherwise_old)
	new=$(victim otherwise_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "the same bytes by sendmsg and recvmsg, with flags that make no difference" {
	harmless pieces stream datagrams
	harmless look peeks
}

@test "more of the answer, or less: who is accepted, room for events and descriptors" {
	harmless same-call accepts rooms
}

@test "children by wait, waitpid, waitid, wait4" {
	harmless wait waits
}

@test "signals to itself, alarms, files by name and by descriptor, vectors" {
	harmless same-call signals alarms vectors
	# In a stream the leader's agent may have closed a file before the follower uses it otherwise.
	MODES='lockstep barrier' harmless same-call by-name
}

@test "what is set, and set back: sigaction, umask, limits; memory of its own" {
	harmless setting action creation limit
	harmless own-memory own-memory
}

@test "seeks by other words, files mapped or read while agents are at work, sleeps until a time" {
	harmless position seeks
	harmless file-read read-more
	harmless sleep until
	MODES='lockstep barrier' harmless file-read mapped
	MODES='lockstep barrier' harmless look looks
}

@test "descriptors closed in another order, or many at once" {
	harmless reorder close-order
	harmless closed-already close-many
}

again() {
	old=$(victim again_old)
	new=$(victim again_new)
	"$@"
}

@test "what is set already, a file that is there, places that ask for nothing, another while" {
	again harmless nothing-to-do own options creation
	again harmless same-call places
	again harmless sleep patience
}

@test "one file more at the start, hundreds of looks before both make the same socket" {
	local sync leader
	for sync in lockstep barrier stream; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader --patience 10" \
				compare_native "$(victim again_old)" "$(victim again_new)" -- starts
		done
	done
}

@test "harmful: options, places and priorities that change; files made or emptied; more to wait for, or forever" {
	again harmful x-option x-option-off x-option-flush x-option-size x-flags x-elsewhere x-nicer x-creates x-empties x-more x-forever
}

@test "harmful: other bytes, lengths, flags, descriptors in the message, another address, another socket" {
	harmful x-message-bytes x-message-length x-message-rights x-message-flags x-message-to x-message-socket
	harmful x-peek
}

@test "harmful: another child, one that is kept, one more; another signal, another time" {
	harmful x-wait-other x-wait-kept x-wait-never x-raise x-alarm-later x-alarm-again x-alarm-other
}

@test "harmful: settings that are kept, met by what they are about, not quite set back" {
	harmful x-action-kept x-action-met x-action-flags x-umask-kept x-umask-used x-limit-kept
}

@test "harmful: another file, mode, length, place; more closed, or less" {
	harmful x-chmod-other x-chmod-mode x-truncate x-seek-end x-close-more x-close-fewer
}
