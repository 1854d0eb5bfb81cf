#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `podman run` can ask of a container, alone and with two versions: the same output and status.

# mx_flags is podman.bash's, and a test may change it for itself.
# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash

setup_file() {
	podman_setup
	printf 'hello\n' >"$BATS_FILE_TMPDIR/file"
	mkdir -p "$BATS_FILE_TMPDIR/volume"
	printf 's3cret\n' | podman secret create mx-test-secret - >/dev/null
}

teardown_file() {
	podman_teardown
}

each() {
	local d
	for d in $(delegates); do
		in_both "$d" "$@"
	done
}

@test "output and exit status" {
	each test:new echo hello
	each test:new sh -c 'echo out; echo err >&2; exit 3'
	each test:new true
	each test:new false
}

@test "a program that is not there, or may not be executed" {
	local d program want got
	in_both crun test:new /nowhere/program
	in_both crun test:new no-such-program
	# runc words it differently; the status is the same.
	for d in $(delegates); do
		for program in /nowhere/program no-such-program /etc/passwd; do
			want=0 got=0
			podman --runtime "$d" run --rm test:new "$program" || want=$?
			podman --runtime "mx-$d" run --rm "${mx_flags[@]}" test:new "$program" || got=$?
			[ "$want" = "$got" ]
			[ "$got" -ge 126 ]
		done
	done
}

@test "a program killed by a signal" {
	# PID 1 of a namespace is not killed by its own signals, so the shell has a child that is.
	each test:new sh -c 'sh -c "kill -9 \$\$" 2>/dev/null; echo $?' 2>/dev/null
	each test:new sh -c '(sh -c "kill -TERM \$\$"; echo $?) 2>/dev/null'
}

@test "environment, working directory, arguments" {
	each -e A=1 -e 'B=two words' test:new sh -c 'echo "$A $B $PWD"'
	each -w /var test:new pwd
	each test:new sh -c 'printf "%s\n" "$@"' sh 'a b' '' '*' "it's" $'new\nline'
}

@test "no PATH, --cgroups=disabled" {
	local d got
	in_both crun --unsetenv-all test:new env
	for d in $(delegates); do
		got=0
		podman --runtime "mx-$d" run --rm "${mx_flags[@]}" --unsetenv-all test:new env || got=$?
		[ "$got" = 127 ]
		in_both "$d" --unsetenv-all test:new /bin/sh -c 'echo "<$PATH>"; exit 3'
	done
	# runc cannot; podman knows which runtimes can from containers.conf.
	in_both crun --cgroups=disabled test:new echo hello
	[ "$(podman --runtime mx-crun run --rm --cgroups=disabled "${mx_flags[@]}" test:new echo hello)" = hello ]
}

@test "standard input" {
	local d
	for d in $(delegates); do
		[ "$(printf 'a\nb\n' | podman --runtime "mx-$d" run -i --rm "${mx_flags[@]}" test:new wc -l)" = 2 ]
	done
}

@test "a terminal" {
	each -t test:new tty
	each -t test:new sh -c 'test -t 0 && test -t 1 && echo yes'
}

@test "--user" {
	each --user 1000 test:new id
	each --user 1000:1000 --group-add 7 test:new id
	each --user user test:new sh -c 'id -un; touch /etc/x'
}

@test "--cap-drop=all, --cap-add: the program's capabilities" {
	each --cap-drop=all test:new sh -c 'grep ^Cap /proc/self/status | grep -v Bnd'
	each --cap-drop=all --user 1000 test:new sh -c 'grep ^Cap /proc/self/status | grep -v Bnd'
	each --user 1000 test:new sh -c 'grep ^Cap /proc/self/status'
	each --cap-add NET_ADMIN test:new sh -c 'grep ^Cap /proc/self/status'
	each test:new sh -c 'grep ^Cap /proc/self/status'
}

# exec_capped RUNTIME PODMAN-ARGUMENT...: what a program has that is executed in the container.
exec_capped() {
	podman --runtime "$1" run -d --name c1 "${@:2}" test:new sleep 60 >/dev/null
	podman exec c1 grep ^Cap /proc/self/status
	podman exec --user 1000 c1 grep ^Cap /proc/self/status
	by_hand "$1" c1 grep '^Cap\(Prm\|Eff\|Bnd\)' /proc/self/status
	inspected c1
	remove c1
}

