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
FORK, KILL, STATUS = b"f", b"k", b"s"


def serve(
    control: socket.socket, limits: dict[str, Any], confine: Callable[[], None], clean: Callable[[], None]
) -> NoReturn:
    """Do as the judge asks: FORK a program on the descriptor that comes along, KILL it, or kill it and tell its STATUS.

    `confine` is called in the program's process before the program is, `clean` here after it is gone.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_DUMPABLE, 0)
    _limit(limits)
    compile("", "", "exec")  # the first one sets the compiler up, which costs more than the fork
    gc.collect()
    gc.freeze()
    program = 0
    while True:
        wish, files, _, _ = socket.recv_fds(control, 1, 1)
        if wish == FORK:
            program = os.fork()
            if program == 0:
                _run(files[0], limits, confine)
            os.close(files[0])
        elif wish in (KILL, STATUS):
            os.kill(program, signal.SIGKILL)
            _, status = os.waitpid(program, 0)
            clean()
            if wish == STATUS:
                control.send(status.to_bytes(4, "little"))
        else:
            os._exit(0)


def _run(file: int, limits: dict[str, Any], confine: Callable[[], None]) -> NoReturn:
    try:
        os.dup2(file, CHANNEL)
        os.closerange(CHANNEL + 1, OPEN_FILES)
        confine()
        Servant(Channel(CHANNEL, limits["output"])).serve()
    finally:
        os._exit(1)


def _limit(limits: dict[str, Any]) -> None:
    """Bound this process and, by inheritance, its programs: set once, for six calls a program would be felt."""
    for name, value in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["disk"]),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(name, (value, value))
