"""The judge: stands up the isolation, forks the zygote, then judges one program after another.

The zygote is forked before the first test arrives and shares nothing with the judge but a socket for its wishes
and wait statuses. Tests come in and verdicts go out over two descriptors that only the judge holds.
"""

import importlib
import json
import os
import resource
import socket
import sys
import time
from typing import Any

from . import trial, zygote
from .channel import Channel
from .isolation import Isolation, isolate
from .system import PR_SET_DUMPABLE, drop_capabilities, prctl

COMMON = (
    "bisect",
    "collections",
    "copy",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "string",
    "typing",
)
"""What programs and tests import most: loaded once, before the fork."""

LONGEST = 1 << 30  # of requests, which come from our own side
MESSAGE = 2000  # characters of a message that are kept


def main() -> None:
    """Serve until the requests end. `sys.argv[1]` holds the back end and the limits, as JSON."""
    backend, limits = json.loads(sys.argv[1])
    requests, replies = Channel(os.dup(0), LONGEST), Channel(os.dup(1), LONGEST)
    for module in COMMON:
        importlib.import_module(module)
    try:
        isolation = isolate(backend, limits)
    except OSError as error:
        replies.send({"refused": str(error)})
        return
    nowhere = os.open(os.devnull, os.O_RDWR)  # opened in here, where not even its times can be changed
    for standard in range(3):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    control = _start_zygote(isolation, limits, (requests.file, replies.file))
    prctl(PR_SET_DUMPABLE, 0)
    drop_capabilities()
    resource.setrlimit(resource.RLIMIT_AS, (2 * limits["memory"],) * 2)
    replies.send({"closed": isolation.closed, "open": isolation.open})
    while True:
        try:
            request = requests.receive()
        except EOFError:
            return
        replies.send(_judge(request, control, limits))


def _start_zygote(isolation: Isolation, limits: dict[str, Any], ours: tuple[int, ...]) -> socket.socket:
    control, far = socket.socketpair()
    if os.fork() == 0:
        control.close()
        for file in ours:
            os.close(file)
        isolation.prepare()
        zygote.serve(far, limits, isolation.confine, isolation.clean)
    far.close()
    return control


def _judge(request: dict[str, Any], control: socket.socket, limits: dict[str, Any]) -> list[Any]:
    began = time.perf_counter()
    near, far = socket.socketpair()
    with near:
        with far:
            socket.send_fds(control, [zygote.FORK], [far.fileno()])
        verdict, message = trial.run(request, Channel(near.fileno(), limits["output"]), limits["seconds"])
    seconds = time.perf_counter() - began
    if verdict == "gone":
        control.send(zygote.STATUS)
        verdict, message = trial.ending(int.from_bytes(control.recv(4), "little"))
    else:
        control.send(zygote.KILL)
    return [verdict, message[:MESSAGE].encode("utf-8", "replace").decode(), seconds]
