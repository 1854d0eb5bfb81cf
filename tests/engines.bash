# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Container engines of a test's own: a user for rootless podman, and a daemon. Both are gone after
# the test, if its teardown calls engines_down.

# podman_env_dir and podman_env_run are podman.bash's.
# shellcheck disable=SC2154

daemon='' rootless_name='' rootless_uid='' home=''

# A user for the time of the test, with ids of its own to map, in a home where that user can get to:
# the folders of a test run are root's alone.
rootless_up() {
	local name=mxtest$$

	useradd --no-create-home --home-dir /nonexistent "$name" || return
	rootless_name=$name
	rootless_uid=$(id -u "$name")
	home=$(mktemp -d /tmp/mx-home.XXXXXX)
	chmod 755 "$home"
	mkdir -p "$home/run"
	sed "s|$podman_env_dir|$home|g" "$CONTAINERS_CONF" >"$home/containers.conf"
	sed "s|$podman_env_run|$home/run|; s|$podman_env_dir|$home|" "$CONTAINERS_STORAGE_CONF" >"$home/storage.conf"
	chown -R "$rootless_uid:$rootless_uid" "$home"
	cd "$home" || return
}

# rootless COMMAND...: as that user.
rootless() {
	setpriv --reuid "$rootless_uid" --regid "$rootless_uid" --clear-groups env -i HOME="$home" PATH="$PATH" \
		XDG_RUNTIME_DIR="$home/run" CONTAINERS_CONF="$home/containers.conf" \
		CONTAINERS_STORAGE_CONF="$home/storage.conf" "$@"
}

# daemon_up LOG ASK COMMAND...: COMMAND is the daemon; it is there when ASK, a command in one word, succeeds.
daemon_up() {
	local log=$1 ask=$2

	"${@:3}" >"$log" 2>&1 3>&- &
	daemon=$!
	for _ in {1..200}; do
		$ask >/dev/null 2>&1 && return
		sleep 0.1
	done
	tail "$log"
	return 1
}

# dockerd_up DIR OPTION...: with all that it has in DIR.
dockerd_up() {
	local dir=$1

	export DOCKER_HOST=unix://$dir/socket
	daemon_up "$dir/log" "docker version" dockerd --iptables=false --bridge=none --data-root "$dir/data" \
		--exec-root "$dir/exec" -p "$dir/pid" -H "$DOCKER_HOST" "${@:2}"
}

engines_down() {
	if [ -n "$daemon" ]; then
		kill "$daemon"
		for _ in {1..100}; do
			kill -0 "$daemon" 2>/dev/null || break
			sleep 0.1
		done
		awk -v dir="$BATS_TEST_TMPDIR/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | tac |
			xargs -r umount -l
	fi
	if [ -n "$rootless_name" ]; then
		pkill -u "$rootless_name" || :
		userdel "$rootless_name"
		rm -rf --one-file-system "$home"
	fi
}
