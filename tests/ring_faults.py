#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A version that spoils what the agents share: ring_faults.py MX VANDAL RUNS|SECONDSs [SEED]

In each run one version, leader or follower, writes anything to the ring, to the control pages and
to its agent's own pages. The engine has to live, to end in time, and to end as a version does that
was not spoilt, or as the spoilt one does where that is the one that went on. Says the seed of each
failure and leaves its log; at the end how the runs ended.
"""

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SECONDS = 60


def run_once(mx, vandal, seed, folder):
    """How the run ended; an empty list, or what was wrong with it."""
    draw = random.Random(seed)
    leader = draw.choice(["old", "new"])
    sync = draw.choice(["stream", "stream", "barrier"])
    args = os.path.join(folder, "args.json")
    log = os.path.join(folder, "log")
    with open(args, "w", encoding="utf-8") as f:
        json.dump(["vandal", str(seed % 2**62 + 1)], f)
    command = [mx, "run", "--agent", "--sync", sync, "--leader", leader, "--log", log, "--patience", "5",
               "--max-recoveries", "0", "--old-args", args, vandal, vandal, "--", "0"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "hung", [f"did not end in {SECONDS} s"]
    events = []
    with open(log, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    events = [line["event"] for line in lines]
    wrong = []
    # The front ends by the signal that ended the program: a spoilt one that went on alone.
    own = [signal.Signals[line["signal"]] for line in lines if line["event"] == "exit" and "signal" in line]
    if b"mx: bug" in done.stderr or (done.returncode < 0 and -done.returncode not in own):
        wrong.append(f"the engine ended with {done.returncode}: {done.stderr.decode()[-300:]}")
    if "exit" not in events:
        wrong.append("the log has no end")
    if "discarded" not in events and done.stdout != b"at the end: 4000\n":
        wrong.append(f"no version was let go, and the output is {done.stdout!r}")
    for kind in ("ring-damaged", "divergence", "crash"):
        if kind in events:
            return kind, wrong
    return "unharmed" if "discarded" not in events else "discarded", wrong


def runs_of(text):
    """How many runs, and until when: "2000", or "60s" for as many as a minute holds."""
    if text.endswith("s"):
        return float("inf"), time.monotonic() + int(text[:-1])
    return int(text), float("inf")


def main():
    mx, vandal, (runs, until) = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), runs_of(sys.argv[3])
    first = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(2**31)
    ends = collections.Counter()
    failed = done = 0
    while done < runs and time.monotonic() < until:
        seed = first + done
        done += 1
        folder = tempfile.mkdtemp(prefix="mx-ring-")
        end, wrong = run_once(mx, vandal, seed, folder)
        ends[end] += 1
        if wrong:
            failed += 1
            print(f"seed {seed}: {'; '.join(wrong)} ({folder})", flush=True)
        else:
            shutil.rmtree(folder)
    print(f"{done} runs from seed {first}, {failed} failed: " + ", ".join(f"{k} {v}" for k, v in sorted(ends.items())))
    return 1 if failed else 0


sys.exit(main())
