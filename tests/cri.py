#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small client of the Kubernetes container runtime interface (CRI v1): no package has one.

cri.py SOCKET run HANDLER JSON      a pod with one container in the host's network; prints "POD CONTAINER"
cri.py SOCKET exec CONTAINER ARG... prints the output, ends with the command's exit status
cri.py SOCKET status CONTAINER      prints the state: created, running, exited or unknown, and the exit code
cri.py SOCKET remove POD            stops and removes the pod with its containers

JSON: {"image", "command": [], "name", "pod_annotations": {}, "annotations": {}, "mounts": [[from, to]]}
"""
import json
import sys

import grpc

POD = "runtime.v1.RuntimeService"
NODE_NETWORK = 2
STATES = ["created", "running", "exited", "unknown"]


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def message(*fields):
    """Protocol-buffer message of (number, value) pairs; a list repeats, a dict is a map."""
    out = b""
    for number, value in fields:
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, list):
            for item in value:
                out += message((number, item))
        elif isinstance(value, dict):
            for key, item in value.items():
                out += message((number, message((1, key), (2, item))))
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def parse(data):
    """The fields of a message, as {number: [values]}; nested messages stay bytes."""
    fields, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        elif key & 7 == 2:
            size = number()
            value = data[at:at + size]
            at += size
        else:
            raise ValueError("wire type %d" % (key & 7))
        fields.setdefault(key >> 3, []).append(value)
    return fields


class Client:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix://" + socket)

    def call(self, method, *fields):
        call = self.channel.unary_unary("/%s/%s" % (POD, method))
        return parse(call(message(*fields), timeout=60))

    def run(self, handler, what):
        name = what.get("name", "app")
        network = message((2, message((1, message((1, NODE_NETWORK))))))
        pod = message(
            (1, message((1, name), (2, name + "-uid"), (3, "default"))),
            (3, "/tmp"), (7, what.get("pod_annotations", {})), (8, network))
        pod_id = self.call("RunPodSandbox", (1, pod), (2, handler))[1][0].decode()
        mounts = [message((1, to), (2, source), (3, True)) for source, to in what.get("mounts", [])]
        container = message(
            (1, message((1, name))), (2, message((1, what["image"]))), (3, what["command"]),
            (7, mounts), (10, what.get("annotations", {})), (11, name + ".log"),
            (15, message((2, message((3, message((1, NODE_NETWORK))))))))
        container_id = self.call(
            "CreateContainer", (1, pod_id), (2, container), (3, pod))[1][0].decode()
        self.call("StartContainer", (1, container_id))
        return pod_id, container_id

    def execute(self, container, command):
        reply = self.call("ExecSync", (1, container), (2, command), (3, 30))
        sys.stdout.buffer.write(reply.get(1, [b""])[0])
        sys.stderr.buffer.write(reply.get(2, [b""])[0])
        return reply.get(3, [0])[0]

    def status(self, container):
        status = parse(self.call("ContainerStatus", (1, container))[1][0])
        return "%s %d" % (STATES[status.get(3, [0])[0]], status.get(7, [0])[0])

    def remove(self, pod):
        self.call("StopPodSandbox", (1, pod))
        self.call("RemovePodSandbox", (1, pod))


def main(socket, verb, *args):
    client = Client(socket)
    if verb == "run":
        print(*client.run(args[0], json.loads(args[1])))
    elif verb == "exec":
        return client.execute(args[0], list(args[1:]))
    elif verb == "status":
        print(client.status(args[0]))
    elif verb == "remove":
        client.remove(args[0])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except grpc.RpcError as error:
        sys.exit("cri.py: %s" % error.details())
    except (TypeError, KeyError) as error:
        sys.exit("%s\ncri.py: %s" % (__doc__, error))
