#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers from Debian source with bugs put in: bugs.py MX FOLDER SERVER... [--kinds K,K] [--times N]

FOLDER/SERVER/good and FOLDER/SERVER/KIND are what scripts/build-bugs makes. For each bug the version
that has it is the new one and the old one, and each leads: that makes four runs. In each the bug is
met a number of times, and the replies, over one connection that has to stay, are compared with those
of the good version that runs alone. The version has to come back each time, and to be there at the end.
"""

import argparse
import http.client
import json
import os
import random
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time

KINDS = ["null", "walk", "freed", "underflow", "wild", "recursion"]


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


class Server:
    has_plugins = False


class Lines(Server):
    """redis and memcached: a request is a line, and the reply ends as the class says."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def ask(self, word):
        self.socket.sendall(self.request.format(word=word).encode())
        reply = b""
        while not self.is_whole(reply):
            line = self.file.readline()
            if not line:
                raise ConnectionError("the connection was closed")
            reply += line
        return reply


class Redis(Lines):
    program = "redis-server"
    request = "ECHO {word}\r\n"

    @staticmethod
    def is_whole(reply):
        return reply.count(b"\n") == 2

    @staticmethod
    def arguments(folder, port):
        return ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]


class Memcached(Lines):
    program = "memcached"
    request = "get {word}\r\n"

    @staticmethod
    def is_whole(reply):
        return reply.endswith(b"END\r\n")

    @staticmethod
    def arguments(_folder, port):
        return ["-t", "4", "-l", "127.0.0.1", "-p", str(port), "-u", "root", "-U", "0"]


class Http(Server):
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.connect()
        # What is closed is not opened again behind our back.
        self.connection.auto_open = 0

    def ask(self, word):
        self.connection.request("GET", self.request.format(word=word))
        reply = self.connection.getresponse()
        return reply.status, reply.read()


class Lighttpd(Http):
    program = "lighttpd"
    has_plugins = True
    request = "/~{word}/page"

    @staticmethod
    def arguments(folder, port):
        for name in ("known", "bugged"):
            os.makedirs(f"{folder}/home/{name}/public", exist_ok=True)
            with open(f"{folder}/home/{name}/public/page", "w", encoding="ascii") as file:
                file.write(f"the page of {name}\n" * 20)
        conf = f"{folder}/lighttpd.{port}.conf"
        with open(conf, "w", encoding="ascii") as file:
            file.write(
                f'server.document-root = "{folder}"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n'
                'server.modules = ("mod_userdir")\nuserdir.path = "public"\nserver.max-keep-alive-requests = 1000\n'
                f'userdir.basepath = "{folder}/home/"\n'
            )
        return ["-D", "-f", conf]


