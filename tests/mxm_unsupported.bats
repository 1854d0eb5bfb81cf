#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the table does not know is refused in the open: an event, one version less, and the program
# goes on as it would alone. What the table refuses is refused for every version.

load lib
load mxm

setup() {
	program=$(victim unknown)
	LOG=$BATS_TEST_TMPDIR/events.log
	cd "$BATS_TEST_TMPDIR" || return
}

@test "a call number that has no row" {
	for leader in old new; do
		for sync in stream barrier lockstep; do
			rm -f "$LOG"
			run -4 mx_run --leader $leader --sync $sync "$program" "$program" -- 9999
			[ "$output" = "$("$program" 9999)" ]
			only_events unsupported-syscall discarded
			[[ $(event_field unsupported-syscall call) = *9999* ]]
			[ -n "$(event_field unsupported-syscall reason)" ]
			[ "$(event_field discarded leader)" = $leader ]
		done
	done
}

@test "an ioctl that no table knows" {
	run -4 mx_run "$program" "$program" -- 0 0x12345678
	[ "$output" = "$("$program" 0 0x12345678)" ]
	only_events unsupported-syscall discarded
	[[ $(event_field unsupported-syscall call) = *"ioctl("*", 0x12345678"* ]]
}

@test "another PID namespace" {
	unshare -pf true 2>/dev/null || skip "no PID namespaces here"
	for leader in old new; do
		rm -f "$LOG"
		run -7 mx_run --leader $leader "$(command -v unshare)" "$(command -v unshare)" -- -pf \
			sh -c 'echo $$; (exit 2); echo $?; true & wait; exit 7'
		[ "$output" = 1$'\n'2 ]
		only_events unsupported-syscall discarded
		[[ $(event_field unsupported-syscall call) = *CLONE_NEWPID* ]]
	done
}

@test "a program whose children are born into another PID namespace is not copied to come back" {
	unshare -p true 2>/dev/null || skip "no PID namespaces here"
	run -0 sh -c "(sleep 1; echo on) | '$MX' run --log '$LOG' '$(command -v unshare)' \
		'$(command -v unshare)' -- -p sh -c 'read -r x; sh -c \"echo \$x\"'"
	[ "$output" = on ]
	only_events unsupported-syscall discarded
	[[ $(event_field recovery-refused reason) = *"another namespace" ]] ||
		[ "$(event_field recovery-refused reason)" = "the program ended before" ]
}

@test "io_uring and aio are ENOSYS for both, so that programs fall back" {
	for nr in 425 426 427 206 209; do
		rm -f "$LOG"
		run -4 mx_run "$program" "$program" -- $nr
		[[ $output = "-1 Function not implemented"* ]]
		assert_no_divergence
	done
}

@test "an error that is not an older kernel's is told, once: ptrace" {
	run -4 mx_run "$program" "$program" -- 101
	[[ $output = "-1 Operation not permitted"* ]]
	assert_no_divergence
	[ "$(events refused-syscall)" = 1 ]
	[[ $(event_field refused-syscall text) = "ptrace("*") = -1 EPERM: "*tracer* ]]
}

# program_of_32_bits FILE: exit(42), for i386.
program_of_32_bits() {
	local header='\x7fELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0\x54\x80\4\x08\x34\0\0\0\0\0\0\0\0\0\0\0'
	local sizes='\x34\0\x20\0\1\0\0\0\0\0\0\0'
	local segment='\1\0\0\0\0\0\0\0\0\x80\4\x08\0\x80\4\x08\x60\0\0\0\x60\0\0\0\5\0\0\0\0\x10\0\0'
	local code='\xb8\1\0\0\0\xbb\x2a\0\0\0\xcd\x80'

	printf "$header$sizes$segment$code" >"$1"
	chmod 755 "$1"
}

@test "a program of 32 bits is refused as by a kernel without them: as OLD, as a child, for a script" {
	need python3
	local leader sync python
	python=$(command -v python3)
	program_of_32_bits p
	printf '#!%s\n' "$PWD/p" >script
	chmod 755 script
	run ./p
	# A kernel that has no such programs refuses it by itself.
	[ "$status" = 42 ] || [ "$status" = 126 ]
	run -126 --separate-stderr "$MX" run "$PWD/p" "$PWD/p" --
	[[ $stderr = *"old version"*"not an x86-64 ELF program"* ]]
	for leader in old new; do
		for sync in stream barrier lockstep; do
			rm -f "$LOG"
			run -0 mx_run --leader $leader --sync $sync "$python" "$python" -- -c '
import os
for p in "./script", "./p":
    try: os.execv(p, [p])
    except OSError as e: print(e.strerror)'
			[ "$output" = "Exec format error"$'\n'"Exec format error" ] || fail "$output"
			only_events
			[ "$(events refused-syscall)" = 1 ]
			[[ $(event_field refused-syscall text) = "execve("*") = -1 ENOEXEC: "* ]]
		done
	done
}

@test "one version alone makes the unknown call: a divergence, or the event; the other goes on" {
	printf 'a\nb\nc\n' >in
	for leader in old new; do
		rm -f "$LOG"
		run mx_run --leader $leader --prefer old "$(victim lines_old)" "$(victim lines_new)" -- \
			2 unknown <in
		[ "$status" = 5 ]
		[ "${lines[*]}" = "1 a 2 b 3 c" ]
		[ "$(events unsupported-syscall)" -ge 1 ] || [ "$(events divergence)" -ge 1 ]
	done
}

@test "mx syscalls: how many are supported, and why the others are not" {
	run -0 sh -c "'$MX' syscalls --json | jq '[.calls[] | select(.class | IN(\"local\", \"mirrored\",
		\"shared\", \"process\", \"by-operation\"))] | length'"
	[ "$output" -ge 330 ] || fail "$output"
	run -0 sh -c "'$MX' syscalls --json | jq -r '.calls[] | select((.class | IN(\"refused\",
		\"unsupported\")) and ((.reason // \"\") == \"\")) | .name'"
	[ -z "$output" ] || fail "without a reason: $output"
}
