# SPDX-License-Identifier: Apache-2.0
# What the tests of running programs share beside lib.bash: servers as two versions, and how to get
# at one of them.
# shellcheck disable=SC2034,SC2154 # variables of lib.bash and of the files that load this

# start_pair PORT OLD NEW ARGS...: a server as two versions; the front is $SERVER, as with start.
# $PAIR_OPTIONS are for mx run, $PAIR_AS is a command in front of it.
start_pair() {
	local port=$1 old=$2 new=$3 options as
	shift 3
	read -ra options <<<"$MX_TEST_OPTIONS ${MX_NO_AGENT:+--no-agent} ${PAIR_OPTIONS-}"
	read -ra as <<<"${PAIR_AS-}"
	LOG=$BATS_TEST_TMPDIR/events.$port.log
	truncate --no-create --size 0 "$LOG" # the same port, drawn a second time
	start_server "$port" "${as[@]}" "$MX" run --log "$LOG" "${options[@]}" "$old" "$new" -- "$@"
}

# version_pids: the first process of each version of $SERVER: children of the engine, which is the
# front's child.
version_pids() {
	pgrep -P "$(pgrep -P "$SERVER")"
}

# version_pid leader|follower KNOWN: one of them; KNOWN is the id that the program knows, and as long
# as no version was let go that is the leader's.
version_pid() {
	local pid
	for pid in $(version_pids); do
		if [ "$1" = leader ] && [ "$pid" = "$2" ]; then echo "$pid"; fi
		if [ "$1" = follower ] && [ "$pid" != "$2" ]; then echo "$pid"; fi
	done
}

# only_events NAME...: the log has each of them, once, and nothing else that is bad.
only_events() {
	local found
	found=$(jq -r '.event' "$LOG" | grep -E \
		'^(divergence|discarded|crash|takeover|standstill|signal-failed|unsupported-syscall)$' || :)
	[ "$(sort <<<"$found")" = "$(printf '%s\n' "$@" | sort)" ] ||
		fail "events are '${found//$'\n'/ }' and not '$*': $(cat "$LOG")"
}
