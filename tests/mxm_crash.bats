#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A server loses one of its versions, at a random moment, as leader or as follower, by SIGSEGV or
# SIGKILL, while clients talk to it: nobody sees a broken connection, a lost or a doubled reply.
# MX_CRASHES is how many moments of each kind are tried (1; 200 moments in all are 25 of each).

load lib
load mxm

setup() {
	need redis-server redis-cli redis-benchmark python3 pgrep
	redis=$(command -v redis-server)
	crashes=${MX_CRASHES:-1}
}

start_redis() {
	port=$(free_port)
	start_pair "$port" "$redis" "$redis" --port "$port" --bind 127.0.0.1 --save ""
	wait_until 20 redis-cli -p "$port" ping
	known=$(redis-cli -p "$port" info server | tr -d '\r' | sed -n 's/^process_id://p')
}

stop_redis() {
	redis-cli -p "$port" shutdown nosave || :
	wait "$SERVER"
}

# kill_while_counting SIGNAL leader|follower: 50 clients count while that version is killed.
kill_while_counting() {
	local pid counting
	start_redis
	python3 "$ROOT/tests/counters.py" "$port" 50 1 >"$BATS_TEST_TMPDIR/counted" 2>&1 3>&- &
	counting=$!
	wait_until 30 grep -q connected "$BATS_TEST_TMPDIR/counted"
	sleep "0.$((RANDOM % 7 + 1))$((RANDOM % 10))"
	pid=$(version_pid "$2" "$known")
	[ -n "$pid" ] || fail "no $2 among $(version_pids), known $known"
	kill "-$1" "$pid"
	wait $counting || fail "$1 of the $2: $(cat "$BATS_TEST_TMPDIR/counted") $(cat "$LOG")"
	stop_redis
	if [ "$2" = leader ]; then
		only_events crash discarded takeover
	else
		only_events crash discarded
	fi
	[ "$(event_field crash signal)" = "SIG$1" ]
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/counted" | cut -d' ' -f1)" -ge 500 ]
}

in_each_mode() {
	local sync leader
	for sync in stream barrier lockstep; do
		for ((i = 0; i < crashes; i++)); do
			leader=$([ $((RANDOM % 2)) = 0 ] && echo old || echo new)
			MX_TEST_OPTIONS="--sync $sync --leader $leader"
			kill_while_counting "$@"
		done
	done
}

@test "the leader dies by SIGSEGV" {
	in_each_mode SEGV leader
}

@test "the leader dies by SIGKILL" {
	in_each_mode KILL leader
}

@test "the follower dies by SIGSEGV" {
	in_each_mode SEGV follower
}

@test "the follower dies by SIGKILL" {
	in_each_mode KILL follower
}

@test "redis-benchmark with 50 clients sees no error" {
	for role in leader follower; do
		start_redis
		redis-benchmark -p "$port" -c 50 -n 6000 -t incr -q >"$BATS_TEST_TMPDIR/bench" 2>&1 3>&- &
		bench=$!
		sleep 0.$((RANDOM % 5 + 2))
		kill -SEGV "$(version_pid $role "$known")"
		wait $bench || fail "$(cat "$BATS_TEST_TMPDIR/bench")"
		! grep -iE 'error|reset|closed' "$BATS_TEST_TMPDIR/bench"
		sum=$(redis-cli -p "$port" get counter:__rand_int__)
		[ "$sum" = 6000 ] || fail "counted $sum times"
		stop_redis
	done
}

@test "a blocked call is carried on: BLPOP, SUBSCRIBE" {
	start_redis
	redis-cli -p "$port" blpop queue 20 >"$BATS_TEST_TMPDIR/popped" 3>&- &
	popping=$!
	redis-cli -p "$port" subscribe news >"$BATS_TEST_TMPDIR/heard" 3>&- &
	hearing=$!
	started+=("$hearing")
	wait_until 10 grep -q news "$BATS_TEST_TMPDIR/heard"
	wait_until 10 sh -c "redis-cli -p $port info clients | grep -q blocked_clients:1"
	kill -KILL "$(version_pid leader "$known")"
	sleep 0.2
	[ "$(redis-cli -p "$port" publish news hello)" = 1 ]
	[ "$(redis-cli -p "$port" rpush queue item)" = 1 ]
	wait $popping
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/popped")" = item ]
	wait_until 10 grep -q hello "$BATS_TEST_TMPDIR/heard"
	stop_redis
	only_events crash discarded takeover
}

