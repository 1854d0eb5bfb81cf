#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Everyday programs, as two copies of one: they do what they do alone, and the versions never diverge.

# shellcheck disable=SC2034 # variables that lib.bash reads

load lib

teardown() {
	tmux -S "$BATS_TEST_TMPDIR/outer" kill-server 2>/dev/null || :
	stop_all
}

# What each run finds in its folder.
prepare() {
	mkdir -p dir/sub
	seq 1 500 >numbers
	printf 'pear\napple\nfig\napple\n' >fruit
	printf 'one two three\nfour five six\n' >words
	head -c 100000 /usr/share/common-licenses/GPL-3 >text
	cp fruit dir/a
	cp words dir/sub/b
	ln -s a dir/link
	touch -d 2001-02-03T04:05:06Z fruit words dir/a
}

@test "coreutils: text" {
	compare_self cat fruit - words
	compare_self sort numbers
	compare_self sort -u fruit
	compare_self uniq -c fruit
	compare_self wc text
	compare_self head -n 3 numbers
	compare_self tail -c 100 text
	compare_self cut -d' ' -f2 words
	compare_self paste fruit words
	compare_self tac fruit
	compare_self nl words
	compare_self fold -w 20 text
	compare_self od -c fruit
	compare_self base64 text
	compare_self md5sum text fruit
	compare_self sha256sum text
	compare_self cksum text
	compare_self comm fruit words
	compare_self join fruit fruit
	compare_self seq 1 1000
	compare_self factor 123456789 97
	compare_self expr 6 '*' 7
	compare_self printf '%s-%d\n' a 1
	compare_self numfmt --to=iec 123456
	STDIN=$ROOT/README.md compare_self tr a-z A-Z
	STDIN=$ROOT/README.md compare_self tee copy
}

@test "coreutils: files" {
	compare_self ls -lR --time-style=+ dir
	compare_self cp -a dir copy
	compare_self mv fruit dir/moved
	compare_self rm -r dir
	compare_self mkdir -p x/y/z
	compare_self rmdir dir/sub
	compare_self ln -s numbers link
	compare_self ln numbers hard
	compare_self touch new
	compare_self chmod 600 fruit
	compare_self truncate -s 10 text
	compare_self dd if=text of=out bs=1000 skip=3 count=4 status=none
	compare_self split -b 10000 text part-
	compare_self install -m 700 fruit installed
	compare_self readlink dir/link
	compare_self realpath dir/link
	compare_self stat -c '%n %s %a %Y' fruit
	compare_self du -b --apparent-size dir
	compare_self mkfifo pipe
	compare_self shred -n 1 -u words
	compare_self mktemp -u fixed
	compare_self sync fruit
}

@test "coreutils: what fails, fails the same" {
	compare_self cat missing
	compare_self ls missing
	compare_self rmdir dir
	compare_self false
	compare_self mkdir fruit
	compare_self cp missing x
	compare_self dd if=missing of=x
	compare_self env nonsense
	compare_self test 1 = 2
	compare_self timeout 0.2 sleep 10
}

@test "coreutils: the process itself" {
	compare_self pwd
	compare_self env -i A=1 B=2 env
	compare_self nice -n 5 true
	compare_self id
	compare_self uname -a
	compare_self date -u -d @0
	compare_self sleep 0.1
	compare_self nohup true
	compare_self timeout 5 true
	compare_self nproc
	compare_self tty
	compare_self stdbuf -oL cat fruit
	compare_self yes --version
}

@test "shells: pipelines, subshells, jobs, traps" {
	local script='
		sort numbers | grep 7 | wc -l
		x=$(seq 1 50 | tail -n 1); echo $x
		(cd dir && ls; exit 3); echo $?
		for i in 1 2 3; do echo $i >file$i; done
		cat <<-END | tr a-z A-Z
			here $x
		END
		sleep 0.05 & wait $!; echo waited $?
		trap "echo trapped" USR1; kill -USR1 $$; echo after
		sh -c "kill -TERM \$\$"; echo status $?
		seq 1 100000 | head -n 1
		exec 5<fruit; read line <&5; echo $line
		printf %s done >&2
		exit 7'
	compare_self sh -c "$script"
	compare_self bash -c "$script"
	compare_self bash -c 'coproc cat; echo hi >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x
		diff <(sort fruit) <(sort -u fruit); echo ${PIPESTATUS[0]} | cat; echo $((2**40))'
}

