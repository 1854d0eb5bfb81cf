#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What two versions do to the world happens once.

load lib
load mxm

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	LOG=$BATS_TEST_TMPDIR/events.log
	sh=$(command -v sh)
	python=$(command -v python3)
}

# each_mode COMMAND...: in each mode, led by either.
each_mode() {
	local sync leader=old
	for sync in stream barrier lockstep; do
		leader=$([ $leader = old ] && echo new || echo old)
		MX_TEST_OPTIONS="--sync $sync --leader $leader"
		rm -f "$LOG"
		"$@" || fail "$MX_TEST_OPTIONS: $*"
		assert_no_divergence
	done
}

appends() {
	rm -f log
	mx_run "$sh" "$sh" -- -c 'for i in 1 2 3 4 5 6 7 8 9; do echo $i >>log; done; (echo a; echo b) >>log'
	[ "$(tr '\n' ' ' <log)" = "1 2 3 4 5 6 7 8 9 a b " ]
}

@test "appends" {
	each_mode appends
}

shared_log() {
	rm -f log
	mx_run "$python" "$python" -- -c '
import os
fd = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
children = []
for c in range(3):
    pid = os.fork()
    if pid == 0:
        for i in range(50):
            os.write(fd, b"%d %d\n" % (c, i))
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
os.write(fd, b"end\n")'
	[ "$(sort -u log | wc -l)" = 151 ]
	[ "$(wc -l <log)" = 151 ]
	[ "$(tail -n 1 log)" = end ]
}

@test "O_APPEND by several processes" {
	each_mode shared_log
}

datagrams() {
	local port listener
	port=$(free_port)
	rm -f got
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.settimeout(10)
open("bound", "w").close()
out = open("got", "w")
while True:
    data = s.recv(100).decode()
    print(data, file=out, flush=True)
    if data == "end":
        s.settimeout(0.3)
        try:
            print("late", s.recv(100), file=out)
        except TimeoutError:
            break' "$port" 3>&- &
	listener=$!
	wait_until 10 test -e bound
	mx_run "$python" "$python" -- -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(30):
    s.sendto(b"%d" % i, ("127.0.0.1", int(sys.argv[1])))
s.sendto(b"end", ("127.0.0.1", int(sys.argv[1])))' "$port"
	wait $listener
	rm -f bound
	[ "$(cat got)" = "$(seq 0 29; echo end)" ] || fail "$(cat got)"
}

@test "datagrams" {
	each_mode datagrams
}

to_child() {
	rm -f out
	mx_run "$python" "$python" -- -c '
import subprocess
p = subprocess.Popen(["sh", "-c", "cat >>out"], stdin=subprocess.PIPE)
for i in range(100):
    p.stdin.write(b"%d\n" % i)
    p.stdin.flush()
p.stdin.close()
p.wait()'
	[ "$(cat out)" = "$(seq 0 99)" ]
}

@test "a pipe to a child" {
	each_mode to_child
}

names() {
	rm -rf a b c d e
	mx_run "$python" "$python" -- -c '
import os
for n in range(20):
    open("a", "x").write(str(n))
    os.rename("a", "b")
    os.link("b", "c")
    os.mkdir("d")
    os.rename("c", "d/c")
    os.symlink("b", "e")
    os.unlink("e")
    os.unlink("d/c")
    os.rmdir("d")
    try:
        os.unlink("c")
    except FileNotFoundError:
        pass
    assert open("b").read() == str(n)
    os.unlink("b")'
	[ ! -e a ] && [ ! -e b ] && [ ! -e c ] && [ ! -e d ]
}

@test "unlink, rename, link, mkdir" {
	each_mode names
}

# A process that is none of the program's own counts the signals that it gets.
third_process() {
	local counter
	rm -f counted ready
	python3 -c '
import signal, time
n = 0
def count(sig, frame):
    global n
    n += 1
def end(sig, frame):
    open("counted", "w").write(str(n))
    raise SystemExit
signal.signal(signal.SIGUSR1, count)
signal.signal(signal.SIGTERM, end)
open("ready", "w").close()
while True:
    time.sleep(1)' 3>&- &
	counter=$!
	wait_until 10 test -e ready
	mx_run "$python" "$python" -- -c '
import os, signal, sys, time
for i in range(10):
    os.kill(int(sys.argv[1]), signal.SIGUSR1)
    time.sleep(0.02)
os.kill(int(sys.argv[1]), signal.SIGTERM)' $counter
	wait $counter
	[ "$(cat counted)" = 10 ] || fail "$(cat counted) signals"
}

@test "signals to another process" {
	each_mode third_process
}

terminal() {
	rm -f typed typescript
	printf 'hello\n' >typed
	script -qec "'$MX' run --log '$LOG' $MX_TEST_OPTIONS '$sh' '$sh' -- -c 'stty -echo; tty >/dev/null && printf \"prompt> \"; read x; echo; echo got \$x; stty echo; stty size >/dev/null; exit 3'" typescript <typed >shown 2>&1 || [ $? = 3 ]
	[ "$(grep -o 'prompt> ' shown | wc -l)" = 1 ] || fail "$(cat -A shown)"
	[ "$(grep -c 'got hello' shown)" = 1 ] || fail "$(cat -A shown)"
}

@test "a terminal: one prompt, one answer" {
	need script
	each_mode terminal
}
