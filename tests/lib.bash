# SPDX-License-Identifier: Apache-2.0
# What bats files share: `load lib` at the top of each. A file that needs a teardown of its own calls
# stop_all in it.
# shellcheck disable=SC2034,SC2154 # variables of bats and of the files that load this

bats_require_minimum_version 1.5.0

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$ROOT/$BUILD
MX=$BUILD/mx
VICTIMS=$BUILD/victims
# shellcheck source=scripts/ports
. "$ROOT/scripts/ports"

# Options of `mx run` for every run, as one string: the suite is run again with others by this.
MX_TEST_OPTIONS=${MX_TEST_OPTIONS-}

started=()

# fail TEXT...: ends the test.
fail() {
	printf '%s\n' "$*" >&2
	return 1
}

need() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip "no $program; scripts/install-deps test"
	done
}

# mx_run ARGS...: mx run with the event log in $LOG (new for each test).
mx_run() {
	local options
	read -ra options <<<"$MX_TEST_OPTIONS ${MX_NO_AGENT:+--no-agent}"
	LOG=${LOG:-$BATS_TEST_TMPDIR/events.log}
	"$MX" run --log "$LOG" "${options[@]}" "$@"
}

# events NAME: how many events of that name are in the log. Every line has to be JSON.
events() {
	[ -e "$LOG" ] || { echo 0; return; }
	jq -s --arg name "$1" 'map(select(.event == $name)) | length' "$LOG"
}

# event_field NAME FIELD: the field's value in the first event of that name.
event_field() {
	jq -rs --arg name "$1" --arg field "$2" \
		'map(select(.event == $name))[0][$field] // empty' "$LOG"
}

# Nothing happened but the start and the end.
assert_no_divergence() {
	local bad
	bad=$(jq -c 'select(.event | IN("divergence", "discarded", "crash", "takeover",
		"unsupported-syscall"))' "$LOG") || fail "the log is not JSON"
	[ -z "$bad" ] || fail "unexpected events: $bad"
}

# wait_until SECONDS COMMAND...: tries the command until it succeeds.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { fail "timed out waiting for: $*"; return; }
		sleep 0.05
	done
}

port_open() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start COMMAND...: runs it in the background with its output in $SERVER_LOG; its id is $SERVER and
# stop_all ends it. Descriptor 3 is bats' own and would keep the test from ending.
start() {
	SERVER_LOG=$BATS_TEST_TMPDIR/server.${#started[@]}.log
	"$@" >"$SERVER_LOG" 2>&1 </dev/null 3>&- &
	SERVER=$!
	started+=("$SERVER")
}

# start_server PORT COMMAND...: as start, and waits until the port is open.
start_server() {
	local port=$1
	shift
	start "$@"
	wait_until 20 server_is_up "$port" "$SERVER" || {
		cat "$SERVER_LOG" >&2
		return 1
	}
}

# True too once the server is dead: waiting longer would not help, and the caller's first use of the
# port says so.
server_is_up() {
	port_open "$1" || ! kill -0 "$2"
}

# stop PID [SIGNAL]: ends it, waits, and gives its exit status.
stop() {
	local pid=$1 status=0
	kill -"${2:-TERM}" "$pid" 2>/dev/null || :
	for _ in {1..200}; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	if kill -0 "$pid" 2>/dev/null; then
		kill -KILL "$pid"
		fail "process $pid did not end in 10 s"
	fi
	wait "$pid" || status=$?
	return $status
}

stop_all() {
	local pid
	for pid in "${started[@]}"; do
		if kill -0 "$pid" 2>/dev/null; then
			stop "$pid" TERM >/dev/null 2>&1 || :
		fi
	done
	started=()
}

teardown() {
	stop_all
}

# in_fresh_folder COMMAND...: runs it in a new folder that prepare, where the file defines it, fills;
# the same path each time, because programs print it. Leaves stdout, stderr, status and the tree
# beside it, in $RESULT.
in_fresh_folder() {
	local work=$BATS_TEST_TMPDIR/work status=0
	rm -rf "$work" "$RESULT"
	mkdir -p "$work" "$RESULT"
	if declare -F prepare >/dev/null; then
		(cd "$work" && prepare) || return
	fi
	(
		cd "$work" || exit 1
		"$@" <"${STDIN:-/dev/null}" >"$RESULT/stdout" 2>"$RESULT/stderr" 3>&-
	) || status=$?
	echo $status >"$RESULT/status"
	mv "$work" "$RESULT/tree"
	# Kinds, modes and link targets; what is in files is compared by diff.
	(cd "$RESULT/tree" && find . -printf '%y %m %p %l\n' | sort) >"$RESULT/listing"
	# diff has no way to find two FIFOs the same.
	find "$RESULT/tree" \( -type p -o -type s \) -delete
}

# compare_native OLD NEW -- ARGS: NEW alone and OLD and NEW as one do the same: output, exit status
# and files; and the versions did not diverge. $STDIN is a file for both. The three results are in
# $BATS_TEST_TMPDIR/{native,mx}.
compare_native() {
	local old=$1 new=$2
	shift 2
	[ "$1" = -- ] && shift
	LOG=$BATS_TEST_TMPDIR/events.log
	rm -f "$LOG"
	RESULT=$BATS_TEST_TMPDIR/native in_fresh_folder "$new" "$@"
	RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder mx_run "$old" "$new" -- "$@"
	diff -r --no-dereference "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/mx" >&2 ||
		fail "mx run $old $new -- $* differs from native (<)"
	assert_no_divergence
}

# compare_self PROGRAM ARGS...: the same with two copies of one program.
compare_self() {
	local program
	program=$(command -v "$1") || fail "no program $1"
	shift
	compare_native "$program" "$program" -- "$@"
}

# victim NAME: the path of a built test program.
victim() {
	[ -x "$VICTIMS/$1" ] || fail "no victim $1: make victims"
	printf '%s\n' "$VICTIMS/$1"
}

# package NAME VERSION: Debian's package of that version, unpacked; its folder.
package() {
	local dir=${MX_PACKAGES:-$BATS_FILE_TMPDIR}/$1_${2//[:~]/_}
	if [ ! -d "$dir" ]; then
		mkdir -p "$dir.part"
		(cd "$dir.part" && apt-get download "$1=$2" >/dev/null 2>&1) ||
			skip "the archive has no $1 $2"
		dpkg-deb -x "$dir.part"/*.deb "$dir.part/root"
		mv "$dir.part" "$dir"
	fi
	printf '%s\n' "$dir/root"
}
