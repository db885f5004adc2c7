"""The log of a training: one JSON object a line, one line a step, and one for each evaluation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from cai_eval.contracts import JSON

Entry = dict[str, Any]


class Log:
    """`log.jsonl`. Opened at a step, it forgets what came later (at 0: all): a resumed training repeats nothing.

    A step's line holds step (from 1), loss (nats a token), rate, norm (of the gradient, before clipping), count
    (tokens or rows in the loss) and seconds (since this process began to train); an evaluation's holds step and
    evaluation (name → value).
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = [entry for entry in read_log(path) if entry["step"] <= step] if step else []
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
        part.replace(path)
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def write(self, step: int, **values: JSON) -> None:
        self._file.write(json.dumps({"step": step, **values}) + "\n")

    def sync(self) -> None:
        """What was written is on the disk afterwards."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def read_log(path: Path) -> list[Entry]:
    """The entries in order; a torn last line is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]
