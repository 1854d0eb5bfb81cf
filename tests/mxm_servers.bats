#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Debian's servers, stripped as they are, as two versions with real clients: no request fails, and the
# versions never diverge. Two copies of one, and neighbours from the archive. MX_REQUESTS is how many
# requests each server is sent (1200).

load lib
load mxm

requests=${MX_REQUESTS:-1200}

setup() {
	need python3 jq
	port=$(free_port)
	site=$BATS_TEST_TMPDIR
	mkdir -p "$site/www"
	echo hello >"$site/www/index.html"
	head -c 100000 /dev/urandom >"$site/www/big"
	# A server gives up root for a user of its own, who has to get there.
	[[ ${TMPDIR-} != */mx-test.* ]] || chmod 711 "$TMPDIR"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
}

# in_each_mode COMMAND...: in each mode, led by either.
in_each_mode() {
	local sync leader=old
	for sync in stream barrier lockstep; do
		leader=$([ $leader = old ] && echo new || echo old)
		PAIR_OPTIONS="--sync $sync --leader $leader"
		"$@" || fail "$PAIR_OPTIONS: $*"
		stop "$SERVER" TERM || [ $? -lt 126 ] || [ $? = 143 ]
		only_events
	done
}

redis_serves() {
	start_pair "$port" "$1" "$2" --port "$port" --bind 127.0.0.1 --dir "$site" --save ""
	wait_until 20 redis-cli -p "$port" ping
	redis-benchmark -p "$port" -c 50 -n "$requests" -t set,get,incr,lpush,lrange_100 --csv \
		>"$site/bench" 2>&1
	[ "$(grep -c '^"' "$site/bench")" -ge 5 ] || fail "$(cat "$site/bench")"
	! grep -iE 'error|reset|closed' "$site/bench" || fail "$(cat "$site/bench")"
	[ "$(redis-cli -p "$port" get counter:__rand_int__)" = "$requests" ]
	# A child that saves, while the parent serves.
	redis-cli -p "$port" bgsave
	redis-benchmark -p "$port" -c 10 -n 200 -t set -q >/dev/null
	wait_until 20 sh -c "redis-cli -p $port info persistence | grep -q rdb_bgsave_in_progress:0"
	redis-cli -p "$port" info persistence | grep -q rdb_last_bgsave_status:ok
	[ -s "$site/dump.rdb" ]
	rm "$site/dump.rdb"
	[ "$(printf 'MULTI\nSET a 1\nINCR a\nEXEC\nGET a\n' | redis-cli -p "$port" | tail -n 1)" = 2 ]
}

@test "redis: redis-benchmark, BGSAVE, MULTI" {
	need redis-server redis-cli redis-benchmark
	in_each_mode redis_serves "$(command -v redis-server)" "$(command -v redis-server)"
}

@test "redis: 7.0.15-1~deb12u7 and ~deb12u10" {
	need redis-cli redis-benchmark
	local old new
	old=$(package redis-tools '5:7.0.15-1~deb12u7')/usr/bin/redis-check-rdb
	new=$(package redis-tools '5:7.0.15-1~deb12u10')/usr/bin/redis-check-rdb
	# The server is the same file by another name.
	cp "$old" "$site/redis-old" && cp "$new" "$site/redis-new"
	mkdir "$site/o" "$site/n"
	mv "$site/redis-old" "$site/o/redis-server"
	mv "$site/redis-new" "$site/n/redis-server"
	in_each_mode redis_serves "$site/o/redis-server" "$site/n/redis-server"
}

redis_threads_serve() {
	start_pair "$port" "$1" "$1" --port "$port" --bind 127.0.0.1 --dir "$site" --save "" \
		--io-threads 4 --io-threads-do-reads yes
	wait_until 20 redis-cli -p "$port" ping
	redis-benchmark -p "$port" -c 50 -n 400 -t incr --csv >"$site/bench" 2>&1
	! grep -iE 'error|reset|closed' "$site/bench" || fail "$(cat "$site/bench")"
	[ "$(redis-cli -p "$port" get counter:__rand_int__)" = 400 ]
}

@test "redis with threads that wait for each other without a call" {
	need redis-server redis-cli redis-benchmark
	in_each_mode redis_threads_serve "$(command -v redis-server)"
}

http_serves() {
	local i
	start_pair "$port" "$@"
	python3 "$ROOT/tests/requests.py" http "$port" 10 "$requests" /index.html 6
	python3 "$ROOT/tests/requests.py" http "$port" 4 40 /big 100000
	# And a connection for each request.
	for i in 1 2 3 4 5 6 7 8 9 10; do
		curl -sS -f "http://127.0.0.1:$port/big" | cmp - "$site/www/big"
		[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/missing")" = 404 ]
	done
}

@test "lighttpd" {
	need lighttpd curl
	cat >"$site/lighttpd.conf" <<-END
	server.port = $port
	server.bind = "127.0.0.1"
	server.document-root = "$site/www"
	server.max-keep-alive-requests = 100000
	server.errorlog = "$site/error.log"
	server.modules = ("mod_accesslog")
	accesslog.filename = "$site/access.log"
	END
	in_each_mode http_serves "$(command -v lighttpd)" "$(command -v lighttpd)" -D -f "$site/lighttpd.conf"
}

nginx_conf() {
	cat >"$site/nginx.conf" <<-END
	worker_processes 2;
	pid $site/nginx.pid;
	error_log $site/error.log info;
	daemon off;
	events { worker_connections 100; }
	http {
		access_log $site/access.log;
		keepalive_requests 100000;
		client_body_temp_path $site/t1; proxy_temp_path $site/t2; fastcgi_temp_path $site/t3;
		uwsgi_temp_path $site/t4; scgi_temp_path $site/t5;
		server { listen 127.0.0.1:$port; root $site/www; }
	}
	END
}

@test "nginx with two workers" {
	need nginx curl
	nginx_conf
	in_each_mode http_serves "$(command -v nginx)" "$(command -v nginx)" -c "$site/nginx.conf" -p "$site"
}

@test "nginx: 1.22.1-9+deb12u9 and +deb12u11" {
	need curl
	nginx_conf
	in_each_mode http_serves "$(package nginx 1.22.1-9+deb12u9)/usr/sbin/nginx" \
		"$(package nginx 1.22.1-9+deb12u11)/usr/sbin/nginx" -c "$site/nginx.conf" -p "$site"
}

memcached_serves() {
	start_pair "$port" "$1" "$2" -u nobody -l 127.0.0.1 -p "$port" -t 4
	python3 "$ROOT/tests/requests.py" memcached "$port" 8 "$requests"
}

@test "memcached with four threads" {
	need memcached
	in_each_mode memcached_serves "$(command -v memcached)" "$(command -v memcached)"
}

@test "memcached: 1.6.18-1 and +deb12u1" {
	in_each_mode memcached_serves "$(package memcached 1.6.18-1)/usr/bin/memcached" \
		"$(package memcached 1.6.18-1+deb12u1)/usr/bin/memcached"
}

postgres_serves() {
	local bin=$1 here=(-h 127.0.0.1 -p "$port" -U postgres)
	PAIR_AS="setpriv --reuid=postgres --regid=postgres --init-groups"
	start_pair "$port" "$bin/postgres" "$bin/postgres" -D "$site/db/data" -p "$port" -k "$site/db" \
		-c listen_addresses=127.0.0.1 -c fsync=off
	PAIR_AS=
	wait_until 30 "$bin/psql" "${here[@]}" -c 'select 1'
	"$bin/pgbench" "${here[@]}" -i -q postgres >"$site/bench" 2>&1 || fail "$(cat "$site/bench")"
	"$bin/pgbench" "${here[@]}" -c 4 -t $((requests / 8)) postgres >"$site/bench" 2>&1 ||
		fail "$(cat "$site/bench")"
	grep -q 'failed transactions: 0 ' "$site/bench" || fail "$(cat "$site/bench")"
	[ "$("$bin/psql" "${here[@]}" -Atc 'select count(*) from pgbench_history')" = $((requests / 8 * 4)) ]
}

@test "postgresql: pgbench" {
	local bin=/usr/lib/postgresql/15/bin
	[ -x $bin/postgres ] || skip "no postgresql-15"
	[ "$(id -u)" = 0 ] || skip "needs root, to become postgres"
	need setpriv
	mkdir "$site/db"
	chown postgres "$site/db"
	# The log of events is the engine's, and so that user's.
	setpriv --reuid=postgres --regid=postgres --init-groups \
		$bin/initdb -D "$site/db/data" -A trust -U postgres -N >/dev/null
	install -o postgres /dev/null "$BATS_TEST_TMPDIR/events.$port.log"
	in_each_mode postgres_serves $bin
}
