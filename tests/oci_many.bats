#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A hundred containers, eight at a time: none fails, and nothing is left of them.

# mx_flags is podman.bash's, and a test may change it for itself.
# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash

setup_file() {
	podman_setup
}

teardown_file() {
	podman_teardown
}

# What there is of mx's, of containers' mounts and control groups, and of processes.
leftovers() {
	find /run/mx -mindepth 2 2>/dev/null | wc -l
	grep -c -e "$BATS_FILE_TMPDIR.*merged" -e ' /run/mx/' /proc/self/mountinfo
	find /sys/fs/cgroup -type d -name 'libpod-*' 2>/dev/null | wc -l
	pgrep -cf '/\.mx/mx run' || :
}

many() {
	local runtime=$1 before after
	before=$(leftovers)
	# What a container wrote is read from its log: podman may come too late to a short one's socket.
	mkdir -p "$BATS_TEST_TMPDIR/logs"
	seq 100 | logs=$BATS_TEST_TMPDIR/logs xargs -P 8 -I '{}' sh -c '
		seen=$(podman --runtime "$0" run --rm --network none --name "many{}" --log-driver k8s-file \
			--log-opt "path=$logs/{}" "$@" test:new echo "I am {}" 2>&1)
		status=$? wrote=$(cut -d " " -f 4- "$logs/{}")
		[ $status = 0 ] && [ "$wrote" = "I am {}" ] ||
			{ echo "{}: status $status, wrote <$wrote>, podman showed <$seen>"; exit 1; }' "$runtime" "${mx_flags[@]}"
	after=$(leftovers)
	if [ "$before" != "$after" ]; then
		printf 'before:\n%s\nafter:\n%s\n' "$before" "$after"
		return 1
	fi
}

@test "a hundred containers with crun" {
	command -v crun >/dev/null || skip "no crun"
	many mx-crun
}

@test "a hundred containers with runc" {
	PATH=$PATH:/usr/sbin command -v runc >/dev/null || skip "no runc"
	many mx-runc
}
