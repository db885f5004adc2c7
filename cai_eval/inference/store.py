"""The response store: answers that were computed once, in one SQLite file that many processes share.

A key is the SHA-256 of everything that can change the answer, so two models, prefixes or settings never share
one. Values are JSON; nothing is ever unpickled. The file is in write-ahead mode: a kill at any instant loses at
most the batch in flight. Write-ahead mode needs a local disk: give workers on several machines one file each.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cai_eval.contracts import JSON
from cai_eval.errors import UserError

VERSION = 1  #: of the file's layout
WAIT_SECONDS = 60.0  #: for another process to finish writing
LOOKUP = 500  #: keys in one query

Key = bytes


class Scope:
    """What all keys of one policy under one setting have in common, hashed once."""

    def __init__(self, settings: Mapping[str, JSON]) -> None:
        text = json.dumps(settings, sort_keys=True, ensure_ascii=True, allow_nan=False)
        self._digest = hashlib.sha256(text.encode("ascii"))

    def key(self, *parts: JSON) -> Key:
        """The key of one request, from its ids and whatever else is its own."""
        digest = self._digest.copy()
        digest.update(b"\\0" + json.dumps(parts, ensure_ascii=True, allow_nan=False).encode("ascii"))
        return digest.digest()


class ResponseStore:
    """Key → JSON answer, on disk.

    Every trouble with the file (unwritable, full disk, not a database, a newer version's) raises UserError, on
    opening and later: a run that is told to keep its answers and cannot must stop while it can be resumed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
            self._lay_out(time.monotonic() + WAIT_SECONDS)

    def _lay_out(self, deadline: float) -> None:
        """Mode and table. SQLite does not wait while another process changes the mode of a new file: we do."""
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
                if version > VERSION:
                    raise UserError(f"the answers in {self._path} were stored by a newer version: update cai-eval.")
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
                )
                self._connection.execute(f"PRAGMA user_version = {VERSION}")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def get(self, keys: Sequence[Key]) -> dict[Key, JSON]:
        """The answers that are there."""
        found: dict[Key, JSON] = {}
        with self._explained():
            for first in range(0, len(keys), LOOKUP):
                some = keys[first : first + LOOKUP]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, answer FROM answers WHERE key IN ({marks})"
                found |= {key: _checked(answer) for key, answer in self._connection.execute(query, some)}
        return found

    def put(self, answers: Mapping[Key, JSON]) -> None:
        """Keep all of them or, if the process dies meanwhile, none. A key's first answer stays."""
        rows = [(key, _sealed(json.dumps(answer))) for key, answer in answers.items()]
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, json.JSONDecodeError) as error:
            raise UserError(
                f"the stored answers in {self._path} cannot be used ({error}): delete that file and the two beside "
                "it that end in -wal and -shm, or make its folder writable."
            ) from error


def _sealed(text: str) -> str:
    """The text behind its CRC-32: SQLite does not notice a flipped digit."""
    return f"{zlib.crc32(text.encode()):08x}{text}"


def _checked(sealed: str) -> JSON:
    text = sealed[8:]
    if _sealed(text) != sealed:
        raise OSError("an answer does not match its checksum")
    return json.loads(text)
