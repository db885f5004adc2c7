"""What goes into the sandbox, and what comes out."""

from dataclasses import dataclass
from typing import Literal, get_args

Verdict = Literal["passed", "failed", "timeout", "memory", "syntax", "refused", "unsupported", "sandbox error"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Program:
    """A program and the test that it must pass.

    `test` and `setup` are Python source that the judge runs, in this order: `setup`, then `test`. They find the
    program's function under its own name and as `candidate`; other names that only the program defines (a class, a
    helper) are found too. Neither is ever seen by the program.
    """

    source: str
    entry_point: str
    test: str
    setup: str = ""


@dataclass(frozen=True)
class Limits:
    """What one program may use: wall-clock seconds from its start to the end of its test, and bytes.

    `output` bounds one value on its way to the judge; `disk` the private temporary folder.
    """

    seconds: float = 10.0
    memory: int = 512 * MEBIBYTE
    output: int = 1 * MEBIBYTE
    disk: int = 64 * MEBIBYTE


@dataclass(frozen=True)
class Outcome:
    """What became of a program: the verdict, one line that says why, and the seconds that it took."""

    verdict: Verdict
    message: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every assertion of the test held."""
        return self.verdict == "passed"


@dataclass(frozen=True)
class Layers:
    """What stands between a program and this machine.

    The back end, the layers in force, what stays open all the same, and the better back ends that the kernel refused.
    """

    backend: str
    closed: tuple[str, ...]
    open: tuple[str, ...]
    refused: tuple[str, ...] = ()
