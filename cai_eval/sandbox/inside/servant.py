"""The program's process: it loads the source, then does what the judge asks of it until it is killed.

Nothing here is trusted: the program can read and change all of this. It holds the source, the arguments that the
judge sends, and one channel; never the test, an expected value, or a way to say "passed".
"""

import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from .channel import Channel, TooLongError
from .plain import Encoded, decode, encode

OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda function, /, *arguments, **named: function(*arguments, **named),
    "getattr": getattr,
    "setattr": setattr,
    "iter": iter,
    "next": next,
    "len": len,
    "getitem": lambda thing, key: thing[key],
    "setitem": lambda thing, key, value: thing.__setitem__(key, value),
    "str": str,
    "repr": repr,
}


class Callback:
    """A function of the test's, handed to the program as an argument."""

    def __init__(self, servant: "Servant", number: int) -> None:
        self._servant = servant
        self._number = number

    def __call__(self, *arguments: object) -> object:
        return self._servant.call_back(self._number, arguments)


class JudgeError(Exception):
    """A function of the test's raised something that has no name here."""


class Servant:
    """Answers the judge's requests about one program."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._program = ModuleType("program")
        self._objects: list[object] = [self._program]
        self._numbers = {id(self._program): 0}

    def serve(self) -> NoReturn:
        """Load the program, then answer for ever; ends when the judge hangs up."""
        self._channel.send(self._load(self._channel.receive()))
        while True:
            self._answer(self._channel.receive())

    def _load(self, request: Encoded) -> Encoded:
        source, entry_point = request
        try:
            code = compile(source, "program.py", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            return ["syntax", f"{type(error).__name__}: {error}"]
        random.seed(0)  # the same program gets the same verdict the next time
        sys.modules["program"] = self._program  # where dataclasses and annotations look
        try:
            exec(code, self._program.__dict__)
            candidate = self._refer(getattr(self._program, entry_point))  # even a builtin type is called here
        except BaseException as error:
            return _raised(error)
        return ["value", candidate, [name for name in vars(self._program) if isinstance(name, str)]]

    def _answer(self, request: Encoded) -> None:
        operation, target, sent, named = request
        try:
            arguments = [decode(item, self._resolve) for item in sent]
            keywords = {name: decode(item, self._resolve) for name, item in named.items()}
            value = OPERATIONS[operation](self._objects[target], *arguments, **keywords)
        except BaseException as error:
            self._channel.send(_raised(error))
            return
        try:
            after = [encode(argument, self._refer) for argument in arguments]
            self._channel.send(["value", encode(value, self._refer), after if after != sent else None])
        except TooLongError as error:
            self._channel.send(["unsupported", str(error)])
        except RecursionError:
            self._channel.send(["unsupported", "data that are nested too deeply"])
        except MemoryError as error:
            self._channel.send(_raised(error))

    def call_back(self, number: int, arguments: tuple[object, ...]) -> object:
        """Ask the judge to call a function of the test's; the judge may ask back before it answers."""
        self._channel.send(["callback", number, [encode(argument, self._refer) for argument in arguments]])
        while True:
            message = self._channel.receive()
            if message[0] == "value":
                return decode(message[1], self._resolve)
            if message[0] == "raised":
                raise JudgeError(message[1])
            self._answer(message)

    def _refer(self, value: object) -> Encoded:
        if isinstance(value, Callback):
            return {"callback": value._number}
        number = self._numbers.setdefault(id(value), len(self._objects))
        if number == len(self._objects):
            self._objects.append(value)
        return {"object": number}

    def _resolve(self, tag: str, body: Encoded) -> object:
        return Callback(self, body) if tag == "callback" else self._objects[body]


def _raised(error: BaseException) -> Encoded:
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
    try:
        text = str(error)
    except Exception:
        text = ""
    return ["raised", names[0], type(error).__name__, text[:1000]]
