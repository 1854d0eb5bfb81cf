# SPDX-License-Identifier: Apache-2.0
"""How `make bench` starts programs, alone, in twos and under MX, and how it ends them."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
MX = os.path.join(BUILD, "mx")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
TIMEOUT = 300

# Options of `mx run` by mode; the other modes are without MX.
MX_MODES = {
    "stream": ["--sync", "stream"],
    "barrier": ["--sync", "barrier"],
    "no-agent": ["--sync", "stream", "--no-agent"],
    "promoted": ["--sync", "stream"],
    "merged": ["--sync", "stream", "--merge-memory"],
}


class Failed(Exception):
    """A run that failed is no figure."""


def which(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/games")


def command_for(mode, command, control=None):
    """What runs @command in this mode."""
    program = which(command[0]) or command[0]
    if mode not in MX_MODES:
        return [program] + command[1:]
    listen = ["--control", control] if control else []
    return [MX, "run"] + MX_MODES[mode] + listen + [program, program, "--"] + command[1:]


def copies(mode):
    return 2 if mode == "two" else 1


def on_cpu(cpu, command):
    return command if cpu is None else ["taskset", "-c", str(cpu)] + command


def fresh_folder():
    folder = tempfile.mkdtemp(dir=os.getcwd())
    os.chmod(folder, 0o755)
    return folder


def start(command, folder, **how):
    """In a process group of its own, which stop() can end as a whole."""
    # As SPEC's: what computes does so in one thread.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, start_new_session=True, env=environment, **{**QUIET, **how})


def stop(process):
    """The program gets the signal by way of the engine."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def time_command(mode, command):
    """Seconds until it has ended, in as many copies as the mode has, each in a folder of its own."""
    running = []
    begun = time.monotonic()
    try:
        for _ in range(copies(mode)):
            running.append(start(command_for(mode, command), fresh_folder()))
        for process in running:
            if process.wait(TIMEOUT):
                raise Failed(f"{command[0]} ended with {process.returncode}")
        took = time.monotonic() - begun
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{command[0]} has not ended after {TIMEOUT} s") from late
    finally:
        for process in running:
            stop(process)
    return took


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_server(port, process):
    for _ in range(600):
        if process.poll() is not None:
            raise Failed(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failed("the server does not listen")


def family(pid):
    """The process and all that come from it."""
    found = [pid]
    for parent in found:
        for thread in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{thread}/children", encoding="ascii") as f:
                found += [int(child) for child in f.read().split()]
    return found
