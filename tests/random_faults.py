#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs made at random, of which one version crashes: random_faults.py MX RUNS|SECONDSs [SEED]

Each run makes two versions of a program of a few dozen functions that compute, allocate, switch and
call each other; the other version writes some of them differently to the same effect, lacks one or
has one more, and in one of them crashes on a certain number. Both are compiled and stripped, run as
one by MX, and given numbers. What comes out has to be what the version without the bug says alone.
A version that crashed may come back or be let go for a reason that is in the log; a wrong line, a
divergence or a run that does not end is a failure, and leaves its folder. Says the seed of each
failure, and at the end how many runs there were and how many crashes, recoveries and refusals.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HEAD = """
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define FAR __attribute__((noinline))
static long total;
static __thread long told = 3;
static long cells[64];
static long asked;
void *keep_imports[2] = { calloc, malloc };
static const char *const words[8] = { "ape", "bee", "cow", "dog", "elk", "fox", "gnu", "hen" };
"""

MAIN = """
int main(void)
{
	char line[64];
	size_t len = 0;

	while (poll(&(struct pollfd){ 0, POLLIN, 0 }, 1, -1) >= 0 && read(0, line + len, 1) == 1) {
		if (line[len] != '\\n') {
			len += len < sizeof(line) - 2;
			continue;
		}
		line[len] = 0;
		len = 0;
		serve(atol(line));
	}
	return 0;
}
"""

# Each shape in two ways of writing that do the same; what a call changes is read after it, since the
# compiler may take the operands of one expression in any order; {i}, {k}: numbers; {call}: an expression.
SHAPES = [
    ("return n * {k} + {call};", "long r = {call};\n\tr += n * {k};\n\treturn r;"),
    (
        "long r = {call};\n\n\ttotal += n & {k};\n\treturn total ^ r;",
        "long r = {call}, t = total;\n\n\ttotal = t + ({k} & n);\n\treturn r ^ total;",
    ),
    (
        "switch (n & 7) {{\n\tcase 0: return {call};\n\tcase 1: return 5;\n\tcase 2: return n - {k};\n\tcase 3: return told;\n"
        "\tcase 4: return 77;\n\tcase 5: return {k};\n\tdefault: return n;\n\t}}",
        "long m = n & 7;\n\n\tif (m == 0)\n\t\treturn {call};\n\tif (m == 1 || m == 4)\n\t\treturn m == 1 ? 5 : 77;\n"
        "\tif (m == 2)\n\t\treturn n - {k};\n\treturn m == 3 ? told : m == 5 ? {k} : n;",
    ),
    (
        "long r = {call};\n\n\tcells[n & 63] += {k};\n\treturn cells[(n + {i}) & 63] + r;",
        "long r = {call}, *c = &cells[n & 63];\n\n\t*c = *c + {k};\n\treturn r + cells[(n + {i}) & 63];",
    ),
    (
        "char *p = malloc({k} + 32);\n\tlong r;\n\n\tsnprintf(p, {k} + 32, \"%s%ld\", words[n & 7], n);\n"
        "\tr = (long)strlen(p) + {call};\n\tfree(p);\n\treturn r;",
        "long r = {call};\n\tchar *p = calloc(1, {k} + 32);\n\n\tif (p)\n\t\tsnprintf(p, {k} + 32, \"%s%ld\", words[n & 7], n);\n"
        "\tr += strlen(p);\n\tfree(p);\n\treturn r;",
    ),
    ("long r = {call};\n\n\ttold++;\n\treturn told * {k} - r;", "long r = {call};\n\n\treturn ++told * {k} - r;"),
]


def source(rng, choices, n, other, crash):
    """The functions; @other: those that are written the other way; @crash: (function, number)."""
    text = HEAD
    for i in range(n):
        shape, k, call = choices[i]
        body = SHAPES[shape][i in other].format(i=i, k=k, call=call)
        if crash[0] == i:
            does = "*(volatile int *)asked = 1" if crash[2] else "total ^= told"
            body = f"if (asked == {crash[1]})\n\t\t{does};\n\t" + body
        text += f"FAR static long f{i}(long n);\n"
        choices[i] = (shape, k, call)
        text += f"FAR static long f{i}(long n)\n{{\n\t{body}\n}}\n" if i else ""
        if not i:
            text += f"FAR static long f0(long n)\n{{\n\treturn n + {k};\n}}\n"
    if other and rng.randrange(2):
        text += "FAR static long extra(long n)\n{\n\treturn n ^ n;\n}\n"
        tail = " + extra(n)"
    else:
        tail = ""
    roots = ", ".join(f"f{i}" for i in range(max(1, n - 4), n))
    text += f"static long (*const roots[])(long) = {{ {roots} }};\n"
    text += (
        "FAR static void serve(long n)\n{\n\tlong r;\n\n\tasked = n;\n"
        f"\tr = roots[n & {3 if n >= 5 else 0}](n);\n"
        '\tprintf("%ld %ld %ld %ld\\n", n, r, total, told);\n\tfflush(stdout);\n}\n'
    )
    if tail:
        text = text.replace("r = roots[", "r = (extra(n)) + roots[", 1)
    return text + MAIN


