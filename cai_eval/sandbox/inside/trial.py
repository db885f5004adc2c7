"""One trial: run the test here, the program there, and say how it ended."""

import builtins
import importlib
import os
import random
import signal
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

from .channel import Channel
from .remote import Conversation, Remote, Stop

TICK = 0.1  # seconds between reminders to a test that catches everything


def run(request: dict[str, Any], channel: Channel, seconds: float) -> tuple[str, str]:
    """The verdict and its message. "gone" means that the program's process ended by itself."""
    conversation = Conversation(channel)
    running = [True]

    def late(*_: object) -> None:
        if running[0]:
            conversation.stop("timeout", f"not finished after {seconds:g} s")

    signal.signal(signal.SIGALRM, late)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, TICK)
            failure = _failure(request, conversation)
        finally:
            running[0] = False  # no call between the end of the test and this: an alarm cannot come between
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Stop as stop:
        return stop.verdict, stop.message
    except MemoryError:
        return "memory", "out of memory"
    if conversation.stopped is not None:
        return conversation.stopped.verdict, conversation.stopped.message
    if failure is not None:
        return "failed", failure
    if not conversation.calls:
        return "sandbox error", "the test never called the program"
    return "passed", ""


def _failure(request: dict[str, Any], conversation: Conversation) -> str | None:
    """Why the program fails its test, None if it passes. Telling may ask the program, so the deadline is still on."""
    try:
        _test(request, conversation)
    except (Stop, MemoryError):
        raise
    except BaseException as error:
        return _why(error, request["test"])
    return None


def _test(request: dict[str, Any], conversation: Conversation) -> None:
    try:
        codes = [compile(request[part], part, "exec", dont_inherit=True) for part in ("setup", "test")]
    except (SyntaxError, ValueError) as error:
        conversation.stop("sandbox error", f"the test cannot be read: {error}")
    random.seed(0)  # the same test draws the same numbers the next time
    entry_point = request["entry_point"]
    candidate, defined = conversation.load(request["source"], entry_point)
    program = Remote(conversation, 0)
    names: dict[str, Any] = {"__name__": "test"}
    for name in {name for code in codes for name in _names(code)} & defined - {entry_point} - set(vars(builtins)):
        if name in sys.stdlib_module_names:
            names[name] = importlib.import_module(name)
        else:
            names[name] = getattr(program, name)
    names |= {"candidate": candidate, entry_point: candidate}
    conversation.calls = 0
    for code in codes:
        exec(code, names)


def _why(error: BaseException, test: str) -> str:
    """The error in a line; an assertion that says nothing is quoted."""
    try:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception:  # an integer too long to be written, say
        text = type(error).__name__
    line, step = 0, error.__traceback__
    while step is not None:
        line = step.tb_lineno if step.tb_frame.f_code.co_filename == "test" else line
        step = step.tb_next
    return f"{text}: {test.splitlines()[line - 1].strip()}" if text == "AssertionError" and line else text


def _names(code: CodeType) -> Iterator[str]:
    """Every global name that the code, or a function within it, may look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def ending(status: int) -> tuple[str, str]:
    """What the wait status of a program's process that ended by itself means."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGSYS:
            return "refused", "the program asked the kernel for a process, a thread, a socket or the like"
        return "failed", f"the program's process was ended by signal {number} ({signal.strsignal(number)})"
    return "failed", f"the program's process ended with exit code {os.WEXITSTATUS(status)}"
