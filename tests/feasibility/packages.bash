# SPDX-License-Identifier: Apache-2.0
# The packages of scripts/feasibility. For each: the binary package that has the program, what else
# is built of its source; files_X DIR makes the files that each version finds where it starts, args_X
# prints the program and its arguments, and drive_X, where there is one, is the workload. PORT is set.
# Clients leave time between two connections: what comes first when one is closed and another one is
# opened at once is chance.
# shellcheck shell=bash disable=SC2034,SC2317

declare -A PACKAGES=(
	[redis]=redis-tools [nginx]=nginx [memcached]=memcached [lighttpd]=lighttpd
	[haproxy]=haproxy [curl]=curl [sqlite3]=sqlite3 [jq]=jq [openssl]=openssl [xz]=xz-utils
)
# Where another package had the program.
declare -A FORMERLY=(['nginx bullseye']=nginx-light)
# The server is one of the faces of that program.
declare -A ARGV0=([redis]=redis-server)
declare -A SIBLINGS=(
	[nginx]='nginx-common'
	[nginx-light]='nginx-common libnginx-mod-http-echo'
	[curl]='libcurl4 libcurl4t64'
	[sqlite3]='libsqlite3-0'
	[jq]='libjq1'
	[openssl]='libssl1.1 libssl3 libssl3t64 openssl-provider-legacy'
	[xz-utils]='liblzma5'
)

PAUSE=0.05

# Without connecting: the server would see that.
wait_for_port() {
	local i hex
	printf -v hex ':%04X' "$PORT"
	for ((i = 0; i < 200; i++)); do
		awk -v port="$hex" '$4 == "0A" && index($2, port) { found = 1 } END { exit !found }' \
			/proc/net/tcp && return
		sleep 0.05
	done
	echo "nobody listens on port $PORT" >&2
	return 1
}

# converse LINE...: to the server on descriptor 3, and one line of its answer for each.
converse() {
	local line
	for line; do
		printf '%s\r\n' "$line" >&3
		IFS= read -r -t 10 _ <&3 || return
	done
}

# get PATH: the whole answer of a connection of its own.
get() {
	sleep $PAUSE
	exec 3<>"/dev/tcp/127.0.0.1/$PORT"
	printf '%s %s HTTP/1.0\r\nHost: here\r\n\r\n' "${2:-GET}" "$1" >&3
	timeout 10 cat <&3 >/dev/null
	exec 3>&-
}

drive_web() {
	wait_for_port
	get /
	get /index.html
	get /not-there
	get /index.html HEAD
	get /../../etc/passwd
	sleep $PAUSE
}

files_redis() { :; }
args_redis() { echo /usr/bin/redis-check-rdb --port "$PORT" --bind 127.0.0.1; }
drive_redis() {
	wait_for_port
	sleep $PAUSE
	exec 3<>"/dev/tcp/127.0.0.1/$PORT"
	converse PING 'SET a 1' 'INCR a' 'LPUSH l x' 'LPUSH l y' 'SADD s m' 'HSET h f v' 'ZADD z 1 m' \
		MULTI 'SET b 2' 'INCR b' 'DEL a' 'EXPIRE b 1000' NONSENSE
	exec 3>&-
	sleep $PAUSE
}

files_nginx() {
	cat >"$1/nginx.conf" <<-END
		worker_processes 1;
		daemon off;
		pid nginx.pid;
		error_log error.log;
		events { worker_connections 100; }
		http {
		access_log access.log;
		client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
		server { listen 127.0.0.1:$PORT; root .; location /x { return 302 /; } }
		}
	END
	echo hello >"$1/index.html"
}
args_nginx() { echo /usr/sbin/nginx -p . -c nginx.conf; }
drive_nginx() { drive_web; }

files_memcached() { :; }
args_memcached() { echo /usr/bin/memcached -u nobody -p "$PORT" -l 127.0.0.1 -U 0 -t 2; }
drive_memcached() {
	wait_for_port
	sleep $PAUSE
	exec 3<>"/dev/tcp/127.0.0.1/$PORT"
	converse $'set a 0 0 5\r\nhello' 'delete b' $'add n 0 0 1\r\n1' 'incr n 1' 'touch a 100' 'flush_all' version
	exec 3>&-
	sleep $PAUSE
}

files_lighttpd() {
	cat >"$1/lighttpd.conf" <<-END
		server.document-root = var.CWD
		server.port = $PORT
		server.bind = "127.0.0.1"
		server.errorlog = var.CWD + "/error.log"
		index-file.names = ( "index.html" )
		mimetype.assign = ( ".html" => "text/html" )
	END
	echo hello >"$1/index.html"
}
args_lighttpd() { echo /usr/sbin/lighttpd -D -f lighttpd.conf; }
drive_lighttpd() { drive_web; }

files_haproxy() {
	cat >"$1/haproxy.cfg" <<-END
		global
		    nbthread 1
		defaults
		    mode http
		    timeout client 5s
		    timeout server 5s
		    timeout connect 5s
		frontend here
		    bind 127.0.0.1:$PORT
		    http-request return status 200 content-type text/plain string hello if { path /index.html }
		    http-request deny
	END
}
args_haproxy() { echo /usr/sbin/haproxy -db -f haproxy.cfg; }
drive_haproxy() { drive_web; }

files_curl() {
	seq 1 5000 >"$1/numbers"
}
args_curl() { echo /usr/bin/curl -sS -o copy -o copy2 file:///etc/passwd file:///etc/group; }

files_sqlite3() {
	{
		echo 'create table t (a integer primary key, b text);'
		seq 1 200 | sed "s/.*/insert into t values (&, 'row &');/"
		echo 'create index i on t (b); select count(*) from t; delete from t where a % 3 = 0;'
		echo 'select b from t where b > "row 9" order by b limit 5; vacuum;'
	} >"$1/script.sql"
}
args_sqlite3() { echo /usr/bin/sqlite3 -init script.sql -batch base.db .tables; }

files_jq() {
	seq 1 2000 | sed 's/.*/{"id": &, "name": "n&", "list": [1, 2, &]}/' >"$1/in.json"
}
args_jq() { echo /usr/bin/jq -c 'select(.id%2==0)|{id,sum:(.list|add)}' in.json; }

files_openssl() {
	seq 1 20000 >"$1/numbers"
}
args_openssl() { echo /usr/bin/openssl enc -aes-256-cbc -pbkdf2 -pass pass:word -in numbers -out out; }

files_xz() {
	seq 1 100000 >"$1/numbers"
}
args_xz() { echo /usr/bin/xz -k -6 numbers; }

# served.c beside this file: how many revisions it has, and one of them. "#if REVISION >= N", "#else" and
# "#endif" are resolved.
SERVED=$(dirname "${BASH_SOURCE[0]}")/served.c
revisions() {
	sed -n 's/^#define REVISIONS //p' "$SERVED"
}
revision() {
	awk -v revision="$1" '
		/^#if REVISION >= / { deep++; on[deep] = revision >= $4; next }
		/^#else/ { on[deep] = !on[deep]; next }
		/^#endif/ { deep--; next }
		{ for (i = 1; i <= deep && on[i]; i++); if (i > deep) print }' "$SERVED"
}
drive_served() {
	wait_for_port
	sleep $PAUSE
	exec 3<>"/dev/tcp/127.0.0.1/$PORT"
	converse 'set a 1' 'set b two' 'get a' 'get nothing' 'del a' 'get a' count nonsense save
	exec 3>&-
	sleep $PAUSE
}
