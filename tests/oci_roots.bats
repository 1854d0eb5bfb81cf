#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The old version's root: what it shares with the container, what it has of its own, and that no link
# in an image leads out of it. The tests look through /.mx/root, where the old root is mounted.

# mx_flags is podman.bash's, and a test may change it for itself.
# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash

setup_file() {
	podman_setup
}

teardown_file() {
	podman_teardown
}

# in_mx DELEGATE PODMAN-ARGUMENT...
in_mx() {
	local d=$1
	shift
	podman --runtime "mx-$d" run --rm "${mx_flags[@]}" "$@" 2>&1
}

# with_old DIR: the old image is this folder.
with_old() {
	mx_flags=(-v "$1:/.mx/old:ro" --annotation io.mx.old=/.mx/old)
}

# evil NAME COMMAND...: a copy of the old image, changed by the command inside it.
evil() {
	local dir=$BATS_TEST_TMPDIR/$1
	shift
	chmod 755 "$BATS_TEST_TMPDIR"
	cp -a "$BATS_FILE_TMPDIR/image.old" "$dir"
	(cd "$dir" && "$@")
	with_old "$dir"
}

@test "each version has its own files" {
	local d
	for d in $(delegates); do
		[ "$(in_mx "$d" test:new cat /etc/version /.mx/root/etc/version)" = $'new\nold' ]
	done
}

@test "shared paths, volumes and the kernel's places are the same for both" {
	local d
	for d in $(delegates); do
		run in_mx "$d" --tmpfs /scratch -v "$BATS_FILE_TMPDIR/image.new:/data/deep:ro" test:new sh -c '
			for p in /tmp /var /run /home /scratch /proc/1 /dev/null /etc/hosts /etc/resolv.conf /data/deep; do
				[ "$(stat -c %d:%i $p)" = "$(stat -c %d:%i /.mx/root$p)" ] || echo "$p differs"
			done
			echo x >/var/seen; cat /.mx/root/var/seen; echo y >/.mx/root/scratch/seen; cat /scratch/seen'
		[ "$output" = $'x\ny' ]
	done
}

@test "the flags of every mount are those that it has in the container" {
	local d option other
	for d in $(delegates); do
		for option in --read-only=false --read-only=true; do
			run in_mx "$d" "$option" --tmpfs /tmp -v "$BATS_FILE_TMPDIR:/data:ro" \
				-v "$BATS_FILE_TMPDIR:/var/v:ro,nosuid,noexec" test:new sh -c '
				awk "{print \$5, \$6}" /proc/self/mountinfo | sort >/tmp/all
				grep "^/.mx/root/" /tmp/all | sed "s|^/.mx/root||" | sort >/tmp/old
				grep -vE "^/(\.mx| )" /tmp/all >/tmp/new
				diff /tmp/new /tmp/old | grep "^[-+]/"
				test "$(wc -l </tmp/old)" -gt 10 && echo compared'
			printf '%s %s:\n%s\n' "$d" "$option" "$output"
			[ "${lines[-1]}" = compared ]
			# / itself is an overlay of its own; shared folders are mounts only in the old root; the
			# folder that holds the cgroup mounts may be stricter.
			other=$(printf '%s\n' "$output" | grep -vE '^-/ |^[+]/(run|var|home) |^[-+]/sys/fs/cgroup r|^compared$' || :)
			[ -z "$other" ]
			if [ "$option" = --read-only=true ]; then
				[ -z "$(printf '%s\n' "$output" | grep -E '^[+]/(var|home) rw' || :)" ]
			fi
		done
	done
}

@test "masked and read-only paths of /proc and /sys are so in the old root, too" {
	local d
	for d in $(delegates); do
		run in_mx "$d" test:new sh -c '
			for p in /proc/keys /proc/timer_list /proc/acpi /sys/firmware; do
				[ -e $p ] || continue
				[ "$(cat $p 2>/dev/null | wc -c) $(ls $p | wc -l)" = "$(cat /.mx/root$p 2>/dev/null | wc -c) $(ls /.mx/root$p | wc -l)" ] || echo "$p"
			done
			for p in /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do
				echo x 2>/dev/null >/.mx/root$p && echo "$p is writable"
			done
			echo done'
		[ "$output" = "done" ]
	done
}

