#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A redis pair under every container engine: the new version crashes while a client is connected, and
# the client goes on.

# mx_flags is podman.bash's.
# shellcheck disable=SC2154

load podman.bash
load engines.bash

setup_file() {
	local name

	command -v redis-cli >/dev/null || skip "no redis"
	podman_setup
	"$root/scripts/demo-redis" "$BATS_FILE_TMPDIR/roots" >"$BATS_FILE_TMPDIR/redis.log" 2>&1 || {
		tail -n 20 "$BATS_FILE_TMPDIR/redis.log" >&3
		return 1
	}
	chmod 755 "$BATS_FILE_TMPDIR/roots"
	for name in old new; do
		tar -C "$BATS_FILE_TMPDIR/roots/$name" -c . | podman import -q --change "ENV PATH=/usr/bin:/bin" - "localhost/redis:$name" >/dev/null
		podman save -q -o "$BATS_FILE_TMPDIR/redis-$name.tar" "localhost/redis:$name"
		chmod 644 "$BATS_FILE_TMPDIR/redis-$name.tar"
	done
}

teardown_file() {
	podman_teardown
}

setup() {
	port=$(free_port)
	server=(redis-server --port "$port" --bind 127.0.0.1 --save '')
	old=$BATS_FILE_TMPDIR/roots/old
}

teardown() {
	podman rm -fa -t 0 >/dev/null 2>&1
	engines_down
}

# One connection, before and after the crash.
survives() {
	local at=$port first last
	for _ in {1..100}; do
		[ "$(redis-cli -p "$at" PING 2>&1)" = PONG ] && break
		sleep 0.1
	done
	printf '%s\n' 'CLIENT ID' "SET color $(printf 'blue%.0s' {1..40})" 'HSET sky color blue' 'HMGET color red' \
		'HMGET sky color' 'STRLEN color' 'CLIENT ID' | redis-cli -p "$at" >"$BATS_TEST_TMPDIR/answers" 2>&1 || :
	cat "$BATS_TEST_TMPDIR/answers"
	first=$(head -n 1 "$BATS_TEST_TMPDIR/answers")
	last=$(tail -n 1 "$BATS_TEST_TMPDIR/answers")
	[ -n "$first" ] && [ "$first" = "$last" ] &&
		[ "$(sed '1d;$d' "$BATS_TEST_TMPDIR/answers" | tr '\n' '|')" = \
			'OK|1|WRONGTYPE Operation against a key holding the wrong kind of value||blue|160|' ] &&
		[ "$(redis-cli -p "$at" PING)" = PONG ]
}

# crashed LOG: the event log has what happened.
crashed() {
	jq -r .event "$1" | tr '\n' ' '
	[ "$(jq -r 'select(.event == "crash") | "\(.version) \(.signal)"' "$1")" = "new SIGSEGV" ] &&
		[ "$(jq -r 'select(.event == "takeover") | .version' "$1")" = old ]
}

redis_flags=(--mount 'type=image,source=localhost/redis:old,destination=/.mx/old' --annotation io.mx.old=/.mx/old)

@test "podman, with each delegate, root and not" {
	local d user
	for d in $(delegates); do
		for user in 0 999; do
			podman --runtime "mx-$d" run -d --name c1 --user $user --network host "${redis_flags[@]}" \
				localhost/redis:new "${server[@]}"
			survives
			crashed "/run/mx/default/$(podman inspect -f '{{.Id}}' c1)/state/events.jsonl"
			podman stop -t 5 c1
			[ "$(podman inspect -f '{{.State.ExitCode}}' c1)" = 0 ]
			podman rm c1
		done
	done
}

@test "podman, a published port and a volume" {
	local net
	podman volume create data >/dev/null
	net=$(podman_env_network)
	podman --runtime mx-crun run -d --name c1 --network "$net" -p "127.0.0.1:$port:6379" -v data:/data -w /data \
		"${redis_flags[@]}" localhost/redis:new redis-server --bind 0.0.0.0 --protected-mode no --appendonly yes
	survives
	podman stop -t 5 c1
	# What the survivor wrote is in the volume, for the next container.
	podman run --rm -v data:/data test:new grep -c color /data/appendonlydir/appendonly.aof.1.incr.aof
	podman rm c1
	podman network rm -f "$net"
}

@test "podman kube play" {
	podman volume create --driver image --opt image=localhost/redis:old redis-old >/dev/null
	sed "s/hostPort: .*/hostPort: $port/" "$root/examples/kubernetes/podman-kube.yaml" >"$BATS_TEST_TMPDIR/pod.yaml"
	podman_env_network >"$BATS_TEST_TMPDIR/net"
	podman --runtime mx-crun kube play --network "$(cat "$BATS_TEST_TMPDIR/net")" "$BATS_TEST_TMPDIR/pod.yaml"
	survives
	crashed "/run/mx/default/$(podman inspect -f '{{.Id}}' redis-redis)/state/events.jsonl"
	# The infra container is the delegate's alone.
	[ "$(find /run/mx/default -mindepth 1 -maxdepth 1 | wc -l)" -ge 1 ]
	[ ! -e "/run/mx/default/$(podman ps -a --no-trunc --filter name=infra --format '{{.ID}}' | head -n 1)" ]
	podman kube down "$BATS_TEST_TMPDIR/pod.yaml"
	podman network rm -f "$(cat "$BATS_TEST_TMPDIR/net")"
}

