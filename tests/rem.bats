#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Recovery: a version that crashed comes back, runs on its own functions, and may crash again; what
# comes out is what the version without the bug would have said, each time. MX_CRASHES is how often
# redis crashes in each test (20).

load lib
load mxm

setup_file() {
	local root
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	command -v redis-server gcc >/dev/null || return 0
	"$root/scripts/demo-redis" "$BATS_FILE_TMPDIR/roots" >"$BATS_FILE_TMPDIR/redis.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/redis.log"
		return 1
	}
}

setup() {
	need redis-server redis-cli python3 pgrep jq
	good=$BATS_FILE_TMPDIR/roots/old/usr/bin/redis-server
	bad=$BATS_FILE_TMPDIR/roots/new/usr/bin/redis-server
	crashes=${MX_CRASHES:-20}
}

teardown() {
	exec 7>&- || :
	stop_all
}

# recoveries: how many the log tells of.
recoveries() {
	grep -c '"event":"recovered"' "$LOG" || :
}

recovered_times() {
	[ "$(recoveries)" -ge "$1" ]
}

# crash_and_go_on OLD NEW OPTIONS...: the victim is given numbers, among them the one on which the
# new version crashes, and the next one when the version is back.
crash_and_go_on() {
	local old=$1 new=$2 n i=0
	shift 2
	rm -f "$BATS_TEST_TMPDIR/in"
	mkfifo "$BATS_TEST_TMPDIR/in"
	LOG=$(mktemp "$BATS_TEST_TMPDIR/events.XXXXXX")
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" "$@" "$old" "$new" --
	exec 7>"$BATS_TEST_TMPDIR/in"
	wait_until 10 grep -q mirroring "$LOG"
	for n in 1 2 13 3 14 26 13 5 13 8 4 13 13 7; do
		echo $n >&7
		[ $n = 13 ] || continue
		i=$((i + 1))
		wait_until 20 recovered_times $i || fail "$* $i: $(cat "$LOG")"
	done
	exec 7>&-
	wait "$SERVER" || fail "$*: it ended with $?"
	for n in 1 2 13 3 14 26 13 5 13 8 4 13 13 7; do echo $n; done | "$good_victim" >"$BATS_TEST_TMPDIR/want"
	diff "$BATS_TEST_TMPDIR/want" "$SERVER_LOG"
	[ "$(events crash) $(events recovered) $(events divergence)" = "5 5 0" ] || fail "$*: $(cat "$LOG")"
}

