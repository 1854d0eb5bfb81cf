# SPDX-License-Identifier: Apache-2.0
# Run by sh inside a container: programs alone and as two copies of one under the engine, in each way of
# synchronising. One line a difference; "all N agree" where there was none.
# shellcheck shell=sh disable=SC2016
mx=$1
dir=$(mktemp -d /tmp/inside.XXXXXX) || exit 1
cd "$dir" || exit 1
n=0 bad=0

# try PROGRAM ARGS...: in a folder of the same name each time.
try() {
	for mode in alone stream barrier lockstep; do
		rm -rf work
		mkdir work
		seq 1 400 >work/numbers
		printf 'pear\napple\nfig\napple\n' >work/fruit
		program=$(command -v "$1")
		shift
		if [ $mode = alone ]; then
			(cd work && exec "$program" "$@") >$mode.out 2>$mode.err </dev/null
		else
			rm -f log
			(cd work && exec "$mx" run --log ../log --sync $mode "$program" "$program" -- "$@") \
				>$mode.out 2>$mode.err </dev/null
		fi
		echo "status $?" >>$mode.out
		(cd work && find . -type f -exec cksum {} + | sort -k 3) >>$mode.out
		set -- "$program" "$@"
		[ $mode != alone ] || continue
		n=$((n + 1))
		if ! cmp alone.out $mode.out || ! cmp alone.err $mode.err ||
			grep -E '"event":"(crash|divergence|discarded|takeover|unsupported-syscall)"' log ||
			! grep -q '"event":"exit"' log; then
			echo "differs: $mode: $*"
			head -n 5 $mode.err
			bad=$((bad + 1))
		fi
	done
}

try sh -c 'sort numbers | grep 7 | wc -l; x=$(tail -n 1 fruit); (exit 3); echo $? $x; sleep 0.05 & wait; echo done >&2'
try cp -a fruit copy
try sort -u fruit
try grep -n apple fruit
try sed -i 2d fruit
try awk 'BEGIN { while (("ls" | getline x) > 0) print x; print 6 * 7 }'
try find . -name 'f*' -exec wc -c {} +
try tar -cf out.tar --sort=name --mtime=@0 --owner=0 --group=0 numbers fruit
try gzip -n9 numbers
try xz -T2 --block-size=512 numbers
try sqlite3 db 'pragma journal_mode = wal; create table t(a); insert into t values (1), (2); select sum(a) from t'
try perl -e 'for (1 .. 3) { if (!fork) { exit $_ } } $s += $? >> 8 while wait > 0; print "$s\n"; print `echo sub`;
	open(F, ">perl"); print F "x" x 1000'
try openssl dgst -sha256 numbers
rm -rf "$dir"
[ $bad = 0 ] && echo "all $n agree"
