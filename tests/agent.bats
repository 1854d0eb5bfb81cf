#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The in-process agent: calls without a stop, and everything that can happen to a thread inside it.

load lib
load mxm

setup() {
	unset MX_NO_AGENT
}

# calls_by_agent VERSION, calls_by_ptrace VERSION: from what --stats has printed to the file stats.
calls_by_agent() {
	sed -n "s/^mx: $1: \([0-9]*\) calls by its agent.*/\1/p" stats
}

calls_by_ptrace() {
	sed -n "s/^mx: $1: .* \([0-9]*\) by ptrace/\1/p" stats
}

# by_ptrace VERSION CALL: how many of these came by ptrace.
by_ptrace() {
	sed -n "s/^mx: $1, by ptrace:.* $2 \([0-9]*\).*/\1/p" stats | grep . || echo 0
}

@test "hot calls in every circumstance are as they are alone" {
	local sync leader
	for sync in stream barrier lockstep; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader"
			compare_native "$(victim hot)" "$(victim hot)" --
		done
	done
}

@test "hot calls in every circumstance are as they are alone, when one version goes on" {
	local verb kept=new run
	cd "$BATS_TEST_TMPDIR"
	for verb in promote abort; do
		rm -f control begin
		: >begin
		"$(victim hot)" begin >native || [ $? = 5 ]
		rm begin
		mx_run --stats --control control "$(victim hot)" "$(victim hot)" -- begin >shown 2>stats &
		run=$!
		started+=("$run")
		wait_until 10 test -S control
		"$MX" status --control control --until mirroring --timeout 20
		"$MX" "$verb" --control control
		: >begin
		wait "$run" || [ $? = 5 ]
		cat stats
		diff native shown
		[ "$(calls_by_agent "$kept")" -gt 20000 ]
		kept=old
	done
}

@test "both versions' hot calls go by their agents, and none with --no-agent" {
	cd "$BATS_TEST_TMPDIR"
	mx_run --stats --sync stream "$(victim hot)" "$(victim hot)" -- >/dev/null 2>stats || [ $? = 5 ]
	cat stats
	[ "$(calls_by_agent old)" -gt 3000 ]
	[ "$(calls_by_agent new)" -gt 3000 ]
	MX_NO_AGENT=1 mx_run --stats --sync stream "$(victim hot)" "$(victim hot)" -- >/dev/null 2>stats || [ $? = 5 ]
	[ "$(calls_by_agent old)" = 0 ]
	assert_no_divergence
}

@test "processes that share memory have agents, and come to it in one order" {
	local sync leader
	for sync in stream barrier; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader"
			compare_native "$(victim together)" "$(victim together)" --
		done
	done
	MX_TEST_OPTIONS=""
	cd "$BATS_TEST_TMPDIR"
	mx_run --stats --sync stream "$(victim together)" "$(victim together)" -- >/dev/null 2>stats
	cat stats
	[ "$(calls_by_agent old)" -gt 300 ]
	[ "$(calls_by_agent new)" -gt 300 ]
}

@test "waiting for events goes by both versions' agents, with as much room as a server gives" {
	local sync
	cd "$BATS_TEST_TMPDIR"
	for sync in stream barrier; do
		mx_run --stats --sync "$sync" "$(victim epoll_hot)" "$(victim epoll_hot)" -- >shown 2>stats
		cat shown stats
		[ "$(cat shown)" = 2000 ]
		[ "$(by_ptrace old epoll_wait)" -lt 100 ]
		[ "$(by_ptrace new epoll_wait)" -lt 100 ]
	done
	assert_no_divergence
}