@test "grep, sed, awk, find, xargs, diff" {
	compare_self grep -n -i license text
	compare_self grep -rc apple .
	compare_self grep nothing text
	compare_self sed -n 's/License/X/gp' text
	compare_self sed -i 2d words
	compare_self awk '{ n += NF } END { print n, NR }' text
	compare_self awk 'BEGIN { while (("ls dir" | getline x) > 0) print x; system("echo sub") }'
	compare_self find . -type f -newermt 2000-01-01 -name '[a-f]*'
	compare_self find . -name '*u*' -exec wc -c {} +
	compare_self xargs -a numbers -n 100 echo
	compare_self diff fruit words
}

@test "tar, gzip, bzip2, xz" {
	need tar gzip bzip2 xz
	compare_self gzip -n9 text
	compare_self bzip2 text
	compare_self xz -T1 text
	compare_self xz -T2 --block-size=20000 text
	compare_self tar -cf out.tar --sort=name --mtime=@0 --owner=0 --group=0 dir text
	compare_self sh -c 'ln dir/a dir/hard; ln -s ../words dir/up; ln -s nowhere dir/dangling; mkfifo dir/pipe
		tar -cf out.tar --sort=name --mtime=@0 --owner=0 --group=0 dir; mkdir x; tar -xf out.tar -C x
		tar -tvf out.tar; cmp x/dir/hard fruit; readlink x/dir/up x/dir/dangling x/dir/link'
}

@test "sqlite3, python3, perl" {
	need sqlite3 python3 perl
	compare_self sqlite3 db "create table t(a, b); insert into t values (1, 'x'), (2, 'y');
		select sum(a), group_concat(b) from t; update t set b = 'z'; vacuum; select * from t"
	compare_self python3 -c '
import os, subprocess, json, hashlib, tempfile, threading
open("py", "w").write(json.dumps({"a": [1, 2]}))
print(subprocess.run(["sort", "fruit"], capture_output=True, text=True).stdout)
print(hashlib.sha256(open("text", "rb").read()).hexdigest())
r, w = os.pipe()
if os.fork() == 0:
    os.write(w, b"child")
    os._exit(3)
print(os.read(r, 10), os.waitstatus_to_exitcode(os.wait()[1]))
t = [threading.Thread(target=lambda i=i: open("t%d" % i, "w").write(str(i))) for i in range(4)]
[x.start() for x in t]; [x.join() for x in t]
with tempfile.TemporaryFile() as f: f.write(b"x")
'
	compare_self perl -e 'open(F, ">pl"); print F "x" x 1000; close F; print -s "pl", "\n";
		print `wc -l numbers`; system("exit 3"); print $? >> 8, "\n"; @a = sort map { $_ * 7 % 11 } 1..10; print "@a\n"'
}

@test "a database in WAL mode with several processes, pools of spawned ones" {
	need sqlite3 python3
	local sync
	cat >"$BATS_TEST_TMPDIR/pool.py" <<-'END'
	import multiprocessing as m
	from multiprocessing import shared_memory
	def f(n, v, l, q):
	    s = shared_memory.SharedMemory(n)
	    for i in range(20):
	        with l:
	            s.buf[0] += 1
	            v.value += 1
	    q.put(1)
	    s.close()
	if __name__ == "__main__":
	    for k in ("spawn", "forkserver"):
	        c = m.get_context(k)
	        s = shared_memory.SharedMemory(create=True, size=4096)
	        v, l, q = c.Value("i", 0), c.Lock(), c.Queue()
	        ps = [c.Process(target=f, args=(s.name, v, l, q)) for _ in range(3)]
	        [p.start() for p in ps]
	        print(sum(q.get() for _ in ps))
	        [p.join() for p in ps]
	        print(k, s.buf[0], v.value, [p.exitcode for p in ps])
	        s.close()
	        s.unlink()
	END
	for sync in stream barrier lockstep; do
		MX_TEST_OPTIONS="--sync $sync"
		compare_self sh -c 'sqlite3 d.db "pragma journal_mode=wal; create table t(x)"
			for i in 1 2 3; do
				(for j in 1 2 3 4; do sqlite3 -cmd ".timeout 20000" d.db "insert into t values($i * 10 + $j)"; done) &
			done; wait
			sqlite3 d.db "select count(*), sum(x) from t; pragma integrity_check"; rm -f d.db*'
		compare_self python3 "$BATS_TEST_TMPDIR/pool.py"
	done
}

@test "namespaces of one's own: mounts, users, the host's name" {
	need unshare
	unshare -Urm true 2>/dev/null || skip "no namespaces here"
	local sync script='mkdir m; mount -t tmpfs none m && cp "$(command -v ls)" m/prog && cd m && ./prog
		mkdir d; cd d; pwd; echo x >f; cat f; cd ../..; ./m/prog m; id -u'
	for sync in stream barrier lockstep; do
		MX_TEST_OPTIONS="--sync $sync"
		compare_self unshare -Urm sh -c "$script"
		[ "$(id -u)" != 0 ] || compare_self unshare -m sh -c "$script"
		compare_self unshare -Uru sh -c 'hostname elsewhere; hostname; cat /proc/self/uid_map'
	done
}