# by_hand RUNTIME CONTAINER WORD...: exec without an engine, which would name the process in a file.
by_hand() {
	PATH=$PATH:/usr/sbin:$shims "$1" exec "$(podman inspect -f '{{.Id}}' "$2")" "${@:3}"
}

@test "--cap-drop=all: the capabilities of what is executed, and what inspect tells of them" {
	local d want got added
	for d in $(delegates); do
		for added in "" kill; do
			want=$(exec_capped "$d" --cap-drop=all ${added:+--cap-add=$added})
			got=$(exec_capped "mx-$d" --cap-drop=all ${added:+--cap-add=$added} "${mx_flags[@]}")
			diff <(echo "$want") <(echo "$got")
			[[ $want = *"CapBnd:"*00000000000000${added:+2}*0* ]]
		done
	done
}

@test "--security-opt no-new-privileges" {
	each --security-opt no-new-privileges test:new grep NoNewPrivs /proc/self/status
}

@test "--read-only" {
	each --read-only test:new sh -c 'echo x >/x'
	each --read-only test:new sh -c 'echo x >/var/x'
	each --read-only test:new sh -c 'echo x >/tmp/x && cat /tmp/x'
}

@test "--init" {
	each --init test:new sh -c 'echo hello; exit 5'
}

@test "volumes" {
	each -v "$BATS_FILE_TMPDIR/file:/data/file:ro" test:new sh -c 'cat /data/file; echo x >/data/file'
	each -v "$BATS_FILE_TMPDIR/volume:/volume" test:new sh -c 'echo data >/volume/f; cat /volume/f'
	[ "$(cat "$BATS_FILE_TMPDIR/volume/f")" = data ]
	each --tmpfs /scratch:size=1m test:new sh -c 'echo x >/scratch/x; cat /scratch/x'
}

@test "secrets" {
	each --secret mx-test-secret test:new cat /run/secrets/mx-test-secret
}

@test "--network none and host" {
	each --network none test:new sh -c 'ls /sys/class/net'
	each --network host test:new sh -c 'ls /sys/class/net | grep -vE "^(veth|podman|mx)"'
}

@test "--hostname, --add-host, --dns" {
	each --hostname box test:new hostname
	each --add-host other:10.1.2.3 test:new grep other /etc/hosts
	each --dns 10.9.8.7 test:new cat /etc/resolv.conf
}

@test "--ulimit, --pids-limit, --memory" {
	each --ulimit nofile=512:512 --ulimit nproc=1000:1000 test:new sh -c 'ulimit -n'
	each --memory 64m test:new cat /sys/fs/cgroup/memory/memory.limit_in_bytes
	each --shm-size 1m test:new sh -c 'df /dev/shm | tail -n 1'
}

@test "a user namespace" {
	local d dir=$BATS_FILE_TMPDIR/userns-old

	cp -a "$BATS_FILE_TMPDIR/image.old" "$dir"
	chown -hR 100000:100000 "$dir"
	chmod 755 "$dir"
	for d in $(delegates); do
		mx_flags=(-v "$dir:/.mx/old:ro" --annotation io.mx.old=/.mx/old)
		in_both "$d" --uidmap 0:100000:65536 test:new sh -c 'id; cat /proc/self/uid_map; touch /x && ls -n /x | cut -c 1-20'
		in_both "$d" --uidmap 0:100000:65536 --user 1000 test:new id
	done
}

# An old root for user namespaces: a folder, whose files belong to ids that the namespace maps.
old_of_ids() {
	local dir=$BATS_FILE_TMPDIR/userns-old.$1

	[ -e "$dir" ] || cp -a "$BATS_FILE_TMPDIR/image.old" "$dir"
	chown -hR "$1:$1" "$dir"
	chmod 755 "$dir"
	mx_flags=(-v "$dir:/.mx/old:ro" --annotation io.mx.old=/.mx/old)
}

@test "--userns=host, keep-id, nomap" {
	local d
	each --userns=host test:new sh -c 'id; cat /proc/self/uid_map'
	old_of_ids 0
	for d in $(delegates); do
		in_both "$d" --userns=host --user 1000 test:new sh -c 'id; cat /proc/self/uid_map'
		# Of root these two are refused, in podman's own words, before any runtime is asked.
		in_both "$d" --userns=keep-id test:new id
		in_both "$d" --userns=nomap test:new id
	done
}

