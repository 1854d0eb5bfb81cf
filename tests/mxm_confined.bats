#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The engine needs nothing that a container does not have: programs under `mx run` inside default
# podman, as a user without capabilities, in rootless podman, and in docker's default profile.

# delegates and shims are podman.bash's.
# shellcheck disable=SC2154

load podman.bash
load engines.bash

programs='sh bash cp sort grep sed mawk find tar gzip xz sqlite3 perl openssl ls wc tail sleep seq printf mkdir rm
cksum mktemp cmp head env cat'

# collect DIR: a root with these programs of this machine, and the libraries that they name.
collect() {
	local dir=$1 name path file
	mkdir -p "$dir"/{usr/bin,usr/lib,tmp,etc,proc,sys,dev,run,var/tmp}
	ln -s usr/bin "$dir/bin"
	ln -s usr/lib "$dir/lib"
	ln -s usr/lib64 "$dir/lib64"
	mkdir -p "$dir/usr/lib64"
	for name in $programs; do
		path=$(readlink -f "$(type -P "$name")") || return
		cp "$path" "$dir/usr/bin/$name"
		ldd "$path" | grep -o '/[^ ]*' | while read -r file; do
			[ -e "$dir$file" ] || install -D "$(readlink -f "$file")" "$dir$file"
		done
	done
	ln -s mawk "$dir/usr/bin/awk"
	chmod 1777 "$dir/tmp"
	cp "$BUILD/mx" "$dir/mx"
	cp "$here/mxm_inside.bash" "$dir/inside"
	printf 'root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n' >"$dir/etc/passwd"
	chmod -R a+rX "$dir"
}

setup_file() {
	podman_setup
	collect "$BATS_FILE_TMPDIR/root"
	tar -C "$BATS_FILE_TMPDIR/root" -cf "$BATS_FILE_TMPDIR/root.tar" .
	podman import -q "$BATS_FILE_TMPDIR/root.tar" localhost/programs:1 >/dev/null
}

teardown_file() {
	podman_teardown
}

teardown() {
	engines_down
}

agree() {
	"$@" /bin/sh /inside /mx >"$BATS_TEST_TMPDIR/out" 2>&1 || :
	cat "$BATS_TEST_TMPDIR/out"
	tail -n 1 "$BATS_TEST_TMPDIR/out" | grep -qx 'all 39 agree.*'
}

@test "podman's default profile, with each runtime" {
	local d
	for d in $(delegates); do
		agree podman --runtime "$d" run --rm --log-driver=none localhost/programs:1
	done
}

@test "a user without capabilities or new privileges" {
	local d
	for d in $(delegates); do
		agree podman --runtime "$d" run --rm --log-driver=none --user 1000 --cap-drop=all \
			--security-opt no-new-privileges localhost/programs:1
	done
}

@test "read-only, without a network" {
	agree podman run --rm --log-driver=none --read-only --tmpfs /tmp --network none localhost/programs:1
}

@test "rootless podman" {
	command -v newuidmap >/dev/null || skip "no newuidmap"
	rootless_up
	install -o "$rootless_uid" "$BATS_FILE_TMPDIR/root.tar" "$home"
	rootless podman import -q root.tar localhost/programs:1
	agree rootless podman run --rm --log-driver=none --network host localhost/programs:1
	rootless podman system migrate || :
	rootless podman unshare rm -rf "$home/graph" "$home/run"
}

@test "docker's default profile" {
	local dir=$BATS_TEST_TMPDIR/docker
	command -v dockerd >/dev/null || skip "no docker"
	mkdir -p "$dir"
	dockerd_up "$dir"
	docker import "$BATS_FILE_TMPDIR/root.tar" programs:1 >/dev/null
	agree docker run --rm --network none programs:1
	agree docker run --rm --network none --user 1000 --cap-drop=all --security-opt no-new-privileges programs:1
}