@test "rootless podman" {
	local d

	command -v newuidmap >/dev/null || skip "no newuidmap"
	rootless_up
	d=$shims
	while [ "$d" != /tmp ] && [ "$d" != / ]; do
		chmod o+x "$d"
		d=$(dirname "$d")
	done
	install -o "$rootless_uid" "$BATS_FILE_TMPDIR"/redis-{old,new}.tar "$home"
	rootless podman load -q -i redis-old.tar
	rootless podman load -q -i redis-new.tar
	rm redis-old.tar redis-new.tar
	for d in $(delegates); do
		sed -i 's/"log-dir": "[^"]*"/"keep-logs": 100/' "$shims/mx-$d.conf"
		rootless podman --runtime "mx-$d" run -d --name c1 --network host "${redis_flags[@]}" \
			localhost/redis:new "${server[@]}"
		survives
		# The state is mounted in the mount namespace of the user's podman.
		rootless podman unshare "$shims/mx-$d" log --json "$(rootless podman inspect -f '{{.Id}}' c1)" \
			>"$BATS_TEST_TMPDIR/log"
		crashed "$BATS_TEST_TMPDIR/log"
		rootless podman rm -f -t 2 c1
		[ -z "$(ls "$home/run/mx/default")" ]
	done
	rootless podman system migrate || :
	rootless podman unshare rm -rf "$home/graph" "$home/run/mx"
}

# containerd: a daemon of the test's own.
start_containerd() {
	local dir=$BATS_TEST_TMPDIR/containerd
	command -v containerd >/dev/null || skip "no containerd"
	mkdir -p "$dir"/{cni,plugins}
	sed -e "s|@DIR@|$dir|g" -e "s|/usr/local/bin/mx-shim|$shims/mx-runc|" "$root/examples/containerd/config.toml" \
		>"$dir/config.toml"
	cat >>"$dir/config.toml" <<-END

		[grpc]
		  address = "$dir/socket"
	END
	sed -i "1,/^version/s|^version.*|&\nroot = \"$dir/root\"\nstate = \"$dir/state\"|" "$dir/config.toml"
	export CONTAINERD_ADDRESS=$dir/socket
	daemon_up "$dir/log" "ctr version" containerd -c "$dir/config.toml"
}

@test "containerd: ctr run --runc-binary" {
	local id=mx-test-$$
	start_containerd
	ctr images import "$BATS_FILE_TMPDIR/redis-new.tar"
	ctr run -d --runc-binary "$shims/mx-runc" --net-host --annotation io.mx.old=/.mx/old \
		--mount "type=bind,src=$old,dst=/.mx/old,options=rbind:ro" localhost/redis:new "$id" "${server[@]}"
	survives
	"$shims/mx-runc" --root /run/containerd/runc/default log --json "$id" >"$BATS_TEST_TMPDIR/log"
	crashed "$BATS_TEST_TMPDIR/log"
	ctr task exec --exec-id e1 "$id" /.mx/mx --version
	ctr task pause "$id"
	ctr task resume "$id"
	ctr task kill -s TERM "$id"
	for _ in {1..50}; do
		ctr task ls | grep -q STOPPED && break
		sleep 0.1
	done
	ctr task ls | grep STOPPED
	ctr task rm "$id"
	ctr container rm "$id"
}

@test "containerd's CRI: a pod with a runtime class" {
	local pod container cri=("$here/cri.py")
	/usr/bin/python3 -c 'import grpc' 2>/dev/null || skip "no python3-grpcio"
	start_containerd
	cri+=("$CONTAINERD_ADDRESS")
	tar -C "$BATS_FILE_TMPDIR/image.new" -c . |
		podman import -q --change 'CMD ["/bin/sleep", "100000"]' - localhost/pause:1
	podman save -q -o "$BATS_TEST_TMPDIR/pause.tar" localhost/pause:1
	ctr -n k8s.io images import "$BATS_TEST_TMPDIR/pause.tar"
	ctr -n k8s.io images import "$BATS_FILE_TMPDIR/redis-new.tar"
	read -r pod container < <("${cri[@]}" run mx "$(printf '%s\n' "${server[@]}" | jq -R . |
		jq -s --arg old "$old" '{image: "localhost/redis:new", command: ., mounts: [[$old, "/.mx/old"]],
			pod_annotations: {"io.mx.old": "/.mx/old"}}')")
	[ -n "$container" ]
	survives
	[ "$("${cri[@]}" status "$container")" = "running 0" ]
	"${cri[@]}" exec "$container" /.mx/mx --version
	crashed "$(find /run/mx -path "*/$container/state/events.jsonl")"
	[ -z "$(find /run/mx -name "$pod")" ]
	"${cri[@]}" remove "$pod"
	[ -z "$(find /run/mx -name "$container")" ]
}

@test "docker --runtime" {
	local dir=$BATS_TEST_TMPDIR/docker id
	[ -x /usr/sbin/dockerd ] || skip "no dockerd"
	mkdir -p "$dir"
	sed "s|/usr/local/bin/mx-shim|$BUILD/mx-shim|; s|/etc/mx|$root/examples/docker|" \
		"$root/examples/docker/daemon.json" >"$dir/daemon.json"
	dockerd_up "$dir" --config-file "$dir/daemon.json" --ip6tables=false
	docker load -q -i "$BATS_FILE_TMPDIR/redis-new.tar"
	docker run -d --name c1 --runtime mx --network host -v "$old:/.mx/old:ro" localhost/redis:new "${server[@]}"
	survives
	id=$(docker inspect -f '{{.Id}}' c1)
	crashed "$(find /run/mx -path "*/$id/state/events.jsonl")"
	docker exec c1 /.mx/mx --version
	docker stop -t 5 c1
	[ "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' c1)" = "exited 0" ]
	docker rm c1
	[ -z "$(find /run/mx -name "$id")" ]
	# Without the mount it is runc's alone.
	docker run --rm --runtime mx --network host localhost/redis:new redis-server --version
}