@test "git: init, commit, clone, gc" {
	need git
	export GIT_AUTHOR_DATE='2001-02-03T04:05:06Z' GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
	export HOME=$BATS_TEST_TMPDIR GIT_CONFIG_NOSYSTEM=1
	compare_self sh -c 'set -e
		git init -q -b main r; cd r
		git config user.name n; git config user.email e@example.org
		cp ../fruit ../words ../text .; git add .; git commit -q -m one
		echo more >>fruit; git commit -q -a -m two
		git checkout -q -b side HEAD~1; echo x >x; git add x; git commit -q -m three
		git merge -q -m merged main; git log --format="%H %s" --graph
		cd ..; git clone -q r c; git -C c gc -q; git -C c fsck; git -C c show --stat
		rm -rf r c/.git'
}

@test "a compiler with its children, and make" {
	need gcc make
	compare_self sh -c 'set -e
		printf "%s\n" "#include <stdio.h>" "int main(void) { puts(\"hello\"); return 3; }" >a.c
		gcc -O2 -c a.c; gcc a.o -o a; ./a || echo $?'
	compare_self sh -c 'printf "all: x y z\nx y z:\n\t@cp fruit \$@\n" >Makefile; make -s -j2; cat x y z'
}

@test "openssl, ssh-keygen, curl" {
	need openssl ssh-keygen curl python3
	compare_self openssl dgst -sha256 text
	compare_self openssl enc -aes-256-cbc -pbkdf2 -nosalt -k secret -in text -out sealed
	# The keys are random: that there is one, and that it is good.
	compare_self sh -c 'ssh-keygen -q -t ed25519 -N "" -f key -C c && ssh-keygen -y -f key >pub &&
		cut -d" " -f1,2 key.pub | cmp - <(cut -d" " -f1,2 pub) 2>/dev/null; ls; rm -f key key.pub pub'
	local port
	port=$(free_port)
	mkdir "$BATS_TEST_TMPDIR/www"
	cp "$ROOT/README.md" "$BATS_TEST_TMPDIR/www/"
	start_server "$port" python3 -m http.server --bind 127.0.0.1 -d "$BATS_TEST_TMPDIR/www" "$port"
	compare_self curl -sS "http://127.0.0.1:$port/README.md" -o got
	compare_self curl -sS -f "http://127.0.0.1:$port/missing"
}

@test "keys: RSA, elliptic curves" {
	need openssl
	compare_self openssl genrsa -out /dev/null 1024
	# Random, so that the test is that each is good.
	compare_self sh -c 'openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out k 2>/dev/null
		openssl pkey -in k -check -noout; openssl ecparam -name prime256v1 -genkey -noout -out e
		openssl ec -in e -check -noout 2>&1; rm k e'
}

@test "a terminal multiplexer: tmux, its server and a shell in it" {
	need tmux
	local outer inner sync
	for sync in stream barrier lockstep; do
		# Sockets of its own for each: a server that was told to end may still be there.
		outer=$BATS_TEST_TMPDIR/outer.$sync
		inner=$BATS_TEST_TMPDIR/inner.$sync
		LOG=$BATS_TEST_TMPDIR/events.log
		rm -f "$LOG"
		TMUX='' tmux -S "$outer" -f /dev/null new-session -d -x 80 -y 24 \
			"env -u TMUX '$MX' run --log '$LOG' --sync $sync '$(command -v tmux)' '$(command -v tmux)' -- -S '$inner' -f /dev/null new-session sh; echo ended \$?; read x"
		wait_until 20 shown '\[0\] 0:sh'
		tmux -S "$outer" send-keys 'echo $((6 * 7))mx' Enter
		wait_until 20 shown 42mx
		# From a client that is none of the program's: it hands its own descriptors over.
		tmux -S "$inner" new-window -n second cat
		wait_until 20 shown '1:second'
		tmux -S "$inner" kill-window
		wait_until 20 shown 42mx
		tmux -S "$outer" send-keys C-u 'exit' Enter
		wait_until 20 shown 'ended 0'
		tmux -S "$outer" kill-server
		assert_no_divergence
	done
}

# shown PATTERN: it is on the screen of the outer tmux.
shown() {
	tmux -S "$outer" capture-pane -p | grep -q "$1"
}