@test "a server under load: no divergence, nearly all of its calls by the agent" {
	need redis-server redis-benchmark redis-cli
	local port
	cd "$BATS_TEST_TMPDIR"
	port=$(free_port)
	PAIR_OPTIONS="--stats --sync stream" start_pair "$port" "$(command -v redis-server)" \
		"$(command -v redis-server)" --port "$port" --bind 127.0.0.1 --save ""
	wait_until 20 redis-cli -p "$port" ping
	redis-benchmark -p "$port" -n 30000 -c 20 -q -t set,get,incr >/dev/null
	redis-cli -p "$port" shutdown nosave || :
	wait "$SERVER"
	assert_no_divergence
	cp "$SERVER_LOG" stats
	cat stats
	[ "$(calls_by_agent old)" -gt 20000 ]
	[ "$(calls_by_agent old)" -gt $((99 * $(calls_by_ptrace old))) ]
}

@test "a version that writes other bytes is found out among the agent's calls" {
	cd "$BATS_TEST_TMPDIR"
	seq 400000 | sed '390000s/$/x/' >numbers
	echo '["tr", "x", "y"]' >old.json
	# At a barrier, where the leader cannot have ended before its follower has an agent as well.
	mx_run --stats --sync barrier --leader old --prefer leader --old-args old.json "$(command -v tr)" "$(command -v tr)" -- \
		x z <numbers >shown 2>stats
	cat stats
	[ "$(calls_by_agent old)" -gt 200 ]
	[ "$(events divergence)" = 1 ]
	[ "$(event_field divergence kind)" = arguments ]
	cmp shown <(tr x y <numbers)
}

@test "a version that spoils what the agents share harms neither the engine nor the other one" {
	"$BATS_TEST_DIRNAME/ring_faults.py" "$MX" "$(victim vandal)" 24 1
}

@test "a version alone has the right time, and it does not go back" {
	need python3
	local run
	cd "$BATS_TEST_TMPDIR"
	cat >clocks.py <<-'EOF'
		import os, time
		clocks = [time.time, time.monotonic, lambda: time.clock_gettime(time.CLOCK_BOOTTIME)]
		last = [now() for now in clocks]
		ends = last[1] + 4
		while last[1] < ends:
		    for i, now in enumerate(clocks):
		        t = now()
		        if t < last[i] or t > last[i] + 2:
		            print("clock", i, "from", last[i], "to", t)
		        last[i] = t
		    os.stat("clocks.py")
		print("at", int(last[0]))
	EOF
	mx_run --control control --stats --sync stream "$(command -v python3)" "$(command -v python3)" -- clocks.py >shown 2>stats &
	run=$!
	wait_until 10 test -S control
	sleep 1.5
	"$MX" promote --control control
	wait "$run"
	cat shown stats
	[ "$(wc -l <shown)" = 1 ]
	[ $(($(date +%s) - $(sed -n 's/^at //p' shown))) -le 2 ]
	[ "$(calls_by_agent new)" -gt $((2 * $(calls_by_agent old))) ]
	# Its files, too.
	[ $(($(calls_by_ptrace new) - $(calls_by_ptrace old))) -lt 20000 ]
}

@test "the call at which a version finds itself alone is made" {
	need python3
	local how
	cd "$BATS_TEST_TMPDIR"
	cat >looks.py <<-'EOF'
		import os, time
		ends = time.monotonic() + 2
		while time.monotonic() < ends:
		    for i in range(40):
		        os.getppid()
		    for i in range(40):
		        os.stat("looks.py")
		print("all are there")
	EOF
	# Promoted, or the first or the second of the engine's children is lost: follower and leader.
	for how in promote 1 2; do
		rm -f control
		"$MX" run --control control --max-recoveries 0 "$(command -v python3)" "$(command -v python3)" -- \
			looks.py >shown 2>&1 3>&- &
		SERVER=$!
		started+=("$SERVER")
		wait_until 10 test -S control
		sleep 0.7
		if [ "$how" = promote ]; then
			"$MX" promote --control control
		else
			kill -SEGV "$(version_pids | sed -n "${how}p")"
		fi
		wait "$SERVER"
		cat shown
		[ "$(cat shown)" = "all are there" ]
	done
}