@test "a pipeline, a program with threads and one with children survive their leader" {
	for _ in 1 2 3; do
		LOG=$BATS_TEST_TMPDIR/events.log
		rm -f "$LOG"
		start "$MX" run --log "$LOG" "$(command -v python3)" "$(command -v python3)" -- -uc '
import os, threading, time
lock = threading.Lock()
done = []
def work(i):
    for n in range(60):
        time.sleep(0.02)
        with lock:
            done.append((i, n))
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in threads]
print("ready", os.getpid())
child = os.fork()
if child == 0:
    time.sleep(1)
    os.write(1, b"child\n")
    os._exit(7)
[t.join() for t in threads]
print(len(done), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))'
		wait_until 20 grep -q ready "$SERVER_LOG"
		sleep 0.1
		kill -KILL "$(version_pid leader "$(sed -n 's/ready //p' "$SERVER_LOG")")"
		wait "$SERVER"
		[ "$(grep -c child "$SERVER_LOG")" = 1 ]
		grep -qx '240 7' "$SERVER_LOG"
	done
}

@test "the timers of a leader that is killed go on in the other version" {
	local clockwork leader
	clockwork=$(victim clockwork)
	for leader in old new; do
		LOG=$BATS_TEST_TMPDIR/events.$leader.log
		start "$MX" run --leader "$leader" --max-recoveries 0 --log "$LOG" "$clockwork" "$clockwork" --
		wait_until 20 grep -q ready "$SERVER_LOG"
		sleep 0.3
		kill -KILL "$(version_pid leader "$(sed -n 's/ready //p' "$SERVER_LOG")")"
		wait "$SERVER"
		[ "$(grep -c ': yes$' "$SERVER_LOG")" = 3 ]
		only_events crash discarded takeover
		! grep not-carried-over "$LOG"
	done
}