# userns_auto NAME: with the subordinate ids of that user.
userns_auto() {
	local d first
	first=$(sed -n "s/^$1:\([0-9]*\):.*/\1/p" /etc/subuid)
	[ -n "$first" ] || { echo "$1 has no ids"; return 1; }
	sed "/^.storage.options.overlay/i [storage.options]\nroot-auto-userns-user = \"$1\"" \
		"$CONTAINERS_STORAGE_CONF" >"$BATS_TEST_TMPDIR/storage.conf"
	local -x CONTAINERS_STORAGE_CONF=$BATS_TEST_TMPDIR/storage.conf
	old_of_ids "$first"
	for d in $(delegates); do
		in_both "$d" --userns=auto:size=4096 test:new \
			sh -c 'id; cat /proc/self/uid_map; touch /x && ls -n /x | cut -c 1-20' || return
	done
	[ "$(podman --runtime mx-crun run --rm --userns=auto:size=4096 "${mx_flags[@]}" test:new \
		awk '{ print $1, $3 }' /proc/self/uid_map)" = "0 4096" ]
}

@test "--userns=auto" {
	local status=0 name=mxauto$$
	# A user for the time of the test.
	useradd --no-create-home --home-dir /nonexistent "$name"
	userns_auto "$name" || status=$?
	userdel "$name"
	[ $status = 0 ]
}

@test "-i: standard input that is a pipe, a file, closed, or larger than a pipe" {
	local d want got
	head -c 3000000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/large"
	for d in $(delegates); do
		want=$(podman --runtime "$d" run -i --rm test:new md5sum <"$BATS_TEST_TMPDIR/large")
		got=$(podman --runtime "mx-$d" run -i --rm "${mx_flags[@]}" test:new md5sum <"$BATS_TEST_TMPDIR/large")
		[ "$want" = "$got" ] || { echo "file: $want, $got"; return 1; }
		want=$(podman --runtime "$d" run -i --rm test:new sh -c 'read a; echo "got $a"; cat | wc -c; exit 4' \
			< <(echo one; sleep 1; cat "$BATS_TEST_TMPDIR/large")) && return 1
		got=$(podman --runtime "mx-$d" run -i --rm "${mx_flags[@]}" test:new sh -c 'read a; echo "got $a"; cat | wc -c; exit 4' \
			< <(echo one; sleep 1; cat "$BATS_TEST_TMPDIR/large")) && return 1
		[ "$want" = "$got" ] || { echo "pipe: $want, $got"; return 1; }
		[ "$got" = $'got one\n3000000' ]
		# Without -i there is nothing to read.
		want=$(echo text | podman --runtime "$d" run --rm test:new wc -c)
		got=$(echo text | podman --runtime "mx-$d" run --rm "${mx_flags[@]}" test:new wc -c)
		[ "$want $got" = "0 0" ]
	done
}

@test "published ports" {
	local d runtime net port flags answers
	net=$(podman_env_network)
	for d in $(delegates); do
		answers=''
		for runtime in "$d" "mx-$d"; do
			port=$(free_port)
			flags=()
			[ "$runtime" = "$d" ] || flags=("${mx_flags[@]}")
			podman --runtime "$runtime" run -d --name published --network "$net" -p "127.0.0.1:$port:8080" \
				"${flags[@]}" test:new httpd -f -p 8080 -h /etc >/dev/null 3>&-
			for _ in {1..100}; do
				(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
				sleep 0.1
			done
			answers+="$(busybox wget -q -O - "http://127.0.0.1:$port/version") "
			answers+="$(podman port published | sed "s/$port/PORT/") "
			answers+="$(podman inspect -f '{{json .NetworkSettings.Ports}}' published | sed "s/$port/PORT/") "
			podman rm -f -t 0 published >/dev/null
			answers+=$'\n'
		done
		[ "$(sort -u <<<"$answers" | grep -c .)" = 1 ] || { echo "$answers"; return 1; }
		[[ $answers = "new 8080/tcp -> 127.0.0.1:PORT"* ]] || { echo "$answers"; return 1; }
	done
	podman network rm -f "$net" >/dev/null
}

@test "a container without MX annotations is the delegate's alone" {
	local d
	for d in $(delegates); do
		mx_flags=()
		in_both "$d" test:new sh -c 'cat /proc/1/cmdline | tr "\0" " "; mount | grep -c mx'
	done
}
