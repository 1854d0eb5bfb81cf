#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two versions of a script: each reads its own, and what lies beside it, and both run as one.

# shellcheck disable=SC2034 # variables that lib.bash reads

load lib
load mxm

teardown() {
	stop_all
}

# script VERSION NAME: makes version old or new of a script, from standard input; "VERSION" in it is told apart.
script() {
	mkdir -p "$BATS_TEST_TMPDIR/$1"
	sed "s/VERSION/$1/" >"$BATS_TEST_TMPDIR/$1/$2"
	chmod 755 "$BATS_TEST_TMPDIR/$1/$2"
}

# scripts NAME: both versions of it run as one, by either way to them, and do what the new one does alone.
scripts() {
	local sync leader
	for sync in stream barrier lockstep; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader"
			compare_native "$BATS_TEST_TMPDIR/old/$1" "$BATS_TEST_TMPDIR/new/$1" -- numbers
			# As they are named from the folder that they run in.
			compare_native "../old/$1" "../new/$1" -- numbers
		done
	done
}

@test "two versions of a script, each with what lies beside it" {
	need python3 perl
	prepare() { seq 100 >numbers; }
	for v in old new; do
		script $v sh-app <<-'END'
			#!/bin/sh
			# VERSION
			. "${0%/*}/sh-part"
			twice "$1"; sort "$1" | head -n 2; (exit 3); echo $?
			HERE=${0%/*} "${0%/*}/sh-help" "$1"
		END
		script $v sh-help <<-'END'
			#!/bin/sh
			# VERSION
			[ -d "$HERE" ] && cat "$1" | wc -c
		END
		script $v sh-part <<-'END'
			# The VERSION way.
			twice() { wc -l <"$1"; wc -c <"$1" >counted; }
		END
		script $v bash-app <<-'END'
			#!/usr/bin/env bash
			note=VERSION
			mapfile -t lines <"$1"; echo "${#lines[@]}"; coproc cat; echo x >&"${COPROC[1]}"; read -r y <&"${COPROC[0]}"; echo "$y"
		END
		script $v py-app <<-'END'
			#!/usr/bin/python3 -B
			import os, subprocess, sys, part
			print(part.total(sys.argv[1]), subprocess.run(["wc", "-l", sys.argv[1]], capture_output=True).stdout)
			open("made", "w").write(os.path.basename(__file__))
		END
		script $v part.py <<-'END'
			note = "VERSION"
			def total(name): return sum(len(line) for line in open(name))
		END
		script $v pl-app <<-'END'
			#!/usr/bin/perl
			my $note = "VERSION";
			use FindBin; require "$FindBin::Bin/part.pl";
			print part($ARGV[0]), scalar(<DATA>);
			__DATA__
			the data
		END
		script $v part.pl <<-'END'
			# VERSION
			sub part { open my $f, "<", shift; my @all = <$f>; return scalar(@all) . "\n" } 1;
		END
	done
	# One is longer than the other.
	sed -i '2i # and one line more' "$BATS_TEST_TMPDIR"/new/{sh-app,bash-app,py-app,pl-app}
	for app in sh-app bash-app py-app pl-app; do
		scripts $app
	done
}

@test "a version that is a script does not come back: the other one's process has the other one's script" {
	need python3
	for v in old new; do
		script $v waits <<-'END'
			#!/usr/bin/python3
			note = "VERSION"
			import os, signal, sys
			print("ready", flush=True)
			sys.stdin.readline()
			print("end")
		END
	done
	cd "$BATS_TEST_TMPDIR"
	mkfifo in
	"$MX" run --log log old/waits new/waits <in >out &
	SERVER=$!
	started+=("$SERVER")
	exec 7>in
	wait_until 20 grep -q ready out
	kill -SEGV "$(version_pids | tail -n 1)"
	wait_until 20 grep -q '"event":"recovery-refused"' log
	grep -q 'the versions are scripts' log
	echo go >&7
	exec 7>&-
	wait "$SERVER"
	[ "$(cat out)" = $'ready\nend' ]
}

@test "a script that executes a program is one no more: that comes back" {
	local v
	for v in old new; do
		script $v starts <<<$'#!/bin/sh\n# VERSION\nexec cat'
	done
	cd "$BATS_TEST_TMPDIR"
	mkfifo in
	"$MX" run --log log old/starts new/starts <in >out &
	SERVER=$!
	started+=("$SERVER")
	exec 7>in
	echo one >&7
	wait_until 20 grep -q one out
	kill -SEGV "$(version_pids | tail -n 1)"
	wait_until 20 grep -q '"event":"recovered"' log
	echo two >&7
	exec 7>&-
	wait "$SERVER"
	[ "$(cat out)" = $'one\ntwo' ]
}

@test "two versions of a script that do not do the same are found out" {
	for v in old new; do
		script $v says <<<$'#!/bin/sh\necho VERSION'
		script $v writes <<<$'#!/bin/sh\necho x >"${0%/*}/out"'
		script $v reads <<<$'#!/bin/sh\ncat other-VERSION'
		echo $v >"$BATS_TEST_TMPDIR/other-$v"
	done
	cd "$BATS_TEST_TMPDIR"
	for app in says writes reads; do
		"$MX" run --log log old/$app new/$app || :
		grep -q '"event":"divergence"' log || fail "$app: $(cat log)"
		rm log
	done
}
