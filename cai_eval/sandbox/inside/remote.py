"""The judge's side of the conversation: what stands for the program's functions and objects while the test runs."""

import builtins
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, NoReturn

from .channel import Channel
from .plain import Encoded, decode, encode

CALLABLES = (FunctionType, MethodType, type(len))
STRANGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)


class Stop(BaseException):
    """The end of a trial, whatever the test would catch: a verdict and why."""

    def __init__(self, verdict: str, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.message = message


class ProgramError(Exception):
    """An exception of the program's that has no name here."""


class Conversation:
    """Asks the program's process on behalf of the test.

    The first Stop is kept in `stopped`: a test that catches everything cannot turn it into a pass.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._remotes: dict[int, Remote] = {}
        self._callbacks: list[Callable[..., object]] = []
        self.calls = 0
        self.stopped: Stop | None = None

    def stop(self, verdict: str, message: str) -> NoReturn:
        """End the trial."""
        self.stopped = self.stopped or Stop(verdict, message)
        raise self.stopped

    def load(self, source: str, entry_point: str) -> tuple[Any, set[str]]:
        """Have the program's source run: its function, and the names that it defines."""
        self._send([source, entry_point])
        match self._reply():
            case [{"object": int()} as candidate, list(names)] if all(isinstance(name, str) for name in names):
                return self._decode(candidate), set(names)
        self.stop("failed", "the program broke the protocol")

    def ask(self, operation: str, target: int, *arguments: object, **named: object) -> Any:
        """Do an operation on one of the program's objects and return its value."""
        self.calls += operation == "call"
        self._send(
            [operation, target, self._encode(arguments), {name: self._encode_one(named[name]) for name in named}]
        )
        try:
            reply = self._reply()
        except StopIteration as end:
            if operation == "next":
                raise
            raise ProgramError(f"StopIteration: {end}") from None  # it would end a `map` of the test's unnoticed
        match reply:
            case [value, after]:
                for old, new in zip(arguments, self._decode(after) or (), strict=False):
                    _restore(old, new)
                return self._decode(value)
        self.stop("failed", "the program broke the protocol")

    def _reply(self) -> list[Encoded]:
        """The next answer; the program may call functions of the test's before it answers. Raises what it raised."""
        while True:
            try:
                message = self._channel.receive()
            except (EOFError, OSError):
                self.stop("gone", "the program's process ended")
            except (ValueError, RecursionError) as error:
                self.stop("failed", f"the program broke the protocol: {error}")
            match message:
                case ["value", *values]:
                    return values
                case ["raised", str(name), str(kind), str(text)]:
                    self._raise(name, kind, text)
                case ["syntax", str(text)]:
                    self.stop("syntax", text)
                case ["unsupported", str(text)]:
                    self.stop("unsupported", text)
                case ["callback", int(number), list(arguments)] if 0 <= number < len(self._callbacks):
                    self._call_back(number, arguments)
                case _:
                    self.stop("failed", "the program broke the protocol")

    def _raise(self, name: str, kind: str, text: str) -> NoReturn:
        error = getattr(builtins, name, None)
        if not (isinstance(error, type) and issubclass(error, Exception)):
            self.stop("failed", f"the program raised {kind}: {text}")
        try:
            exception = error(text)
        except TypeError:
            exception = ProgramError(f"{kind}: {text}")
        raise exception from None

    def _call_back(self, number: int, arguments: list[Encoded]) -> None:
        decoded = self._decode(arguments)
        try:
            value = self._callbacks[number](*decoded)
        except Exception as error:
            self._send(["raised", f"{type(error).__name__}: {error}"])
        else:
            self._send(["value", self._encode_one(value)])

    def _send(self, message: Encoded) -> None:
        try:
            self._channel.send(message)
        except OSError:
            self.stop("gone", "the program's process ended")
        except Exception as error:
            self.stop("unsupported", f"{type(error).__name__}: {error}")

    def _encode(self, values: tuple[object, ...]) -> list[Encoded]:
        return [self._encode_one(value) for value in values]

    def _encode_one(self, value: object) -> Encoded:
        try:
            return encode(value, self._refer)
        except (TypeError, RecursionError) as error:
            self.stop("unsupported", str(error))

    def _decode(self, data: Encoded) -> Any:
        try:
            return decode(data, self._resolve)
        except STRANGE as error:
            self.stop("failed", f"the program broke the protocol: {error}")

    def _refer(self, value: object) -> Encoded:
        if isinstance(value, Remote):
            return {"object": value._number}
        if isinstance(value, CALLABLES):
            self._callbacks.append(value)
            return {"callback": len(self._callbacks) - 1}
        raise TypeError(f"the test passes a {type(value).__name__}, which is not plain data")

    def _resolve(self, tag: str, body: Encoded) -> object:
        match tag, body:
            case "object", int(number):
                return self._remotes.setdefault(number, Remote(self, number))
            case "callback", int(number) if 0 <= number < len(self._callbacks):
                return self._callbacks[number]
        raise ValueError(f"no {tag}")


class Remote:
    """An object of the program's, known by number. Its attributes and results come as plain data.

    It has no truth, order, equality or hash here: those would let the program judge itself.
    """

    def __init__(self, conversation: Conversation, number: int) -> None:
        object.__setattr__(self, "_conversation", conversation)
        object.__setattr__(self, "_number", number)

    _conversation: Conversation
    _number: int

    def __call__(self, *arguments: object, **named: object) -> Any:
        return self._conversation.ask("call", self._number, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return self._conversation.ask("getattr", self._number, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._conversation.ask("setattr", self._number, name, value)

    def __iter__(self) -> Any:
        return self._conversation.ask("iter", self._number)

    def __next__(self) -> Any:
        return self._conversation.ask("next", self._number)

    def __len__(self) -> Any:
        return self._conversation.ask("len", self._number)

    def __getitem__(self, key: object) -> Any:
        return self._conversation.ask("getitem", self._number, key)

    def __setitem__(self, key: object, value: object) -> None:
        self._conversation.ask("setitem", self._number, key, value)

    def __str__(self) -> str:
        return str(self._conversation.ask("str", self._number))

    def __repr__(self) -> str:
        return str(self._conversation.ask("repr", self._number))

    def _unsupported(self, *_: object) -> NoReturn:
        self._conversation.stop("unsupported", "the test takes an object of the program's for plain data")

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __contains__ = _unsupported
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _unsupported
    __int__ = __float__ = __index__ = __round__ = __abs__ = __neg__ = __format__ = __reduce_ex__ = _unsupported


def _restore(old: object, new: object) -> None:
    """Give a changed argument its new contents, as a call in one process would have."""
    if isinstance(old, list) and isinstance(new, list):
        old[:] = new
    elif (isinstance(old, dict) and isinstance(new, dict)) or (isinstance(old, set) and isinstance(new, set)):
        old.clear()
        old.update(new)