@test "when it is decided that one version goes on, its files and descriptors need no stop, in several processes too" {
	need nginx curl
	local verb kept=new
	site=$BATS_TEST_TMPDIR
	cd "$site"
	mkdir www
	seq 100 >www/page
	for verb in promote abort; do
		port=$(free_port)
		cat >nginx.conf <<-END
			user root; worker_processes 1; daemon off; pid $site/nginx.pid; error_log $site/error.log;
			events { worker_connections 100; }
			http {
				access_log off; keepalive_requests 100000;
				client_body_temp_path $site/t1; proxy_temp_path $site/t2; fastcgi_temp_path $site/t3;
				uwsgi_temp_path $site/t4; scgi_temp_path $site/t5;
				server { listen 127.0.0.1:$port; root $site/www; }
			}
		END

		PAIR_OPTIONS="--stats --control $site/control" start_pair "$port" "$(command -v nginx)" \
			"$(command -v nginx)" -c "$site/nginx.conf" -p "$site"
		wait_until 20 curl -sf -o first "http://127.0.0.1:$port/page"
		cmp first www/page
		"$MX" "$verb" --control control
		curl -s "http://127.0.0.1:$port/page?[1-2000]" >pages
		[ "$(wc -l <pages)" = 200000 ]
		kill -QUIT "$SERVER"
		wait "$SERVER"
		cp "$SERVER_LOG" stats
		cat stats
		# Five calls and more for each request, of which one by ptrace would be 2000.
		[ "$(calls_by_agent "$kept")" -gt 8000 ]
		[ "$(calls_by_ptrace "$kept")" -lt 3000 ]
		kept=old
	done
}

# A process of its own needs the descriptor: fork, mmap, dup, and the leader's loss.
@test "what an agent opens is there where a process of its own needs it" {
	local sync leader
	cd "$BATS_TEST_TMPDIR"
	for _ in $(seq 100); do printf 0123456789; done >digits
	"$(victim late_new)" digits >native
	for sync in stream barrier; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader"
			rm -f "$LOG"
			mx_run --stats "$(victim late_old)" "$(victim late_new)" -- digits >shown 2>stats
			cmp native shown
			[ "$(calls_by_agent old)" -gt 100 ]
			assert_no_divergence
			mx_run --max-recoveries 0 "$(victim late_old)" "$(victim late_new)" -- digits crash >shown
			cmp native shown
			[ "$(events crash)" = 1 ]
			[ "$(events divergence)" = 0 ]
			[ "$(events not-carried-over)" = 0 ]
		done
	done
}

@test "a version that goes its own way has what the leader's agent opened for it" {
	cd "$BATS_TEST_TMPDIR"
	for _ in $(seq 100); do printf 0123456789; done >digits
	# At a barrier the leader closes nothing that a follower has not come to close.
	MX_TEST_OPTIONS="--sync barrier"
	mx_run --leader new --prefer old "$(victim late_old)" "$(victim late_new)" -- digits apart >shown
	cat shown
	cmp <("$(victim late_old)" digits) shown
	[ "$(event_field divergence let_go)" = new ]
	rm -f "$LOG"
	mx_run --leader old --prefer new "$(victim late_old)" "$(victim late_new)" -- digits apart >shown
	cat shown
	grep -q "my own way" shown
	grep "^[0-9]* and [0-9]*, at" shown
	[ "$(event_field divergence let_go)" = old ]
}

@test "a thread that is taken out of its wait gets to go on, where the engine has the CPU first" {
	cd "$BATS_TEST_TMPDIR"
	# Of equals none is taken off the CPU by one that wakes up, so the engine looks again before it moves.
	local cpu sync
	cpu=$(taskset -pc $$ | sed 's/.*: \([0-9]*\).*/\1/')
	chrt -r 1 true || skip "no right to a real-time policy"
	for sync in stream barrier; do
		chrt -r 1 taskset -c "$cpu" "$MX" run --log log --sync "$sync" --stats "$(victim roused)" "$(victim roused)" >out 2>stats || [ $? = 5 ]
		cat stats
		[ "$(cat out)" = "the last was x" ]
		[ "$(sed -n 's/.* \([0-9]*\) stops$/\1/p' stats)" -lt 2000 ]
	done
}
