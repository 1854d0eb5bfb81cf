# SPDX-License-Identifier: Apache-2.0
"""The servers of `make bench`: how each is started, and what loads it. Figures are requests a second."""

import os
import pwd
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack

from suite.running import (BUILD, MX, QUIET, TIMEOUT, Failed, await_server, command_for, copies, family,
                           free_port, fresh_folder, on_cpu, start, stop, which)


def page(folder, size):
    with open(os.path.join(folder, f"{size}.html"), "w", encoding="ascii") as f:
        f.write("x" * size)


def redis_command(port, folder):
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder,
            "--daemonize", "no"]


def memcached_command(port, _):
    return ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-t", "1"]


def lighttpd_command(port, folder):
    for size in (1024, 102400):
        page(folder, size)
    conf = os.path.join(folder, "conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write(f'server.document-root = "{folder}"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n'
                'mimetype.assign = ( "" => "text/html" )\nserver.max-keep-alive-requests = 100000000\n')
    return ["lighttpd", "-D", "-f", conf]


def nginx_command(port, folder):
    for size in (1024, 102400):
        page(folder, size)
    conf = os.path.join(folder, "conf")
    user = "user root; " if os.getuid() == 0 else ""
    with open(conf, "w", encoding="ascii") as f:
        f.write(f"daemon off; {user}worker_processes 1; pid {folder}/pid; error_log /dev/null;\n"
                "events { worker_connections 256; }\n"
                f"http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/b;\n"
                f"proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;\n"
                f"scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
    return ["nginx", "-c", conf]


POSTGRES = "/usr/lib/postgresql/15/bin"
PAGES = [("1 KiB", 1024), ("100 KiB", 102400)]


def as_postgres(command):
    """PostgreSQL refuses to be root."""
    if os.getuid():
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] + command