@test "--map-cache: what one run has analysed is there for the next" {
	local first
	good_victim=$(victim spliced_old)
	mkdir "$BATS_TEST_TMPDIR/cache"
	crash_and_go_on "$good_victim" "$(victim spliced_new)" --map-cache "$BATS_TEST_TMPDIR/cache"
	first=$(stat -c '%i %y' "$BATS_TEST_TMPDIR"/cache/*.map)
	[ "$(wc -l <<<"$first")" = 1 ]
	crash_and_go_on "$good_victim" "$(victim spliced_new)" --map-cache "$BATS_TEST_TMPDIR/cache"
	[ "$(stat -c '%i %y' "$BATS_TEST_TMPDIR"/cache/*.map)" = "$first" ]
}

@test "a victim: each version with the bug, each as leader, each mode, with symbols and without" {
	local symbols sync leader
	good_victim=$(victim spliced_old)
	bad_victim=$(victim spliced_new)
	for sync in stream barrier lockstep; do
		for leader in old new; do
			crash_and_go_on "$good_victim" "$bad_victim" --sync $sync --leader $leader
			crash_and_go_on "$bad_victim" "$good_victim" --sync $sync --leader $leader
		done
	done
	[ "$(jq -s 'map(select(.event == "recovered").functions) | all(. >= 3)' "$LOG")" = true ]
	# Where it crashed is told by name also when that was in a function that had been put in.
	[ "$(jq -s 'map(select(.event == "crash").backtrace) | length == 5 and
		all(any(startswith("answer+")) and any(startswith("main+")))' "$LOG")" = true ]
	strip -o "$BATS_TEST_TMPDIR/old" "$good_victim"
	strip -o "$BATS_TEST_TMPDIR/new" "$bad_victim"
	crash_and_go_on "$BATS_TEST_TMPDIR/old" "$BATS_TEST_TMPDIR/new"
	# A map that was made before.
	"$MX" analyze -q -o "$BATS_TEST_TMPDIR/map" "$good_victim" "$bad_victim"
	crash_and_go_on "$good_victim" "$bad_victim" --map "$BATS_TEST_TMPDIR/map"
}

# What the engine holds: kilobytes, and descriptors.
engine_holds() {
	local pid kb=0 fds=0

	for pid in "$SERVER" $(pgrep -P "$SERVER"); do
		kb=$((kb + $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")))
		fds=$((fds + $(find "/proc/$pid/fd" -mindepth 1 | wc -l)))
	done
	echo "$kb $fds"
}

# redis_goes_on OLD NEW OPTIONS...: thousands of mixed commands, among them those that crash.
redis_goes_on() {
	local port native kb fds before
	port=$(free_port)
	native=$(free_port)
	PAIR_OPTIONS="--stats --max-recoveries 1000000 ${*:3}"
	start_server "$native" "$good" --port "$native" --bind 127.0.0.1 --save ""
	start_pair "$port" "$1" "$2" --port "$port" --bind 127.0.0.1 --save ""
	wait_until 20 redis-cli -p "$port" ping
	wait_until 20 redis-cli -p "$native" ping
	# The first time takes longer: the versions are analysed.
	redis-cli -p "$port" set color "$(printf 'blue%.0s' {1..20})"
	[[ $(redis-cli -p "$port" hmget color red) = *WRONGTYPE* ]]
	wait_until 30 recovered_times 1
	redis-cli -p "$port" flushall
	read -r kb fds < <(engine_holds)
	before="$kb $fds"
	run python3 "$ROOT/tests/mixed.py" "$port" "$native" $((crashes * 100)) $RANDOM 100 "$LOG"
	echo "$output"
	[ "$status" = 0 ] || fail "$(tail -n 5 "$LOG")"
	[ "$(events divergence)" = 0 ]
	[ "$(events crash) $(recoveries)" = "$((crashes + 1)) $((crashes + 1))" ] || fail "$(tail -n 5 "$LOG")"
	# It has warmed up, and does not grow with each: of 1,000 a page each would be too much.
	wait_until 20 redis-cli -p "$port" ping
	read -r kb fds < <(engine_holds)
	[ "$kb" -le $((${before% *} + 2048 + crashes)) ] && [ "$fds" -le $((${before#* } + 2)) ] ||
		fail "the engine's kilobytes and descriptors: $before, $kb $fds"
	# Both are alive, threads and all, and no process more.
	[ "$(version_pids | wc -l)" = 2 ]
	for pid in $(version_pids); do
		[ "$(find "/proc/$pid/task" -maxdepth 1 -mindepth 1 | wc -l)" = 5 ]
	done
	redis-cli -p "$port" shutdown nosave || :
	wait "$SERVER"
	grep -q "mx: $(recoveries) recoveries" "$SERVER_LOG"
	stop_all
}

@test "redis: the new version crashes and comes back" {
	redis_goes_on "$good" "$bad"
	redis_goes_on "$good" "$bad" --leader old --sync stream
}

@test "redis: the old version crashes and comes back" {
	redis_goes_on "$bad" "$good"
	redis_goes_on "$bad" "$good" --leader old
}

@test "either version is killed again and again while clients count" {
	local port pid counting i
	port=$(free_port)
	PAIR_OPTIONS=
	start_pair "$port" "$good" "$bad" --port "$port" --bind 127.0.0.1 --save ""
	wait_until 20 redis-cli -p "$port" ping
	python3 "$ROOT/tests/counters.py" "$port" 20 $((crashes / 5 + 2)) >"$BATS_TEST_TMPDIR/counted" 2>&1 3>&- &
	counting=$!
	wait_until 30 grep -q connected "$BATS_TEST_TMPDIR/counted"
	for ((i = 1; i <= crashes; i++)); do
		pid=$(version_pids | shuf -n 1)
		kill "-$([ $((RANDOM % 2)) = 0 ] && echo SEGV || echo KILL)" "$pid"
		wait_until 20 recovered_times $i || fail "kill $i of $pid: $(tail -n 5 "$LOG")"
	done
	wait $counting || fail "$(cat "$BATS_TEST_TMPDIR/counted" "$LOG")"
	[ "$(events divergence)" = 0 ]
	redis-cli -p "$port" shutdown nosave || :
	wait "$SERVER"
}

# with_library SIDE FLAGS...: a program that hands each number to a library of its own, in which the
# new version crashes at 13.
with_library() {
	local dir=$BATS_TEST_TMPDIR/$1
	mkdir -p "$dir"
	cat >lib.c <<-'C'
		static int seen;
		int lib_work(int n);
		int lib_work(int n)
		{
			seen += n;
		#ifdef NEW
			if (n == 13)
				*(volatile int *)16 = n;
			return n * 3 + seen - 2 * n;
		#else
			return seen + n;
		#endif
		}
	C
	cat >prog.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		int lib_work(int n);
		int main(void)
		{
			char line[64];
			size_t len = 0;
			while (read(0, line + len, 1) == 1) {
				if (line[len++] != '\n')
					continue;
				line[len] = '\0';
				len = 0;
				printf("%s%d\n", line, lib_work(atoi(line)));
				fflush(stdout);
			}
			return 0;
		}
	C
	gcc -O2 -fPIC -shared "${@:2}" -Wl,-soname,libown.so -o "$dir/libown.so" lib.c
	gcc -O2 -o "$dir/prog" prog.c "$dir/libown.so" -Wl,-rpath,'$ORIGIN'
}

@test "the bug is in a library of the program's own: the program is the same in both" {
	need gcc
	cd "$BATS_TEST_TMPDIR"
	with_library old
	with_library new -DNEW
	cmp old/prog new/prog
	good_victim=$PWD/old/prog
	crash_and_go_on old/prog new/prog
	[ "$(jq -s 'map(select(.event == "recovered").functions) | all(. == 1)' "$LOG")" = true ]
	strip old/libown.so new/libown.so
	crash_and_go_on old/prog new/prog --leader old
	# The map that was made of the programs alone says nothing of the library.
	"$MX" analyze -q -o map old/prog new/prog
	LOG=$BATS_TEST_TMPDIR/part.log
	mkfifo in2
	start sh -c 'exec "$@" <"$0"' in2 "$MX" run --log "$LOG" --map map old/prog new/prog --
	exec 7>in2
	echo 13 >&7
	wait_until 20 grep -q '"recovery-refused"' "$LOG"
	[[ $(event_field recovery-refused reason) = *libown.so*"the map has not got them" ]]
	exec 7>&-
	wait "$SERVER"
}

@test "six kinds of bugs, in the new version and in the old" {
	need gcc
	local kinds=(good null walk freed underflow wild recursion) i n
	cd "$BATS_TEST_TMPDIR"
	cat >words.c <<-'C'
		#include <stddef.h>
		#include <stdio.h>
		#include <unistd.h>
		#include "bugs.h"
		int main(void)
		{
			char line[64];
			size_t len = 0;
			while (read(0, line + len, 1) == 1) {
				len++;
				if (line[len - 1] != '\n' && len < sizeof(line))
					continue;
				mx_word(line, len - 1);
				printf("%.*s", (int)len, line);
				fflush(stdout);
				len = 0;
			}
			return 0;
		}
	C
	# In a process of main alone there is no safe point but before main: the word is served below it.
	sed 's/^static void mx_word/__attribute__((noipa)) &/' <"$ROOT/tests/bugs/bugs.h" >bugs.h
	for i in "${!kinds[@]}"; do
		gcc -O2 -D_GNU_SOURCE -DMX_BUG="$i" -I. -o "${kinds[i]}" words.c
		strip "${kinds[i]}"
	done
	mkfifo in
	for i in "${kinds[@]:1}"; do
		for versions in "./good ./$i" "./$i ./good"; do
			LOG=$(mktemp "$BATS_TEST_TMPDIR/$i.XXXXXX")
			read -ra versions <<<"$versions"
			start sh -c 'exec "$@" <"$0"' in "$MX" run --log "$LOG" "${versions[@]}" --
			exec 7>in
			for n in 1 2 3; do
				printf 'known\nbugged\nknown\nmore\n' >&7
				wait_until 30 recovered_times $n || fail "$i: $(cat "$LOG")"
			done
			exec 7>&-
			wait "$SERVER"
			[ "$(cat "$SERVER_LOG")" = "$(for n in 1 2 3; do printf 'known\nbugged\nknown\nmore\n'; done)" ]
			[ "$(events crash) $(events divergence)" = "3 0" ] || fail "$i: $(cat "$LOG")"
		done
	done
}

@test "two roots without a /proc: a file that each version has opened for itself" {
	need gcc ldd
	[ "$(id -u)" = 0 ] || skip "chroot is for root"
	local v n lib
	cd "$BATS_TEST_TMPDIR"
	cat >reader.c <<-'C'
		#include <fcntl.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		__attribute__((noipa)) static void serve(int fd, int n)
		{
			char next = '?';
			if (read(fd, &next, 1) != 1)
				exit(1);
		#ifdef NEW
			if (n == 13)
				*(volatile int *)16 = n;
		#endif
			printf("%d %c\n", n, next);
			fflush(stdout);
		}
		int main(void)
		{
			char line[64];
			size_t len = 0;
			int fd = open("/own", O_RDONLY);
			while (read(0, line + len, 1) == 1) {
				if (line[len++] != '\n')
					continue;
				line[len] = '\0';
				len = 0;
				serve(fd, atoi(line));
			}
			return 0;
		}
	C
	for v in old new; do
		mkdir -p $v
		gcc -O2 -D${v^^} -o $v/reader reader.c
		ldd $v/reader | sed -n 's/.*\s\(\/[^ ]*\) (.*/\1/p' | while read -r lib; do
			install -D "$lib" "$v$lib"
		done
		echo abcdefgh >$v/own
	done
	mkfifo in
	LOG=$PWD/roots.log
	start sh -c 'exec "$@" <"$0"' "$PWD/in" env -C / "$MX" run --log "$LOG" --old-root "$PWD/old" --new-root "$PWD/new" \
		/reader /reader --
	exec 7>in
	n=0
	for i in 1 13 2 13 3; do
		echo $i >&7
		[ $i = 13 ] || continue
		n=$((n + 1))
		wait_until 30 recovered_times $n || fail "$(cat "$LOG")"
	done
	exec 7>&-
	wait "$SERVER"
	[ "$(cat "$SERVER_LOG")" = $'1 a\n13 b\n2 c\n13 d\n3 e' ] || fail "$(cat "$SERVER_LOG")"
	[ "$(events crash) $(events divergence)" = "2 0" ] || fail "$(cat "$LOG")"
}

# keepers NUMBERS OPTIONS...: a program that crashes on 13 or 26, and looks whether the file that it opens
# is its own version's.
keepers() {
	local n=0 i numbers=$1
	shift
	rm -f in
	mkfifo in
	LOG=$(mktemp "$PWD/keeper.XXXXXX")
	start sh -c 'exec "$@" <"$0"' "$PWD/in" env -C / "$MX" run --log "$LOG" --old-root "$PWD/old" \
		--new-root "$PWD/link" ${MX_NO_AGENT:+--no-agent} "$@" /keeper /keeper --
	exec 7>in
	for i in $numbers; do
		echo $i >&7
		[ $((i % 13)) = 0 ] || continue
		n=$((n + 1))
		wait_until 30 recovered_times $n || fail "$* $n: $(cat "$LOG")"
	done
	exec 7>&-
	wait "$SERVER" || fail "$*: it ended with $?"
}

@test "two roots: a version that comes back is in its own one again" {
	need gcc
	[ "$(id -u)" = 0 ] || skip "chroot is for root"
	local v leader lib
	cd "$BATS_TEST_TMPDIR"
	cat >keeper.c <<-'C'
		#include <fcntl.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		__attribute__((noipa)) static int holds(const char *path, const char *mine)
		{
			char text[4] = "";
			int fd = open(path, O_RDONLY);
			ssize_t n = read(fd, text, 3);
			close(fd);
			return n == 3 && strcmp(text, mine) == 0;
		}
		__attribute__((noipa)) static void serve(int n)
		{
		#ifdef NEW
			const char *mine = "new";
			if (n == 13)
				*(volatile int *)16 = n;
		#else
			const char *mine = "old";
			if (n == 26)
				*(volatile int *)32 = n;
		#endif
			printf("%d %d %d\n", n, holds("/below/own", mine), holds("own", mine));
			fflush(stdout);
		}
		int main(int argc, char **argv)
		{
			char line[64];
			size_t len = 0;
			if (chdir("/below"))
				return 1;
			while (read(0, line + len, 1) == 1) {
				if (line[len++] != '\n')
					continue;
				line[len] = '\0';
				len = 0;
				serve(atoi(line));
			}
			return 0;
		}
	C
	for v in old new; do
		mkdir -p $v/below
		gcc -O2 -D${v^^} -o $v/keeper keeper.c
		ldd $v/keeper | sed -n 's/.*\s\(\/[^ ]*\) (.*/\1/p' | while read -r lib; do
			install -D "$lib" "$v$lib"
		done
		echo $v >$v/below/own
	done
	ln -s new link
	for leader in old new; do
		keepers "1 13 2 26 3 13 26 4" --leader $leader
		[ "$(cat "$SERVER_LOG")" = "$(printf '%s 1 1\n' 1 13 2 26 3 13 26 4)" ] || fail "$(cat "$SERVER_LOG" "$LOG")"
		[ "$(events crash) $(events divergence) $(events root-kept)" = "4 0 0" ] || fail "$(cat "$LOG")"
	done
	# Where it may not, the log says so.
	keepers "1 13" --drop-chroot
	[ "$(events root-kept)" = 1 ] || fail "$(cat "$LOG")"
	[ "$(cat "$SERVER_LOG")" = $'1 1 1\n13 1 1' ] || fail "$(cat "$SERVER_LOG")"
}

# utility NAME STATUS ARGS...: with standard input, as each version and led by each, it does what the
# good one does alone, and the log says which rung was taken.
utility() {
	local name=$1 status=$2 versions leader rc
	shift 2
	rm -f made
	rc=0
	./good$name "$@" <in >want 2>want.err || rc=$?
	[ $rc = "$status" ]
	for versions in "./good$name ./bad$name" "./bad$name ./good$name"; do
		for leader in old new; do
			rm -f made log
			rc=0
			LOG=$PWD/log
			# shellcheck disable=SC2086 # two words
			timeout 60 "$MX" run --log log --leader $leader $versions -- "$@" <in >got 2>got.err || rc=$?
			[ $rc = "$status" ] || fail "$versions $leader: $rc: $(cat log)"
			diff want got
			diff want.err got.err
			[ "$(events crash)" = 1 ]
			[ $(($(events recovered) + $(events recovery-refused))) = 1 ] || fail "$(cat log)"
			[ "$(jq -r 'select(.event | IN("recovered", "recovery-refused")).rung' log)" = rejoin ]
		done
	done
}

@test "utilities that crash in main: the output and the status of the version without the bug" {
	need gcc
	local i
	cd "$BATS_TEST_TMPDIR"
	for i in 1 2 3; do
		gcc -O2 -D_GNU_SOURCE -DUTIL=$i -o good$i "$ROOT/tests/bugs/utilities.c"
		gcc -O2 -D_GNU_SOURCE -DUTIL=$i -DBUG -o bad$i "$ROOT/tests/bugs/utilities.c"
		strip good$i bad$i
	done
	printf '5  in\nimproper\n22  in\n' >in
	utility 1 1
	utility 2 0 -Z made
	utility 3 0 123456789012-
	# It lives on, but main, which differs, is on the stack for good: the survivor goes on alone.
	mkfifo slow
	LOG=$BATS_TEST_TMPDIR/slow.log
	start sh -c 'exec "$@" <"$0"' slow "$MX" run --log "$LOG" ./good1 ./bad1 --
	exec 7>slow
	echo improper >&7
	wait_until 60 grep -q '"recovery-refused"' "$LOG"
	[[ $(event_field recovery-refused reason) = *"differs between the versions" ]] || fail "$(cat "$LOG")"
	echo '22  in' >&7
	exec 7>&-
	rc=0
	wait "$SERVER" || rc=$?
	[ $rc = 1 ]
	grep -qx 'in: OK' "$SERVER_LOG"
}

@test "what cannot come back says why, and the other version goes on" {
	LOG=$BATS_TEST_TMPDIR/limit.log
	mkfifo "$BATS_TEST_TMPDIR/in"
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" --max-recoveries 2 \
		"$(victim spliced_old)" "$(victim spliced_new)" --
	exec 7>"$BATS_TEST_TMPDIR/in"
	for i in 1 2; do
		echo 13 >&7
		wait_until 20 recovered_times $i
	done
	echo 13 >&7
	wait_until 20 grep -q '"recovery-refused"' "$LOG"
	[[ $(event_field recovery-refused reason) = *--max-recoveries* ]]
	for i in 13 13 2; do echo $i >&7; done
	exec 7>&-
	wait "$SERVER"
	[ "$(wc -l <"$SERVER_LOG")" = 6 ]
	[ "$(events crash)" = 3 ]
	# Without a map.
	LOG=$BATS_TEST_TMPDIR/map.log
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" --map /dev/null \
		"$(victim spliced_old)" "$(victim spliced_new)" --
	exec 7>"$BATS_TEST_TMPDIR/in"
	echo 13 >&7
	wait_until 20 grep -q '"recovery-refused"' "$LOG"
	[[ $(event_field recovery-refused reason) = "no map of the two versions: "* ]]
	exec 7>&-
	wait "$SERVER"
	# It would call what the other version lacks: atoi() is strtol() where the compiler knows it.
	gcc -O0 -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/other" "$ROOT/tests/victims/spliced_old.c"
	LOG=$BATS_TEST_TMPDIR/main.log
	start sh -c 'exec "$@" <"$0"' "$BATS_TEST_TMPDIR/in" "$MX" run --log "$LOG" \
		"$BATS_TEST_TMPDIR/other" "$(victim spliced_new)" --
	exec 7>"$BATS_TEST_TMPDIR/in"
	for i in 1 13; do echo $i >&7; done
	wait_until 30 grep -q '"recovery-refused"' "$LOG"
	[[ $(event_field recovery-refused reason) = "main must not be put in: needs the import strtol, "* ]]
	echo 5 >&7
	exec 7>&-
	wait "$SERVER"
	[ "$(tail -n 1 "$SERVER_LOG")" = "5 five 29 2 kept" ]
}
