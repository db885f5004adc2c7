"""Messages over a file descriptor: four bytes of length, then JSON."""

import json
import os

from .plain import Encoded


class TooLongError(Exception):
    """A message over the limit was to be sent."""


class Channel:
    """One end of a conversation. `limit` is the longest message, in bytes, that it sends or accepts."""

    def __init__(self, file: int, limit: int) -> None:
        self.file = file
        self._limit = limit

    def send(self, message: Encoded) -> None:
        """Send one message. Raises TooLongError; OSError when the other end is gone."""
        body = json.dumps(message, separators=(",", ":")).encode("ascii")
        if len(body) > self._limit:
            raise TooLongError(f"a message of {len(body):,} bytes; {self._limit:,} are allowed")
        rest = memoryview(len(body).to_bytes(4, "little") + body)
        while rest:
            rest = rest[os.write(self.file, rest) :]

    def receive(self) -> Encoded:
        """The next message. Raises EOFError or OSError when the other end is gone, ValueError if it is no message."""
        length = int.from_bytes(self._read(4), "little")
        if length > self._limit:
            raise ValueError(f"a message of {length:,} bytes; {self._limit:,} are allowed")
        return json.loads(self._read(length))

    def _read(self, length: int) -> bytes:
        chunks = []
        while length:
            chunk = os.read(self.file, length)
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            length -= len(chunk)
        return b"".join(chunks)