@test "an editor: vim -es" {
	need vim
	compare_self vim -es -u NONE -n -c '%s/apple/orange/' -c wq fruit
	# No shell commands here: vim alone leaves when one takes longer and standard input has ended.
	compare_self vim -es -u NONE -i NONE -c 'r numbers' -c 'sort!' -c '%p' -c 'q!' words
}

@test "runtimes that take faults on purpose, many threads, or build programs" {
	local installed=0
	if command -v java >/dev/null; then
		compare_self java -version
		installed=1
	fi
	if command -v sbcl >/dev/null; then
		compare_self sbcl --noinform --no-sysinit --no-userinit --eval \
			'(progn (print (loop for i below 10 sum i)) (gc :full t) (terpri) (sb-ext:exit :code 3))'
		installed=1
	fi
	if command -v go >/dev/null; then
		compare_self go version
		installed=1
	fi
	if command -v rustc >/dev/null; then
		compare_self sh -c 'echo "fn main() { println!(\"{}\", 6 * 7); }" >m.rs; rustc m.rs && ./m; rm -f m'
		installed=1
	fi
	[ $installed = 1 ] || skip "none of java, sbcl, go, rustc is here"
}

@test "python: a manager's threads race for descriptors, pools, asyncio" {
	need python3
	compare_self python3 -c '
import asyncio, multiprocessing as m, concurrent.futures as c
def f(x): return x * x
async def echo(r, w):
    w.write(await r.readline())
    await w.drain()
    w.close()
async def talk():
    s = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = s.sockets[0].getsockname()[1]
    async def one(i):
        r, w = await asyncio.open_connection("127.0.0.1", port)
        w.write(b"%d\n" % i)
        x = await r.readline()
        w.close()
        return x
    print(await asyncio.gather(*[one(i) for i in range(20)]))
    p = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
    print(await p.communicate())
if __name__ == "__main__":
    with m.Manager() as g:
        d = g.dict()
        ps = [m.Process(target=d.__setitem__, args=(i, i * i)) for i in range(4)]
        [p.start() for p in ps]
        [p.join() for p in ps]
        print(sorted(d.items()))
    with m.Pool(3) as p: print(p.map(f, range(50)))
    with c.ThreadPoolExecutor(4) as p: print(list(p.map(f, range(50))))
    asyncio.run(talk())'
}

@test "two builds of one program: -O0 and -O2, dynamic and static" {
	need gcc
	cat >"$BATS_TEST_TMPDIR/p.c" <<-'END'
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	static int cmp(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
	int main(int argc, char **argv)
	{
		char line[256], *all[1000]; int n = 0; FILE *f = fopen(argv[1], "r");
		while (f && fgets(line, sizeof line, f)) all[n++] = strdup(line);
		qsort(all, n, sizeof *all, cmp);
		for (int i = 0; i < n; i++) fputs(all[i], stdout);
		f = fopen("made", "w"); fprintf(f, "%d\n", n); fclose(f);
		return n % 7;
	}
	END
	cd "$BATS_TEST_TMPDIR"
	gcc -O0 p.c -o p0
	gcc -O2 p.c -o p2
	gcc -O2 -static p.c -o ps
	local old new
	for old in p0 p2; do
		for new in p0 p2; do
			compare_native "$PWD/$old" "$PWD/$new" -- fruit
		done
	done
	compare_native "$PWD/ps" "$PWD/ps" -- numbers
	# A larger one, with threads and a child, in every mode.
	gcc -O0 -I"$ROOT/tests/victims" -D_GNU_SOURCE "$ROOT/tests/victims/threads.c" -o t0 -pthread
	gcc -O2 -I"$ROOT/tests/victims" -D_GNU_SOURCE "$ROOT/tests/victims/threads.c" -o t2 -pthread
	gcc -O0 -I"$ROOT/tests/victims" -D_GNU_SOURCE "$ROOT/tests/victims/births.c" -o b0 -pthread
	gcc -O2 -I"$ROOT/tests/victims" -D_GNU_SOURCE "$ROOT/tests/victims/births.c" -o b2 -pthread
	for sync in stream barrier lockstep; do
		MX_TEST_OPTIONS="--sync $sync"
		compare_native "$PWD/t0" "$PWD/t2"
		compare_native "$PWD/b2" "$PWD/b0"
	done
}

@test "each way of synchronising" {
	for sync in stream barrier lockstep; do
		for leader in old new; do
			MX_TEST_OPTIONS="--sync $sync --leader $leader"
			compare_self sh -c 'sort numbers | tail -n 2; ls dir; echo $$ >/dev/null; exit 4'
			compare_self python3 -c 'import os; print(sum(range(1000))); open("o", "w").write("x" * 100000)'
		done
	done
}