class Nginx(Http):
    program = "nginx"
    request = "/{word}"
    workers = 2  # and a master; 0: all in one process

    @classmethod
    def arguments(cls, folder, port):
        for name in ("known", "bugged"):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(f"the page of {name}\n" * 20)
        os.makedirs(f"{folder}/logs", exist_ok=True)
        conf = f"{folder}/nginx.{port}.conf"
        processes = f"worker_processes {cls.workers};" if cls.workers else "master_process off;"
        with open(conf, "w", encoding="ascii") as file:
            file.write(
                f"daemon off; user root; {processes}\npid {folder}/pid.{port};\nerror_log {folder}/error.{port};\n"
                f"events {{ worker_connections 64; }}\nhttp {{ access_log off; keepalive_requests 1000;\n"
                + "".join(f"{kind}_temp_path {folder}/t.{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
                + f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
            )
        return ["-p", folder, "-c", conf]


SERVERS = {"redis": Redis, "memcached": Memcached, "lighttpd": Lighttpd, "nginx": Nginx}


def free_port():
    while True:
        port = random.randrange(20001, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def connect(server, port, process):
    client = []

    def can():
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        try:
            client.append(server(port))
        except OSError:
            return False
        return True

    wait_for("the server answers", 60, can)
    return client[0]


def events(log, name=None):
    try:
        with open(log, encoding="utf-8") as file:
            told = [json.loads(line) for line in file if line.endswith("\n")]
    except OSError:
        return []
    return [event for event in told if name in (None, event["event"])]


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def place(server, builds, name, folder, kind):
    """The program of one version, in a folder of its own."""
    to = f"{folder}/{name}"
    shutil.copytree(f"{builds}/{kind}", to)
    return f"{to}/{server.program}"


def make_root(server, builds, name, folder, kind):
    """A root for a version with plug-ins: so each finds its own at the same path, as in an image."""
    root = f"{folder}/root.{name}"
    program = f"{builds}/{kind}/{server.program}"
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"(/\S+) \(0x", libraries):
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        shutil.copy(path, root + path)
    shutil.copytree(f"{builds}/{kind}", f"{root}/app")
    os.mkdir(f"{root}/dev")
    os.mknod(f"{root}/dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    return root


def lost(log):
    refused = events(log, "recovery-refused") + events(log, "divergence")
    if refused:
        raise RuntimeError(json.dumps(refused[0]))


def talk(client, native, process, log, times, rng):
    """Meets the bug that often. Returns the times that the recoveries took, in ms."""
    took = []
    for i in range(times):
        # What was freed is used by the request that follows.
        for word in ["known", f"bugged{i}", "known"] + [f"w{rng.randrange(10**6)}" for _ in range(5)]:
            want, got = native.ask(word), client.ask(word)
            if want != got:
                raise RuntimeError(f"{word}: {got}, and not {want}")

        def is_back():
            lost(log)
            if process.poll() is not None:
                raise RuntimeError(f"mx ended with {process.returncode}")
            return len(events(log, "recovered")) > i

        wait_for(f"recovery {i + 1}", 60, is_back)
        took.append(float(events(log, "recovered")[i]["ms"]))
    return took


def once(mx, builds, server, kind, buggy, leader, times, options):
    folder = tempfile.mkdtemp(prefix="mx-bugs.")
    log = f"{folder}/log"
    ports = [free_port(), free_port()]
    native = [place(server, builds, "alone", folder, "good"), *server.arguments(folder, ports[0])]
    words = server.arguments(folder, ports[1])
    build = {v: kind if v == buggy else "good" for v in ("old", "new")}
    run = [mx, "run", "--log", log, "--leader", leader, *options]
    if server.has_plugins:
        native += ["-m", f"{folder}/alone"]
        for v in build:
            root = make_root(server, builds, v, folder, build[v])
            os.makedirs(root + folder)
            shutil.copytree(f"{folder}/home", f"{root}{folder}/home")
            shutil.copy(words[-1], root + folder)
            run += [f"--{v}-root", root]
        run += [f"/app/{server.program}"] * 2
        words += ["-m", "/app"]
    else:
        run += [place(server, builds, v, folder, build[v]) for v in build]
    processes, failure, took = [], None, []
    with open(f"{folder}/out", "wb") as out:
        try:
            for command in native, [*run, "--", *words]:
                processes.append(subprocess.Popen(command, stdout=out, stderr=out, cwd="/"))
            clients = [connect(server, port, process) for port, process in zip(ports, processes)]
            took = talk(clients[1], clients[0], processes[1], log, times, random.Random(kind + buggy + leader))
            if len(events(log, "crash")) != times:
                failure = f"{len(events(log, 'crash'))} crashes"
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            failure = str(error) or repr(error)
        finally:
            for process in processes:
                end(process)
    if failure:
        return f"{failure} ({folder})", took
    shutil.rmtree(folder)
    return None, took


def main():
    """Says how each run went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mx")
    parser.add_argument("folder")
    parser.add_argument("servers", nargs="+", choices=SERVERS)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--options", default="", help="for mx run")
    options = parser.parse_args()
    failed = 0
    for name in options.servers:
        for kind in options.kinds.split(","):
            for buggy in ("new", "old"):
                for leader in ("new", "old"):
                    failure, took = once(
                        os.path.abspath(options.mx),
                        os.path.abspath(f"{options.folder}/{name}"),
                        SERVERS[name],
                        kind,
                        buggy,
                        leader,
                        options.times,
                        options.options.split(),
                    )
                    failed += failure is not None
                    times = " ".join(f"{ms:.0f}" for ms in took)
                    print(f"{name:9} {kind:9} in {buggy}, {leader} leads: {failure or 'ok'}; recovered in ms: {times}", flush=True)
    return failed != 0


sys.exit(main())
