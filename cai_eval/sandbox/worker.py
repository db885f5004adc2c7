"""One far side: the judge's process, from our side of its pipes."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from cai_eval.errors import UserError
from cai_eval.sandbox.inside.channel import Channel
from cai_eval.sandbox.inside.isolation import readable
from cai_eval.sandbox.program import Layers, Limits, Outcome, Program

HERE = Path(__file__).parent
INTERPRETER = os.path.realpath(sys.executable)  # of no virtual environment
# our own folder leaves the path again: if it lies under /tmp, a program can put modules there for the judge to find
BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from inside import judge; del sys.path[0]; judge.main()"
GRACE = 2.0  # seconds past its deadline after which a judge that does not answer is ended
LONGEST = 1 << 30


class RefusedError(Exception):
    """The kernel refuses a back end."""


class Worker:
    """A judge and its zygote; judges one program at a time.

    Starting one does not wait for it: `greet` does, and comes before all else. `number` is that of the program under
    judgement, None when there is none.
    """

    def __init__(self, backend: str, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits
        self._since = 0.0
        self.number: int | None = None
        asked = json.dumps([backend, vars(limits)])
        self._process = subprocess.Popen(
            [*_wrapper(backend), INTERPRETER, "-S", "-s", "-P", "-c", BOOT, str(HERE), asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # the far side closes it once it stands
            env={"PYTHONHASHSEED": "0"},  # nothing of ours; and the same order of sets the next time
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = Channel(self._process.stdin.fileno(), LONGEST)
        self._replies = Channel(self._process.stdout.fileno(), LONGEST)

    def greet(self) -> Layers:
        """Wait until the isolation stands. Raises RefusedError where the kernel refuses the back end."""
        try:
            hello = self._replies.receive()
        except EOFError:
            hello = {"refused": self._last_words()}
        if "refused" in hello:
            raise RefusedError(f"{self._backend}: {hello['refused']}")
        return Layers(self._backend, tuple(hello["closed"]), tuple(hello["open"]))

    def fileno(self) -> int:
        """What becomes readable when an outcome is there."""
        return self._replies.file

    def send(self, number: int, program: Program) -> None:
        """Have a program judged; `number` is how the caller knows it."""
        self.number = number
        self._since = time.monotonic()
        with contextlib.suppress(OSError):  # a judge that is gone is found so when its outcome is due
            self._requests.send(vars(program))

    def receive(self) -> tuple[int, Outcome]:
        """The outcome of the program sent, and its number. Raises EOFError when the judge is gone."""
        verdict, message, seconds = self._replies.receive()
        number, self.number = self.number, None
        assert number is not None
        return number, Outcome(verdict, message, seconds)

    @property
    def busy(self) -> float:
        """Seconds since the last program was sent."""
        return time.monotonic() - self._since

    @property
    def remaining(self) -> float:
        """Seconds in which the judge must answer; negative when it is late, infinite when it has nothing to do."""
        return self._limits.seconds + GRACE - self.busy if self.number is not None else float("inf")

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        lines = self._process.stderr.read().decode(errors="replace").splitlines()
        return lines[-1] if lines else "its process ended at once"

    def close(self) -> None:
        """End the processes at once."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def _wrapper(backend: str) -> list[str]:
    """The command that the judge is started through."""
    if backend != "bwrap":
        return []
    command = shutil.which("bwrap")
    if command is None:
        raise UserError(
            "back end 'bwrap' needs bubblewrap: install the package `bubblewrap`, or choose another back end."
        )
    shown = [path for path in [*readable(), INTERPRETER, str(HERE)] if os.path.exists(path) and path[:5] != "/dev/"]
    binds = [part for path in shown for part in ("--ro-bind", path, path)]
    options = "--unshare-all --die-with-parent --new-session --cap-drop ALL --dev /dev --tmpfs /tmp"
    return [command, *options.split(), *binds, "--"]