def make(rng, folder):
    n = rng.randrange(8, 40)
    choices = []
    for i in range(n):
        callee = rng.randrange(max(0, i - 5), i) if i else 0
        call = f"f{callee}(n + {rng.randrange(9)})" if i else "n"
        choices.append((rng.randrange(len(SHAPES)), rng.randrange(1, 500), call))
    changed = {i for i in range(1, n) if rng.randrange(4) == 0}
    number = rng.randrange(100, 164)
    # Somewhere on the way that this number takes.
    victim = max(1, n - 4) + (number & 3)
    while victim > 1 and rng.randrange(3):
        victim = max(1, int(choices[victim][2][1:].split("(")[0]))
    extra = random.Random(rng.random())
    sources = {
        "good": source(extra, choices, n, set(), (victim, -number, False)),
        "bad": source(extra, choices, n, changed, (victim, number, True)),
    }
    level = rng.choice(["-O1", "-O2", "-O2", "-O3", "-Os"])
    for name, text in sources.items():
        path = os.path.join(folder, name)
        with open(path + ".c", "w", encoding="ascii") as file:
            file.write(text)
        subprocess.run(["gcc", level, "-w", "-o", path, path + ".c"], check=True)
        if rng.randrange(4):
            subprocess.run(["strip", path], check=True)
    return number


def feed(rng, number):
    numbers = [rng.randrange(1, 10**6) for _ in range(30)]
    for _ in range(rng.randrange(1, 5)):
        numbers.insert(rng.randrange(len(numbers)), number)
    return numbers


def events(log):
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]
    except OSError:
        return []


def engines_of(mx):
    """What `mx run` has made: it ends as soon as the program's status is known, they later."""
    try:
        with open(f"/proc/{mx}/task/{mx}/children", encoding="utf-8") as file:
            return file.read().split()
    except OSError:
        return []


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "XZ"
    except OSError:
        return False


def stay(pids, seconds):
    end = time.monotonic() + seconds
    while any(is_there(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.002)
    return any(is_there(pid) for pid in pids)


def once(mx, seed, counts, reasons):
    rng = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="mx-random.")
    number = make(rng, folder)
    numbers = feed(rng, number)
    good, bad, log = (os.path.join(folder, name) for name in ("good", "bad", "log"))
    data = "".join(f"{n}\n" for n in numbers)
    want = subprocess.run([good], input=data, capture_output=True, text=True, check=True, timeout=20).stdout
    pair = [good, bad] if rng.randrange(2) else [bad, good]
    options = ["--leader", rng.choice(["old", "new"]), "--sync", rng.choice(["stream", "barrier", "lockstep"])]
    run = subprocess.Popen(
        [mx, "run", "--log", log, *options, *pair, "--"],
        stdin=subprocess.PIPE,
        stdout=open(os.path.join(folder, "out"), "wb"),
        stderr=subprocess.STDOUT,
    )
    engines = []
    try:
        for n in numbers:
            run.stdin.write(f"{n}\n".encode())
            run.stdin.flush()
            if n == number and rng.randrange(4):
                time.sleep(rng.random() * 0.1)
        engines = engines_of(run.pid)
        run.stdin.close()
    except BrokenPipeError:
        pass  # It ended early: its status and its output say so.
    try:
        status = run.wait(60)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
        status = "none: it did not end"
    if stay(engines, 30):
        status = f"{status}, but the engine stays"
    with open(os.path.join(folder, "out"), encoding="utf-8", errors="replace") as file:
        got = file.read()
    told = events(log)
    names = [event["event"] for event in told]
    for name in ("crash", "recovered", "recovery-refused"):
        counts[name] = counts.get(name, 0) + names.count(name)
    for event in told:
        if event["event"] == "recovery-refused":
            # Without the function's name: the kinds are few.
            reasons.append(event["reason"].split(" must ")[-1].split(" (at ")[0])
    if got == want and status == 0 and "divergence" not in names:
        shutil.rmtree(folder)
        return True
    print(f"seed {seed}: {' '.join(options)}: status {status}, {folder}", flush=True)
    return False


def runs_of(text):
    """How many runs, and until when: "2000", or "60s" for as many as a minute holds."""
    if text.endswith("s"):
        return float("inf"), time.monotonic() + int(text[:-1])
    return int(text), float("inf")


def main():
    mx, runs, until = sys.argv[1], *runs_of(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10**9)
    counts, reasons, failed = {}, [], 0
    done = 0
    while done < runs and time.monotonic() < until:
        failed += not once(mx, seed + done, counts, reasons)
        done += 1
        if sys.stderr.isatty():
            print(f"\r{done}", end="", file=sys.stderr)
    told = ", ".join(f"{n} {name}" for name, n in counts.items())
    for reason in sorted(set(reasons)):
        print(f"refused {reasons.count(reason)} times: ... {reason}")
    print(f"{done} runs from seed {seed}: {failed} failed; {told}")
    return failed != 0


sys.exit(main())
