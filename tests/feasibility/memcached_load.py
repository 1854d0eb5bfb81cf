# SPDX-License-Identifier: Apache-2.0
"""Sets, gets and counts over several connections: memcached_load.py PORT CONNECTIONS ROUNDS."""

import socket
import sys
import threading


def converse(port, name, rounds, failed):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            answers = sock.makefile("rb")
            sock.sendall(b"set n%d 0 0 1\r\n0\r\n" % name)
            assert answers.readline() == b"STORED\r\n"
            for i in range(rounds):
                value = b"value-%d-%d" % (name, i)
                sock.sendall(b"set k%d-%d 0 0 %d\r\n%s\r\n" % (name, i % 100, len(value), value))
                assert answers.readline() == b"STORED\r\n"
                sock.sendall(b"get k%d-%d\r\n" % (name, i % 100))
                assert answers.readline().startswith(b"VALUE ")
                assert answers.readline() == value + b"\r\n"
                assert answers.readline() == b"END\r\n"
                sock.sendall(b"incr n%d 1\r\n" % name)
                assert answers.readline() == b"%d\r\n" % (i + 1)
    except (OSError, AssertionError) as error:
        failed.append(error)


def main():
    port, connections, rounds = map(int, sys.argv[1:])
    failed = []
    threads = [
        threading.Thread(target=converse, args=(port, name, rounds, failed))
        for name in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(f"{len(failed)} connections failed, the first with {failed[0]!r}")


main()
