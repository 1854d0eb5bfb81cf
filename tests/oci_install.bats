#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# make install, what podman finds of it, and the examples.

# mx_flags is podman.bash's.
# shellcheck disable=SC2154

load podman.bash

setup_file() {
	podman_setup
	export inst=$BATS_FILE_TMPDIR/inst
	make -s -C "$root" BUILD="$BUILD" DESTDIR="$inst" PREFIX=/usr install >"$BATS_FILE_TMPDIR/install.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/install.log" >&3
		return 1
	}
	# podman as it would be with the files in place.
	sed "s|/usr/|$inst/usr/|g" "$inst/etc/containers/containers.conf.d/mx.conf" | grep -A 1 'engine.runtimes' |
		tail -n 1 >>"$BATS_FILE_TMPDIR/podman/containers.conf"
	mkdir -p "$inst/hooks"
	sed "s|/usr/|$inst/usr/|g" "$inst/etc/containers/oci/hooks.d/mx-hook.json" >"$inst/hooks/mx-hook.json"
}

teardown_file() {
	podman_teardown
}

@test "everything is there" {
	local file
	for file in usr/bin/mx usr/bin/mx-shim usr/libexec/mx/mx-hook usr/share/man/man8/mx-shim.8 \
		usr/share/man/man8/mx-hook.8 usr/share/man/man5/mx.conf.5 etc/containers/containers.conf.d/mx.conf \
		etc/containers/oci/hooks.d/mx-hook.json usr/share/doc/mx/examples/kubernetes/pod.yaml; do
		[ -s "$inst/$file" ] || { echo "no $file"; return 1; }
	done
}

@test "manual pages have no faults" {
	local page
	for page in "$inst"/usr/share/man/man*/*; do
		[ -z "$(man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)" ]
	done
}

@test "the installed shim finds the engine and the hook" {
	[ "$(podman --runtime mx-shim run --rm "${mx_flags[@]}" test:new cat /etc/version /.mx/root/etc/version)" = $'new\nold' ]
	"$inst/usr/bin/mx-shim" --version | head -n 1 | grep -x "mx-shim version [0-9.]*"
}

@test "with hooks.d the hook runs once, and is an error under another runtime" {
	[ "$(podman --hooks-dir "$inst/hooks" --runtime mx-shim run --rm "${mx_flags[@]}" test:new cat /etc/version)" = new ]
	run podman --hooks-dir "$inst/hooks" --runtime runc run --rm "${mx_flags[@]}" test:new true
	[ "$status" != 0 ]
	[[ "$output" = *"asks for MX, but its runtime is not mx-shim"* ]]
	# Others are left alone.
	[ "$(podman --hooks-dir "$inst/hooks" --runtime runc run --rm test:new echo fine)" = fine ]
}

@test "examples/podman/run.sh" {
	[ "$(PODMAN_OPTIONS=--rm "$root/examples/podman/run.sh" test:old test:new cat /etc/version)" = new ]
	run "$root/examples/podman/run.sh"
	[ "$status" = 2 ]
}

@test "examples are well-formed" {
	local file
	for file in "$root"/examples/docker/*.json "$root"/examples/docker/*.conf; do
		jq . "$file" >/dev/null
	done
	python3 -c 'import sys, tomllib; [tomllib.load(open(f, "rb")) for f in sys.argv[1:]]' \
		"$root"/examples/containerd/config.toml "$root"/examples/cri-o/*.conf
}

@test "features, --version, list, spec, state" {
	local shim=$inst/usr/bin/mx-shim
	[ "$("$shim" features | jq -r '.hooks[0], .annotations["io.mx.version"]' | head -n 1)" = prestart ]
	"$shim" --version | sed -n 2p | grep -E '^(crun|runc) version'
	(cd "$BATS_TEST_TMPDIR" && "$shim" spec && jq -e .process config.json >/dev/null)
	"$shim" list >/dev/null
	run "$shim" state no-such-container
	[ "$status" != 0 ]
	run "$shim" log no-such-container
	[ "$status" = 1 ]
	[ "$output" = "container no-such-container has no event log here" ]
	run "$shim" log ../../etc/passwd
	[ "$status" = 1 ]
	[[ "$output" = *"is no container id" ]]
}
