"""Forks of a program that are killed in given places, before one is left to end."""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

ANYWHERE = "anywhere"  #: some time after the start
LONGEST = 3.0  #: seconds until then


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_writing(module: object, stem: str) -> None:
    """Let this process die when `module` has half written the file."""
    publish = module.publish  # type: ignore[attr-defined]

    def dying(directory: Path, name: str, suffix: str, write: Callable[[IO[bytes]], None]) -> Path:
        def half(file: IO[bytes]) -> None:
            write(file)
            file.flush()
            file.truncate(file.tell() // 2)
            die()

        return publish(directory, name, suffix, half if name == stem else write)  # type: ignore[no-any-return]

    module.publish = dying  # type: ignore[attr-defined]


def run(
    folder: Path, places: Sequence[str], prepare: Mapping[str, Callable[[], None]], work: Callable[[Path], None]
) -> None:
    """`work` in a fork for each place, which `prepare` makes deadly, and at last undisturbed."""
    random.seed(1)
    for place in places:
        _killed(folder, place, prepare[place], work)
    work(folder)


def _killed(folder: Path, place: str, prepare: Callable[[], None], work: Callable[[Path], None]) -> None:
    """One fork; one that ended before its kill must have ended well."""
    pid = os.fork()
    if pid == 0:
        prepare()
        work(folder)
        os._exit(0)
    if place == ANYWHERE:
        time.sleep(random.uniform(0.0, LONGEST))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or (place == ANYWHERE and status == 0), f"not killed in {place}"