@test "the call after which a shared mapping is moved to its file is the program's own" {
	local options
	for options in "--leader old" "--leader new --no-agent" "--leader old --sync lockstep"; do
		LOG=$BATS_TEST_TMPDIR/events.${options//[^a-z]/}.log
		rm -f "$BATS_TEST_TMPDIR/go"
		# shellcheck disable=SC2086 # options are words
		start "$MX" run $options --max-recoveries 0 --log "$LOG" \
			"$(command -v python3)" "$(command -v python3)" -- -uc '
import mmap, os, sys, time
files = [open(sys.argv[1] + name, "w+b") for name in ("one", "two")]
for file in files:
    file.truncate(4096)
maps = [mmap.mmap(file.fileno(), 4096) for file in files]
print("ready", os.getpid())
while os.readlink("/proc/self/cwd") and not os.access(sys.argv[1], os.F_OK):
    time.sleep(0.01)
    for m in maps:
        m[0] = (m[0] + 1) % 256
print(*(os.pread(file.fileno(), 1, 0)[0] == m[0] for file, m in zip(files, maps)))' \
			"$BATS_TEST_TMPDIR/go"
		wait_until 20 grep -q ready "$SERVER_LOG"
		sleep 0.1
		kill -KILL "$(version_pid leader "$(sed -n 's/ready //p' "$SERVER_LOG")")"
		wait_until 20 grep -q takeover "$LOG"
		sleep 0.1
		touch "$BATS_TEST_TMPDIR/go"
		wait "$SERVER" || fail "$options: $(cat "$SERVER_LOG")"
		grep -qx 'True True' "$SERVER_LOG" || fail "$options: $(cat "$SERVER_LOG")"
		only_events crash discarded takeover
	done
}

@test "a process keeps its id: its leader is killed, and leads a version that came back" {
	LOG=$BATS_TEST_TMPDIR/events.log
	start "$MX" run --sync stream --leader old --log "$LOG" \
		"$(command -v python3)" "$(command -v python3)" -- -uc '
import os, sys, time
first = os.getpid()
print("ready", first)
while not os.access(sys.argv[1], os.F_OK):
    for _ in range(100):
        if os.getpid() != first:
            sys.exit("another id")' "$BATS_TEST_TMPDIR/go"
	wait_until 20 grep -q ready "$SERVER_LOG"
	kill -KILL "$(version_pid leader "$(sed -n 's/ready //p' "$SERVER_LOG")")"
	wait_until 30 grep -q '"event":"recovered"' "$LOG"
	sleep 0.5
	touch "$BATS_TEST_TMPDIR/go"
	wait "$SERVER" || fail "$(cat "$SERVER_LOG")"
}

@test "signals that wait for a leader that is killed reach the other version" {
	local leader
	for leader in old new; do
		LOG=$BATS_TEST_TMPDIR/events.$leader.log
		start "$MX" run --leader "$leader" --max-recoveries 0 --log "$LOG" \
			"$(command -v python3)" "$(command -v python3)" -- -uc '
import os, signal, sys, time
heard = []
both = {signal.SIGUSR1, signal.SIGUSR2}
for sig in both:
    signal.signal(sig, lambda sig, frame: heard.append(sig))
signal.pthread_sigmask(signal.SIG_BLOCK, both)
print("ready", os.getpid())
os.kill(os.getpid(), signal.SIGUSR2)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
print("heard", sorted(heard) == sorted(both), len(heard))' "$BATS_TEST_TMPDIR/go.$leader"
		wait_until 20 grep -q ready "$SERVER_LOG"
		known=$(sed -n 's/ready //p' "$SERVER_LOG")
		kill -USR1 "$(version_pid leader "$known")"
		kill -KILL "$(version_pid leader "$known")"
		wait_until 20 grep -q takeover "$LOG"
		touch "$BATS_TEST_TMPDIR/go.$leader"
		wait "$SERVER"
		grep -qx 'heard True 2' "$SERVER_LOG" || fail "$(cat "$SERVER_LOG")"
		only_events crash discarded takeover
	done
}

@test "what such signals bring comes with them: values, and a timer's" {
	local leader
	for leader in old new; do
		LOG=$BATS_TEST_TMPDIR/events.$leader.log
		start "$MX" run --leader "$leader" --max-recoveries 0 --log "$LOG" \
			"$(victim queued)" "$(victim queued)" -- "$BATS_TEST_TMPDIR/go.$leader"
		wait_until 20 grep -q ready "$SERVER_LOG"
		sleep 0.1
		kill -KILL "$(version_pid leader "$(sed -n 's/ready //p' "$SERVER_LOG")")"
		wait_until 20 grep -q takeover "$LOG"
		touch "$BATS_TEST_TMPDIR/go.$leader"
		wait "$SERVER"
		[ "$(grep came "$SERVER_LOG")" = $'came 1\ncame 2\ncame 3\ncame 100' ] || fail "$(cat "$SERVER_LOG")"
		only_events crash discarded takeover
	done
}

@test "children that a version has not asked about are gone in the other one, too" {
	local leader options
	for leader in old new; do
		for options in --sync=stream --sync=lockstep; do
			LOG=$(mktemp "$BATS_TEST_TMPDIR/events.XXXXXX")
			rm -f "$BATS_TEST_TMPDIR/go"
			start "$MX" run --leader "$leader" $options --max-recoveries 0 --log "$LOG" \
				"$(victim unasked)" "$(victim unasked)" -- "$BATS_TEST_TMPDIR/go"
			wait_until 20 grep -q ready "$SERVER_LOG"
			kill -KILL "$(version_pid leader "$(sed -n 's/ready //p' "$SERVER_LOG")")"
			wait_until 20 grep -q takeover "$LOG"
			touch "$BATS_TEST_TMPDIR/go"
			wait "$SERVER"
			grep -qx 'none is left' "$SERVER_LOG" || fail "$(cat "$SERVER_LOG")"
			! grep ': no$' "$SERVER_LOG" || fail "$(cat "$SERVER_LOG")"
			only_events crash discarded takeover
		done
	done
}

@test "members of a set that the versions know by each other's numbers" {
	local leader
	for leader in old new; do
		LOG=$BATS_TEST_TMPDIR/events.$leader.log
		start "$MX" run --leader "$leader" --max-recoveries 0 --log "$LOG" \
			"$(victim members_old)" "$(victim members_new)" -- "$BATS_TEST_TMPDIR/go.$leader"
		wait_until 20 grep -q ready "$SERVER_LOG"
		sleep 0.2
		kill -KILL "$(version_pid leader "$(sed -n 's/ready //p' "$SERVER_LOG")")"
		wait_until 20 grep -q takeover "$LOG"
		touch "$BATS_TEST_TMPDIR/go.$leader"
		wait "$SERVER"
		grep -qx 'wrong == 0: yes' "$SERVER_LOG"
		only_events crash discarded takeover
	done
}
