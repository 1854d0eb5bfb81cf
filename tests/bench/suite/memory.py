# SPDX-License-Identifier: Apache-2.0
"""What two versions need: the sum of what all processes have for themselves and of their shares of the rest (PSS)."""

import re
import subprocess
import time
from contextlib import ExitStack

from suite.running import (QUIET, TIMEOUT, Failed, await_server, command_for, copies, family, free_port, fresh_folder,
                           start, stop)
from suite.servers import redis_command

FILL = "local s = string.rep('x', 980) for i = ARGV[1], ARGV[2] do redis.call('SET', 'key:' .. i, i .. s) end"
KSM = "/sys/kernel/mm/ksm"


def pss(pids):
    """Megabytes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += int(re.search(r"^Pss: *(\d+) kB", f.read(), re.M).group(1))
    return total / 1024


def settled(pids, patience):
    """The least after which it stays, or when patience ends."""
    least = pss(pids)
    for _ in range(patience):
        time.sleep(2)
        now = pss(pids)
        if now > least * 0.995:
            return min(now, least)
        least = now
    return least


def set_ksm(name, value):
    with open(f"{KSM}/{name}", "r+", encoding="ascii") as f:
        former = f.read().strip()
        f.seek(0)
        f.write(str(value))
    return former


def merge(cleanup):
    """Has the kernel merge fast while it is measured. It is put back."""
    try:
        for name, value in (("pages_to_scan", 5000), ("run", 1)):
            cleanup.callback(set_ksm, name, set_ksm(name, value))
    except OSError as e:
        raise Failed(f"the kernel cannot be told to merge pages: {e}") from e


def measure(mode, megabytes):
    """Of redis with its data, when it has settled."""
    running = []
    with ExitStack() as cleanup:
        for _ in range(copies(mode)):
            port, folder = free_port(), fresh_folder()
            running.append(start(command_for(mode, redis_command(port, folder)), folder))
            cleanup.callback(stop, running[-1])
            await_server(port, running[-1])
            for begin in range(1, megabytes * 1000, 50000):
                subprocess.run(["redis-cli", "-p", str(port), "eval", FILL, "0", str(begin),
                                str(min(begin + 49999, megabytes * 1000))], check=True, timeout=TIMEOUT, **QUIET)
        if mode == "merged":
            merge(cleanup)
            # A page is compared with the others once it has stayed the same for a round.
            time.sleep(10)
        return settled([pid for process in running for pid in family(process.pid)], 30)

