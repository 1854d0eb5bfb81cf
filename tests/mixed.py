#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gives two redis servers the same random commands and compares the replies.

    mixed.py PORT OTHER-PORT COMMANDS SEED [CRASH-EVERY [LOG]]

Every CRASH-EVERY-th command is one on which the demo's new version crashes (HMGET of a string, which
it takes for a table: of a short one it may make an empty table). With the event log of MX each waits
until the version has come back from the one before, and the crashes are as many. Says how many commands there were;
any difference ends it with status 1, and is shown.
"""

import random
import sys
import time

from redis_client import Server


# What depends on the order in a hash table, which each server seeds at random.
UNORDERED = {"HGETALL", "HKEYS", "HVALS", "SMEMBERS", "KEYS"}


def command(rng):
    key = rng.randrange(40)
    field, value = f"f{rng.randrange(200)}", "v" * rng.randrange(120) + str(rng.randrange(10**6))
    number = rng.randrange(1000)
    return rng.choice(
        [
            ["SET", f"s{key}", value],
            ["GET", f"s{key}"],
            ["APPEND", f"s{key}", value[:20]],
            ["STRLEN", f"s{key}"],
            ["INCRBY", f"n{key}", number],
            ["HSET", f"h{key}", field, value, f"g{number}", value],
            ["HGET", f"h{key}", field],
            ["HMGET", f"h{key}", field, f"g{number}", "none"],
            ["HGETALL", f"h{key}"],
            ["HDEL", f"h{key}", field, f"g{number}"],
            ["HINCRBY", f"i{key}", field, number],
            ["HEXISTS", f"h{key}", field],
            ["HLEN", f"h{key}"],
            ["RPUSH", f"l{key}", value, number],
            ["LRANGE", f"l{key}", 0, 9],
            ["LPOP", f"l{key}"],
            ["SADD", f"t{key}", number, field],
            ["SMEMBERS", f"t{key}"],
            ["SREM", f"t{key}", field],
            ["ZADD", f"z{key}", number, field],
            ["ZRANGE", f"z{key}", 0, 5, "WITHSCORES"],
            ["ZINCRBY", f"z{key}", number, field],
            ["DEL", f"{rng.choice('shltz')}{key}"],
            ["EXISTS", f"h{key}", f"s{key}"],
            ["TYPE", f"{rng.choice('shltz')}{key}"],
            ["OBJECT", "ENCODING", f"h{key}"],
            ["DBSIZE"],
        ]
    )


def in_order(words, reply):
    if words[0] not in UNORDERED or not isinstance(reply, list):
        return reply
    if words[0] == "HGETALL":
        reply = list(zip(reply[::2], reply[1::2]))
    return sorted(reply)


def recoveries(log):
    with open(log, encoding="utf-8") as file:
        return sum('"event":"recovered"' in line for line in file)


def await_recovery(log, count):
    end = time.monotonic() + 60
    while recoveries(log) < count:
        if time.monotonic() > end:
            sys.exit(f"no recovery {count} within 60 s")
        time.sleep(0.005)


def main():
    port, other, commands, seed = (int(word) for word in sys.argv[1:5])
    crash_every = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    log = sys.argv[6] if len(sys.argv) > 6 else None
    before = recoveries(log) if log else 0
    servers = [Server(port), Server(other)]
    rng = random.Random(seed)
    crashes = 0
    for i in range(commands):
        if crash_every and i % crash_every == crash_every - 1:
            if log:
                await_recovery(log, before + crashes)
            crashes += 1
            for server in servers:
                server.ask(["SET", "color", "blue" * 20])
            words = ["HMGET", "color", "red"]
        else:
            words = command(rng)
        replies = [in_order(words, server.ask(words)) for server in servers]
        if replies[0] != replies[1]:
            print(f"command {i}: {words}: {replies[0]} and {replies[1]} (seed {seed})")
            return 1
    if log:
        await_recovery(log, before + crashes)
    print(f"{commands} commands, {crashes} crashes, seed {seed}")
    return 0


sys.exit(main())