@test "what the old version writes to its own files stays out of both images" {
	local d
	for d in $(delegates); do
		run in_mx "$d" test:new sh -c 'echo mine >/.mx/root/etc/version; cat /etc/version /.mx/root/etc/version /.mx/old/etc/version'
		[ "$output" = $'new\nmine\nold' ]
	done
}

@test "nothing below /.mx but the state folder can be written" {
	local d
	for d in $(delegates); do
		run in_mx "$d" test:new sh -c 'for p in /.mx /.mx/config /.mx/old; do touch $p/x 2>/dev/null && echo $p; done; echo x 2>/dev/null >>/.mx/mx && echo mx; touch /.mx/state/x && echo state'
		[ "$output" = state ]
	done
}

@test "the state folder is small, and only the container's user's" {
	local d
	make_shim mx-crun '"state-size": 1048576'
	run in_mx crun test:new sh -c 'dd if=/dev/zero of=/.mx/state/x bs=64k count=100 2>&1 | grep -c "No space"'
	make_shim mx-crun ''
	[ "$output" = 1 ]
	for d in $(delegates); do
		[ "$(in_mx "$d" --user 1000 test:new stat -c '%a %u' /.mx/state)" = '700 1000' ]
	done
}

@test "--shared-paths of one's own" {
	local d
	for d in $(delegates); do
		run in_mx "$d" --annotation io.mx.shared-paths=/tmp:/opt/data test:new sh -c '
			echo x >/opt/data/f && cat /.mx/root/opt/data/f
			[ "$(stat -c %d:%i /var)" = "$(stat -c %d:%i /.mx/root/var)" ] || echo private'
		[ "$output" = $'x\nprivate' ]
	done
}

@test "an old image whose shared path is a link to its root" {
	local d
	evil links sh -c 'rm -r tmp; ln -s / tmp'
	for d in $(delegates); do
		run in_mx "$d" test:new true
		[ "$status" = 126 ]
		[[ "$output" = *"old image: /tmp is a link to its root"* ]]
	done
}

@test "links that climb out of the old image end in it" {
	local d
	evil climb sh -c 'rm -r tmp; ln -s ../../../../../../etc tmp'
	for d in $(delegates); do
		run in_mx "$d" test:new sh -c 'echo x >/tmp/mark; ls /.mx/root/etc; ls /etc/mark'
		[[ "$output" = *mark* ]]
		[ ! -e /etc/mark ]
	done
}

@test "a link of /proc that leads out of the old image is refused" {
	local d
	evil magic sh -c 'rm -r home; ln -s /proc/1/root home'
	for d in $(delegates); do
		run in_mx "$d" test:new true
		[ "$status" = 126 ]
		[[ "$output" = *"old image: /home: Too many levels of symbolic links"* ]]
	done
}

@test "a link in place of a file that is mounted over makes nothing outside" {
	local d
	evil file ln -s "/../../../..$BATS_TEST_TMPDIR/made" etc/hostname
	for d in $(delegates); do
		run in_mx "$d" test:new true
		[ "$status" != 0 ]
		[[ "$output" = *"/etc/hostname: is a link that leads nowhere"* ]]
		[ ! -e "$BATS_TEST_TMPDIR/made" ]
	done
}

@test "a new image whose shared path is a link to its root" {
	local d
	make_image links sh -c 'rm -r tmp; ln -s / tmp'
	for d in $(delegates); do
		run in_mx "$d" test:links true
		[ "$status" = 126 ]
		[[ "$output" = *"new image: /tmp is a link to its root"* ]]
	done
}

@test "a folder in one image and a file in the other" {
	local d
	evil kinds sh -c 'rm -r home; echo x >home'
	for d in $(delegates); do
		run in_mx "$d" test:new true
		[ "$status" != 0 ]
		[[ "$output" = *"/home is a folder in one image and a file in the other"* ]]
	done
}

@test "the two libraries of the two images" {
	local d
	# A file of the same name in the library folder, different in each.
	make_image libs-old sh -c 'mkdir -p lib; echo old >lib/own'
	make_image libs-new sh -c 'mkdir -p lib; echo new >lib/own'
	mx_flags=(--mount 'type=image,source=test:libs-old,destination=/.mx/old' --annotation io.mx.old=/.mx/old)
	for d in $(delegates); do
		[ "$(in_mx "$d" test:libs-new cat /lib/own /.mx/root/lib/own)" = $'new\nold' ]
	done
}
