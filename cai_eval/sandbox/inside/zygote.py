"""The zygote: forks a process for each program, from a parent that has read neither program nor test."""

import gc
import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from .channel import Channel
from .servant import Servant
from .system import PR_SET_DUMPABLE, PR_SET_PDEATHSIG, prctl

CHANNEL = 3  # the one descriptor of a program besides the standard three
OPEN_FILES = 64


def serve(
    control: socket.socket, limits: dict[str, Any], confine: Callable[[], None], clean: Callable[[], None]
) -> NoReturn:
    """Fork a program for each descriptor that arrives; kill it at the next byte and answer with its wait status.

    `confine` is called in the program's process before the program is, `clean` here after it is gone.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_DUMPABLE, 0)
    _limit(limits)
    gc.collect()
    gc.freeze()
    while True:
        _, files, _, _ = socket.recv_fds(control, 1, 1)
        if not files:
            os._exit(0)
        program = os.fork()
        if program == 0:
            try:
                os.dup2(files[0], CHANNEL)
                os.closerange(CHANNEL + 1, OPEN_FILES)
                confine()
                Servant(Channel(CHANNEL, limits["output"])).serve()
            finally:
                os._exit(1)
        os.close(files[0])
        control.recv(1)
        os.kill(program, signal.SIGKILL)
        _, status = os.waitpid(program, 0)
        clean()
        control.send(status.to_bytes(4, "little"))


def _limit(limits: dict[str, Any]) -> None:
    """Bound this process and, by inheritance, its programs: set once, for six calls a program would be felt."""
    for name, value in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["disk"]),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(name, (value, value))