def await_postgres(port):
    """It listens before it serves."""
    for _ in range(600):
        if subprocess.run([f"{POSTGRES}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise Failed("postgres does not serve")


def make_database():
    """A cluster with pgbench's tables, which each server then gets a copy of."""
    template = os.path.abspath("postgresql")
    if os.path.isdir(template):
        return template
    made = tempfile.mkdtemp(dir=os.getcwd())
    if os.getuid() == 0:
        os.chown(made, pwd.getpwnam("postgres").pw_uid, -1)
    data, port = os.path.join(made, "data"), free_port()
    subprocess.run(as_postgres([f"{POSTGRES}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"]),
                   check=True, timeout=TIMEOUT, **QUIET)
    server = start(as_postgres([f"{POSTGRES}/postgres", "-D", data, "-p", str(port), "-k", made]), made)
    try:
        await_server(port, server)
        await_postgres(port)
        subprocess.run([f"{POSTGRES}/pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-i", "-q",
                        "-s", "5", "postgres"], check=True, timeout=TIMEOUT, **QUIET)
    finally:
        stop(server)
    os.rename(made, template)
    return template


def postgres_command(port, folder):
    data = os.path.join(folder, "data")
    subprocess.run(["cp", "-a", os.path.join(make_database(), "data"), data], check=True)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    return [f"{POSTGRES}/postgres", "-D", data, "-p", str(port), "-k", folder]


class Load:
    """One client's command. Figures are found by @pattern; @figure makes requests a second of them."""

    def __init__(self, name, command, pattern, figure=float, bad=None):
        self.name, self.command, self.pattern, self.figure, self.bad = name, command, pattern, figure, bad

    def begin(self, port, cpu):
        words = [word.replace("PORT", str(port)) for word in self.command]
        return subprocess.Popen(on_cpu(cpu, words), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def end(self, client):
        try:
            out, errors = client.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired as late:
            client.kill()
            client.communicate()
            raise Failed(f"{self.command[0]} has not ended after {TIMEOUT} s") from late
        out = out.replace("\r", "\n")
        found = re.findall(self.pattern, out)
        if client.returncode or not found or self.bad and re.search(self.bad, out):
            raise Failed(f"{self.command[0]}: {out[-300:]}{errors[-300:]}")
        return self.figure(found[-1])


def redis_loads(pipeline, counts):
    return [Load(f"{name}, P={pipeline}",
                 ["redis-benchmark", "-p", "PORT", "-n", str(n), "-c", "20", "-P", str(pipeline), "--csv", "-t", test],
                 rf'"{name}[^"]*","([0-9.]+)"')
            for name, test, n in zip(("SET", "GET", "INCR", "LRANGE"), ("set", "get", "incr", "lrange_100"), counts)]


def page_loads(connections="10", seconds="2"):
    return [Load(name, ["wrk", "-t1", "-c" + connections, f"-d{seconds}s", f"http://127.0.0.1:PORT/{size}.html"],
                 r"Requests/sec:\s+([0-9.]+)", bad="Non-2xx|Socket errors")
            for name, size in PAGES]


def memcached_loads(clients, n):
    def rate(seconds):
        return clients * n / float(seconds)
    return [Load(test, ["memcslap", "--servers=127.0.0.1:PORT", f"--concurrency={clients}", f"--execute-number={n}",
                        f"--test={test}"] + (["--initial-load=1000"] if test == "get" else []),
                 rf"Time to {test}[^:]*:\s+([0-9.]+) seconds", rate)
            for test in ("set", "get")]


PGBENCH = [Load("pgbench -S", [f"{POSTGRES}/pgbench", "-h", "127.0.0.1", "-p", "PORT", "-U", "postgres", "-n", "-S",
                               "-c", "4", "-T", "3", "postgres"], r"tps = ([0-9.]+) \(without")]

SERVERS = {
    "redis": (redis_command, redis_loads(1, (60000, 60000, 60000, 20000)) +
              redis_loads(16, (400000, 400000, 400000, 40000))),
    "lighttpd": (lighttpd_command, page_loads()),
    "nginx": (nginx_command, page_loads()),
    "memcached": (memcached_command, memcached_loads(10, 4000)),
    "postgresql": (postgres_command, PGBENCH),
}
# Far away a client mostly waits.
REMOTE = {
    "redis": (redis_command, redis_loads(1, (500, 500, 500, 500))[:2]),
    "lighttpd": (lighttpd_command, page_loads("20", "3")[:1]),
}
USERS = {"postgresql": as_postgres}
READY = {"postgresql": await_postgres}
DELAY_MS = 75


def begin_relay(port, cleanup):
    """The port of a relay that delays each direction."""
    relay = subprocess.Popen([os.path.join(BUILD, "bench", "relay"), str(port), str(DELAY_MS)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    cleanup.callback(relay.wait)
    cleanup.callback(relay.kill)
    return int(relay.stdout.readline())


def promote(control, wrap):
    subprocess.run(wrap([MX, "promote", "--control", control]), check=True, timeout=TIMEOUT, **QUIET)


def home(server):
    """The CPU that it was put on, or where the engine has put both versions to begin with."""
    for pid in family(server.pid):
        cpus = os.sched_getaffinity(pid)
        if len(cpus) == 1:
            return cpus.pop()
    raise Failed("the server is on no CPU of its own")


def run_server(part, mode, cpus, remote):
    """Requests a second by load, as the mean of as many servers as the mode has. Pinned (@cpus), each server
    has a CPU, with its client; the versions under MX are placed by the engine, and the client on the leader's."""
    make, loads = (REMOTE if remote else SERVERS)[part]
    wrap = USERS.get(part, lambda command: command)
    with ExitStack() as cleanup:
        ports, homes = [], []
        for i in range(copies(mode)):
            port, folder = free_port(), fresh_folder()
            control = os.path.join(folder, "control")
            command = wrap(command_for(mode, make(port, folder), control))
            server = start(on_cpu(cpus[i] if cpus and mode in ("alone", "two") else None, command), folder)
            cleanup.callback(stop, server)
            await_server(port, server)
            READY.get(part, lambda _: None)(port)
            ports.append(begin_relay(port, cleanup) if remote else port)
            homes.append(home(server) if cpus else None)
        if mode == "promoted":
            warm = loads[0]
            warm.end(warm.begin(ports[0], None))
            promote(control, wrap)
        rates = {}
        for load in loads:
            clients = [load.begin(port, cpu) for port, cpu in zip(ports, homes)]
            rates[load.name] = statistics.mean(load.end(client) for client in clients)
        return rates


def needed(part):
    programs = {"redis": ["redis-server", "redis-benchmark"], "memcached": ["memcached", "memcslap"],
                "lighttpd": ["lighttpd", "wrk"], "nginx": ["nginx", "wrk"],
                "postgresql": [f"{POSTGRES}/postgres", f"{POSTGRES}/pgbench"]}[part]
    return [p for p in programs if not which(p)]
