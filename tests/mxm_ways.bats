#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Versions that ask the kernel for the same by other calls run as one, with the rule named in the log; those
# that only look so are found out (tests/victims/ways.h).

load lib
load pairs

setup() {
	old=$(victim ways_old)
	new=$(victim ways_new)
	LOG=$BATS_TEST_TMPDIR/events.log
}

@test "rename, link, symlink, chown, mknod, dup, setrlimit by their newer names" {
	harmless same-call names copies
}

@test "poll and ppoll, select and pselect6, poll and select, the epoll_waits" {
	harmless same-call polls selects poll-or-select epolls
}

@test "close-on-exec and O_NONBLOCK with the making of a descriptor, or afterwards" {
	harmless descriptor-flags cloexec nonblock-made nonblock-set fionbio
}

@test "a sleep more, a sleep less, a sleep by another name" {
	harmless sleep sleep-added sleep-dropped
	harmless same-call sleep-name
}

@test "memory of a version's own is no event, and no rule is needed" {
	MX_TEST_OPTIONS="--patience 10" compare_native "$old" "$new" -- memory
	[ "$(events rule)" = 0 ]
}

@test "a leader that is lost while the versions are apart: the descriptor is set as the other one asked" {
	for leader in old new; do
		rm -f "$LOG"
		RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --sync stream \
			--leader "$leader" --patience 10 "$old" "$new" -- "c-nonblock-$leader"
		[ "$(events crash)" = 1 ] || fail "$leader leads: $(cat "$LOG")"
		[ "$(events divergence)" = 0 ] || fail "$leader leads: $(cat "$LOG")"
		[ "$(cat "$BATS_TEST_TMPDIR/mx/stdout")" = $'-1 Resource temporarily unavailable\nend' ] ||
			fail "$leader leads: $(cat "$BATS_TEST_TMPDIR/mx/stdout" "$LOG")"
	done
}

@test "harmful: other names for other files, owners, limits, descriptors" {
	harmful x-renameat-to x-rename-exchange x-link-symlink x-setrlimit x-dup-from
}

@test "harmful: O_NONBLOCK that one never sets, sets too late, takes away, or not alone" {
	harmful x-nonblock-never x-nonblock-late x-nonblock-off x-append x-fionbio
}

@test "harmful: waits for more, forever or not at all, with another mask, for something else" {
	harmful x-poll-more x-poll-time x-poll-mask x-select-other x-epoll-time
}
