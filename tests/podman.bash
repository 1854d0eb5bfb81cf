# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests that run containers: a podman of the test file's own, two images (test:old, test:new)
# with busybox, and mx-shim over each delegate. Needs root; a file skips its tests otherwise.

here=$(cd "${BATS_TEST_FILENAME%/*}" && pwd)
root=${here%/tests}
BUILD=$(realpath -m "${BUILD:-$root/build}")
# shellcheck source=scripts/podman-env
. "$root/scripts/podman-env"
# shellcheck source=scripts/ports
. "$root/scripts/ports"

# What podman_setup has found out, which runs in another process.
podman_env_recall() {
	# shellcheck source=/dev/null
	[ ! -e "${BATS_FILE_TMPDIR-}/podman-env" ] || . "$BATS_FILE_TMPDIR/podman-env"
}
podman_env_recall

# What makes a container one of two versions.
mx_flags=(--mount 'type=image,source=test:old,destination=/.mx/old' --annotation io.mx.old=/.mx/old)

# delegates: the OCI runtimes that are here, by name.
delegates() {
	local name
	for name in crun runc; do
		PATH=$PATH:/usr/sbin command -v "$name" >/dev/null && printf '%s\n' "$name"
	done
	return 0
}

# make_shim NAME JSON-FIELDS: a runtime called NAME, mx-shim with this mx.conf.
make_shim() {
	printf '{"log-dir": "%s/logs"%s}\n' "$shims" "${2:+, $2}" >"$shims/$1.conf"
	printf '#!/bin/sh\nexec %q --mx-conf=%q "$@"\n' "$BUILD/mx-shim" "$shims/$1.conf" >"$shims/$1"
	chmod 755 "$shims/$1"
}

# make_image NAME: busybox, an /etc of its own, and what later arguments do to the root.
make_image() {
	local dir=$BATS_FILE_TMPDIR/image.$1 applet name=$1
	shift
	mkdir -p "$dir"/{bin,etc,tmp,var,home,proc,sys,dev,run}
	cp /bin/busybox "$dir/bin/busybox"
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$dir/bin/$applet"
	done
	printf '%s\n' "$name" >"$dir/etc/version"
	printf 'root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n' >"$dir/etc/passwd"
	[ $# = 0 ] || (cd "$dir" && "$@")
	tar -C "$dir" -c . | podman import -q --change 'CMD ["/bin/sh"]' - "test:$name" >/dev/null
}

podman_setup() {
	local d extra=()

	[ "$(id -u)" = 0 ] || skip "needs root"
	command -v podman >/dev/null || skip "no podman"
	shims=$BATS_FILE_TMPDIR/shims
	export shims
	mkdir -p "$shims"
	# The hook is run from inside a user namespace, and rootless engines run the shim.
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$shims"
	for d in $(delegates); do
		make_shim "mx-$d" "\"delegate\": \"$(PATH=$PATH:/usr/sbin command -v "$d")\""
		extra+=("$shims/mx-$d")
	done
	for d in "$@"; do
		extra+=("$shims/$d")
	done
	# Engines wait for the disk a dozen times a container, which takes seconds each while other tests'
	# files are written back.
	mkdir "$BATS_FILE_TMPDIR/podman"
	mount -t tmpfs -o mode=0755 mx-test "$BATS_FILE_TMPDIR/podman"
	podman_env_up "$BATS_FILE_TMPDIR/podman" "${extra[@]}"
	declare -p podman_env_dir podman_env_run podman_env_hugetlb |
		sed 's/^declare --/declare -g/' >"$BATS_FILE_TMPDIR/podman-env"
	make_image old
	make_image new
}

podman_teardown() {
	podman_env_recall
	podman_env_down
	umount -l "$BATS_FILE_TMPDIR/podman" 2>/dev/null || :
}

# inspected CONTAINER: podman inspect without what is of one container alone (ids, times, places), and without
# what asks for two versions.
inspected() {
	podman inspect "$1" | jq -S '.[0] // empty | del(.Id, .Created, .Name, .OCIRuntime, .ExecIDs,
		.State.Pid, .State.ConmonPid, .State.StartedAt, .State.FinishedAt, .State.CgroupPath,
		.State.CheckpointedAt, .State.RestoredAt, .OCIConfigPath, .ResolvConfPath, .HostnamePath,
		.HostsPath, .StaticDir, .ConmonPidFile, .PidFile, .NetworkSettings, .LockNumber,
		.GraphDriver.Data, .Config.Hostname, .Config.CreateCommand, .HostConfig.PortBindings,
		.HostConfig.CgroupParent, .HostConfig.LogConfig.Path, .HostConfig.ContainerIDFile)
		| .Config.Annotations |= with_entries(select(.key | test("^io[.]mx[.]old|cri-o.Created$") | not))
		| .Config.Env |= (map(select(startswith("HOSTNAME=") | not)) | sort)
		| .Mounts |= map(select(.Destination != "/.mx/old"))
		| .HostConfig.Binds |= map(select(test("/.mx/old") | not))'
}

# remove CONTAINER: what podman does behind a container goes on when `podman run` has returned, and it cannot be
# removed until that is done.
remove() {
	local end=$((SECONDS + 10))
	until podman rm -f -t 0 --ignore "$1" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { podman rm -f -t 0 "$1"; return; }
		sleep 0.05
	done
}

# in_both DELEGATE PODMAN-ARGUMENT...: `podman run` alone and with two versions; output, exit status and what
# podman inspect tells must be the same.
in_both() {
	local d=$1 want want_status got got_status
	shift
	want_status=0
	want=$(podman --runtime "$d" run --name mx-both --log-driver=none "$@" 2>&1) || want_status=$?
	want+=$'\n'$(inspected mx-both)
	remove mx-both
	got_status=0
	got=$(podman --runtime "mx-$d" run --name mx-both --log-driver=none "${mx_flags[@]}" "$@" 2>&1) || got_status=$?
	got+=$'\n'$(inspected mx-both)
	remove mx-both
	# An error names the runtime and mx; what follows must be the same.
	got=${got//mx-$d: mx: new version: /$d: }
	got=${got//mx-$d: /$d: }
	if [ "$want" != "$got" ] || [ $want_status != $got_status ]; then
		printf 'podman run %s\n%s alone, status %d:\n%s\nwith mx-%s, status %d:\n%s\n' "$*" \
			"$d" $want_status "$want" "$d" $got_status "$got"
		return 1
	fi
}

# events CONTAINER: the event log, one name a line.
events() {
	"$shims/$1" log --json "$2" | jq -r .event
}

# nothing_left: no state and no mount of containers that are gone. Each leaves a log, by its id.
nothing_left() {
	local log left

	for log in "$shims"/logs/*.jsonl; do
		left=/run/mx/default/$(basename "$log" .jsonl)
		[ ! -e "$left" ] || { echo "$left is left"; return 1; }
	done
	left=$(awk -v dir="$podman_env_dir/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo)
	[ -z "$left" ] || { printf 'mounts are left:\n%s\n' "$left"; return 1; }
}
