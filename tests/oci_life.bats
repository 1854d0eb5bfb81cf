#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The life of a container of two versions, step by step beside the plain runtime: start, exec, logs,
# top, pause, update, health checks, signals, stop, exit status, restart, removal.

# mx_flags is podman.bash's, and a test may change it for itself.
# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash

setup_file() {
	podman_setup
	make_image daemon sh -c 'cat >bin/daemon <<-"END"
		#!/bin/sh
		trap "echo got TERM; exit 7" TERM
		trap "echo got USR1" USR1
		trap "echo got HUP" HUP
		echo ready
		while :; do sleep 0.1; done
	END
	chmod 755 bin/daemon'
	make_image daemon-old sh -c 'cp ../image.daemon/bin/daemon bin/'
}

teardown_file() {
	podman_teardown
}

# What a test that failed has left is in no other one's way.
setup() {
	cd "$BATS_TEST_TMPDIR" || return # where conmon notes that memory ran out
	podman rm -f -i -t 0 c1 >/dev/null 2>&1
}

mx_flags=(--mount 'type=image,source=test:daemon-old,destination=/.mx/old' --annotation io.mx.old=/.mx/old)

# both COMMAND DELEGATE: runs the command with $runtime and $options for each, and compares what it
# prints. The command names its container c1 and removes it.
both() {
	local command=$1 d=$2 runtime options want got

	runtime=$d options=()
	want=$($command 2>&1) || :
	podman rm -f -t 0 c1 >/dev/null 2>&1
	runtime=mx-$d options=("${mx_flags[@]}")
	got=$($command 2>&1) || :
	podman rm -f -t 0 c1 >/dev/null 2>&1
	got=${got//mx-$d/$d}
	if [ "$want" != "$got" ]; then
		printf '%s: what %s prints alone (-) and with two versions (+):\n' "$command" "$d"
		diff -u <(printf '%s\n' "$want") <(printf '%s\n' "$got") | tail -n +3
		return 1
	fi
	printf '%s\n' "$got"
}

# within COMMAND...: succeeds some time.
within() {
	for _ in {1..100}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	echo "not within ten seconds: $*"
	return 1
}

# told N WORD: the container has said it so often.
told() {
	[ "$(podman logs c1 2>&1 | grep -c "$2")" -ge "$1" ]
}

start() {
	podman --runtime "$runtime" run -d --name c1 "${options[@]}" "$@" >/dev/null || return
	within told 1 ready
}

state() {
	podman inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' c1
}

each() {
	local d
	for d in $(delegates); do
		both "$1" "$d"
	done
}

exec_steps() {
	start test:daemon daemon || return
	podman exec c1 cat /etc/version
	podman exec c1 sh -c 'echo out; echo err >&2; exit 9'
	echo "status $?"
	podman exec --user 1000 -w /var -e A=b c1 sh -c 'id -u; pwd; echo $A'
	echo data | podman exec -i c1 cat
	podman exec -t c1 tty
	podman exec c1 no-such-program
	echo "status $?"
	podman exec -d c1 sh -c 'echo detached >/tmp/detached' >/dev/null
	within podman exec c1 grep detached /tmp/detached
}
@test "exec" { each exec_steps; }

signal_steps() {
	start test:daemon daemon || return
	podman kill -s USR1 c1 >/dev/null
	within told 1 USR1
	podman kill -s HUP c1 >/dev/null
	within told 1 HUP
	podman stop -t 5 c1 >/dev/null
	podman logs c1
	state
	podman wait c1
}
@test "signals, stop and the exit status" { each signal_steps; }

kill_steps() {
	start test:daemon daemon || return
	podman kill c1 >/dev/null
	podman wait c1
	state
}
@test "kill" { each kill_steps; }

stubborn_steps() {
	start test:daemon sh -c 'trap "" TERM; echo ready; sleep 100' || return
	podman stop -t 1 c1 2>&1 | sed 's/^time=[^ ]* //'
	state
}
@test "stop of one that ignores the signal" { each stubborn_steps; }

# What PID 1 does not handle, the kernel keeps from it; with an init in front, or in another's pid
# namespace, the program is not PID 1.
unhandled_steps() {
	local flags

	for flags in "" --init --pid=host; do
		# shellcheck disable=SC2086
		start $flags --network none test:daemon sh -c 'trap "echo HUP" HUP; echo ready; while :; do sleep 0.1; done' || return
		podman kill -s USR1 c1 >/dev/null
		# The others have ended; and in the host's namespace that would be the host's.
		[ "$flags" ] || podman exec c1 kill -s USR2 1
		podman kill -s HUP c1 >/dev/null 2>&1
		for _ in {1..100}; do
			! podman logs c1 2>&1 | grep -q HUP || break
			[ "$(podman inspect -f '{{.State.Status}}' c1)" = running ] || break
			sleep 0.05
		done
		podman logs c1 2>&1
		podman stop -t 1 c1 2>&1 | sed 's/^time=[^ ]* //'
		state
		podman rm -f -t 0 c1 >/dev/null
	done
}
@test "signals that the program does not handle" { each unhandled_steps; }

pause_steps() {
	start test:daemon daemon || return
	podman pause c1 >/dev/null
	state
	podman exec c1 true 2>&1 | sed 's/[0-9a-f]\{64\}/ID/'
	podman unpause c1 >/dev/null
	state
	podman exec c1 echo alive
}
@test "pause and resume" { each pause_steps; }

update_steps() {
	start --memory 128m test:daemon daemon || return
	podman update --memory 64m c1 >/dev/null
	podman exec c1 cat /sys/fs/cgroup/memory/memory.limit_in_bytes
}
@test "update" { each update_steps; }

top_steps() {
	start test:daemon daemon || return
	podman top c1 user args | grep -cE 'root +(/bin/sh )?/bin/daemon$' | sed 's/^[1-9].*/some/'
	podman stats --no-stream --format '{{.Name}}' c1
	podman port c1
	podman diff c1 | grep -vE ' /(\.mx|etc|run|bin|tmp|dev|proc|sys|var|home)(/|$)'
}
@test "top, stats, diff" { each top_steps; }

health_steps() {
	start --health-cmd 'test -e /tmp/healthy' --health-interval disable test:daemon daemon || return
	podman healthcheck run c1
	echo "status $?"
	podman exec c1 touch /tmp/healthy
	podman healthcheck run c1
	echo "status $?"
}
@test "healthcheck run" { each health_steps; }

restart_steps() {
	start test:daemon daemon || return
	podman exec c1 sh -c 'echo kept >/tmp/kept'
	podman restart -t 5 c1 >/dev/null
	within told 2 ready
	podman exec c1 cat /tmp/kept
	podman stop -t 5 c1 >/dev/null
	podman start c1 >/dev/null
	within told 3 ready
	podman exec c1 cat /tmp/kept
	podman logs c1
	state
}
@test "restart, stop and start again" { each restart_steps; }

oom_steps() {
	podman --runtime "$runtime" run --name c1 "${options[@]}" --memory 48m --memory-swap 48m test:daemon \
		tail /dev/zero
	echo "status $?"
	state
}
@test "out of memory" { each oom_steps; }

attach_steps() {
	podman --runtime "$runtime" create -i --name c1 "${options[@]}" test:daemon sh -c 'read a; echo "<$a>"; exit 6' >/dev/null
	echo typed | podman start -ai c1
	echo "status $?"
}
@test "create, start, attach" { each attach_steps; }

end_steps() {
	timeout 60 podman --runtime "$runtime" run --rm "${options[@]}" test:daemon sh -c 'sleep 1000 & exit 3'
	echo "status $?"
	timeout 60 podman --runtime "$runtime" run --rm "${options[@]}" test:daemon \
		sh -c 'trap "" TERM; while :; do (sleep 0.01 &); done & sleep 0.3; exit 4'
	echo "status $?"
	# The namespace is not the container's: it must be left as it was.
	timeout 60 podman --runtime "$runtime" run --rm --pid=host "${options[@]}" test:daemon sh -c 'sleep 1000 & exit 5'
	echo "status $?"
}
@test "the end of the first process is the container's, whatever else runs in it" { each end_steps; }

first_steps() {
	local flags
	for flags in "--user 0" "--user 1000 --cap-drop=all"; do
		# shellcheck disable=SC2086
		podman --runtime "$runtime" run --rm $flags -e A=b "${options[@]}" test:daemon sh -c '
			echo "to the log" >/proc/1/fd/1
			tr "\0" "\n" </proc/1/environ | grep ^A=
			readlink /proc/1/ns/net | cut -c 1-4
			cat /proc/1/task/*/status | grep -E "^Cap(Inh|Prm|Eff|Amb)" | sort -u'
	done
}
@test "what is asked of the first process: its output, environment, namespaces, capabilities" { each first_steps; }

no_zombies() {
	[ "$(podman exec c1 ps -o stat,args | grep -c '^Z')" = 0 ]
}
@test "orphans are reaped" {
	local d runtime options
	for d in $(delegates); do
		runtime=mx-$d options=("${mx_flags[@]}")
		# The shell dies and leaves children, which PID 1 has to reap; those of a follower when the leader's are.
		start test:daemon sh -c 'for i in 1 2 3; do sh -c "sleep 0.2 & exit"; done; sleep 1; echo ready; sleep 100'
		for _ in {1..50}; do
			no_zombies && break
			sleep 0.2
		done
		no_zombies
		podman rm -f -t 0 c1
	done
}

inspect_steps() {
	start --label a=b -e C=D -v "$BATS_FILE_TMPDIR:/data:ro" -p 127.0.0.1::80 test:daemon daemon || return
	inspected c1
}
@test "inspect" { each inspect_steps; }

@test "nothing is left when the containers are gone" {
	[ "$(podman ps -aq)" = "" ]
	nothing_left
}

@test "exec=supervised: what is executed in the container is two versions as well" {
	local d
	for d in crun runc; do
		podman --runtime "mx-$d" run -d --name c1 --annotation io.mx.exec=supervised "${mx_flags[@]}" \
			test:new sleep 100
		[ "$(podman exec c1 cat /etc/version)" = new ]
		run podman exec -w /tmp c1 sh -c 'pwd; exit 4'
		[ "$status" = 4 ]
		[ "$output" = /tmp ]
		[ "$("$shims/mx-$d" log --json "$(podman inspect -f '{{.Id}}' c1)" |
			jq -r 'select(.event == "start") | .old')" = $'sleep\ncat\nsh' ]
		podman rm -f -t 0 c1
	done
}
