# SPDX-License-Identifier: Apache-2.0
"""Clients of a server: requests.py http|memcached PORT CONNECTIONS REQUESTS [PATH SIZE].

Each connection stays open and asks one thing after another; every reply is looked at: status, length and
bytes. Prints "DONE FAILED"; the exit status is 1 where one failed or a connection broke.
"""
import socket
import sys
import threading


class Client(threading.Thread):
    def __init__(self, port, number, requests):
        super().__init__(daemon=True)
        self.port, self.number, self.requests = port, number, requests
        self.done, self.error = 0, None

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
                self.socket, self.file = s, s.makefile("rb")
                while self.done < self.requests:
                    self.ask()
                    self.done += 1
        except (OSError, ValueError) as e:
            self.error = "connection %d, request %d: %r" % (self.number, self.done, e)

    def line(self, want=None):
        got = self.file.readline().rstrip(b"\r\n")
        if want is not None and got != want:
            raise ValueError("%r in place of %r" % (got, want))
        return got


class Http(Client):
    path, size = "/", 0

    def ask(self):
        self.socket.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % self.path.encode())
        self.line(b"HTTP/1.1 200 OK")
        length = None
        while True:
            header = self.line().lower()
            if not header:
                break
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        if length != self.size or len(self.file.read(length)) != length:
            raise ValueError("%r bytes in place of %d" % (length, self.size))


class Memcached(Client):
    def ask(self):
        key, value = b"key_%d_%d" % (self.number, self.done % 100), b"value %d" % self.done
        if self.done % 2 == 0:
            self.socket.sendall(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
            self.line(b"STORED")
            self.last = key, value
            return
        key, value = self.last
        self.socket.sendall(b"get %s\r\n" % key)
        self.line(b"VALUE %s 0 %d" % (key, len(value)))
        self.line(value)
        self.line(b"END")


def main():
    kind, port, connections, requests = sys.argv[1], *map(int, sys.argv[2:5])
    if kind == "http":
        Http.path, Http.size = sys.argv[5], int(sys.argv[6])
    client = {"http": Http, "memcached": Memcached}[kind]
    clients = [client(port, i, requests // connections) for i in range(connections)]
    for c in clients:
        c.start()
    for c in clients:
        c.join(900)
        if c.is_alive() and not c.error:
            c.error = "connection %d: no reply" % c.number
    errors = [c.error for c in clients if c.error]
    for e in errors:
        print(e, file=sys.stderr)
    print(sum(c.done for c in clients), len(errors))
    return 1 if errors else 0


sys.exit(main())
