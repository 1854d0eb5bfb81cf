# SPDX-License-Identifier: Apache-2.0
"""Clients of a redis server that count: counters.py PORT CLIENTS SECONDS.

Each client increments a key of its own and knows what every acknowledgement has to say. An INCR that
is lost, doubled or answered out of turn shows in the next reply; a connection that breaks is an error.
Says "connected" when all of them are, then counts for that long, and each ten times at least.
Prints "ACKNOWLEDGED ERRORS"; the exit status is 1 where there was an error.
"""
import socket
import sys
import threading
import time


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Client(threading.Thread):
    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.key = b"counter:%d" % number
        self.end = 0
        self.acknowledged = 0
        self.error = None
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def run(self):
        try:
            while time.monotonic() < self.end or self.acknowledged < 10:
                self.socket.sendall(command(b"INCR", self.key))
                reply = self.file.readline()
                if reply != b":%d\r\n" % (self.acknowledged + 1):
                    raise ValueError("reply %r after %d" % (reply, self.acknowledged))
                self.acknowledged += 1
            self.socket.sendall(command(b"GET", self.key))
            size = self.file.readline()
            value = self.file.readline().strip()
            if self.acknowledged and (size[:1] != b"$" or int(value) != self.acknowledged):
                raise ValueError("value %r, acknowledged %d" % (value, self.acknowledged))
        except (OSError, ValueError) as e:
            self.error = "%s: %s" % (self.key.decode(), e)


def main():
    port, n, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    clients = [Client(port, i) for i in range(n)]
    print("connected", flush=True)
    for c in clients:
        c.end = time.monotonic() + seconds
        c.start()
    for c in clients:
        c.join(seconds + 40)
        if c.is_alive() and not c.error:
            c.error = "%s: no reply" % c.key.decode()
    errors = [c.error for c in clients if c.error]
    for e in errors:
        print(e, file=sys.stderr)
    print(sum(c.acknowledged for c in clients), len(errors))
    return 1 if errors else 0


sys.exit(main())
