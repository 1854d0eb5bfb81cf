#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two versions with a root of their own each: whose a descriptor is when its number passes from a file
# of one version's to one that both have, and back, and when another program is executed.

load lib

setup() {
	need busybox gcc jq
	[ "$(id -u)" = 0 ] || skip "needs root, for chroot(2)"
	LOG=$BATS_TEST_TMPDIR/events.log
	for v in old new; do
		mkdir -p "$BATS_TEST_TMPDIR/$v"/{bin,etc,data,proc,dev}
		cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/$v/bin/sh"
		ln -s sh "$BATS_TEST_TMPDIR/$v/bin/cat"
		echo $v >"$BATS_TEST_TMPDIR/$v/etc/version"
	done
	# What both have; a link would end in each one's own root.
	mount --bind "$BATS_TEST_TMPDIR/new/data" "$BATS_TEST_TMPDIR/old/data"
}

teardown() {
	umount -l "$BATS_TEST_TMPDIR/old/data" 2>/dev/null || :
}

# own PROGRAM ARGUMENT...
own() {
	cd /
	run mx_run --old-root "$BATS_TEST_TMPDIR/old" --new-root "$BATS_TEST_TMPDIR/new" --shared-path /data \
		"$1" "$1" -- "${@:2}"
	[ "$status" = 0 ] || fail "status $status: $output"
	assert_no_divergence
}

@test "after what went to a file of its own, output goes where it went, and once" {
	own /bin/sh -c 'echo 1 >/etc/mine; echo 2 >/data/both; echo 3 >>/etc/mine; echo 4 >>/data/both; echo 5'
	[ "$output" = 5 ] || fail "$output"
	[ "$(cat "$BATS_TEST_TMPDIR/new/data/both")" = $'2\n4' ] || fail "$(cat "$BATS_TEST_TMPDIR/new/data/both")"
	for v in old new; do
		[ "$(cat "$BATS_TEST_TMPDIR/$v/etc/mine")" = $'1\n3' ] || fail "$v"
	done
}

@test "a program that is executed reads and writes the files of its version that it is given" {
	own /bin/sh -c 'cat <&0 </etc/version >/etc/copy; exec >/etc/last; cat /etc/version; exec cat /etc/version'
	[ "$output" = '' ] || fail "$output"
	for v in old new; do
		[ "$(cat "$BATS_TEST_TMPDIR/$v/etc/copy")" = $v ] || fail "$v"
		[ "$(cat "$BATS_TEST_TMPDIR/$v/etc/last")" = $v$'\n'$v ] || fail "$v"
	done
}

@test "a file of its own that is closed in a range, and its number used for another" {
	cat >"$BATS_TEST_TMPDIR/range.c" <<-'C'
		#include <fcntl.h>
		#include <sys/syscall.h>
		#include <unistd.h>

		int main(void)
		{
			int own = open("/etc/version", O_RDONLY), both;

			if (own < 0 || syscall(SYS_close_range, own, ~0u, 0) < 0)
				return 1;
			both = open("/data/range", O_WRONLY | O_CREAT | O_APPEND, 0644);
			return both != own || write(both, "once\n", 5) != 5;
		}
	C
	gcc -O1 -static -o "$BATS_TEST_TMPDIR/new/bin/range" "$BATS_TEST_TMPDIR/range.c"
	cp "$BATS_TEST_TMPDIR/new/bin/range" "$BATS_TEST_TMPDIR/old/bin/range"
	own /bin/range
	[ "$(cat "$BATS_TEST_TMPDIR/new/data/range")" = once ] || fail "$(cat "$BATS_TEST_TMPDIR/new/data/range")"
}
