"""The log of a training: one JSON object a line, one line a step, and one for each evaluation.

Where TensorBoard is installed (the extra `tensorboard`), the same values lie beside it as its event files.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from cai_eval.contracts import JSON

from .sealed import writing

Entry = dict[str, Any]


class Log:
    """JSON lines that name their step. Opened at a step, it forgets what came later (at 0: all): a resumed training
    repeats nothing. All raise UserError where the disk refuses.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = [entry for entry in read_log(path) if entry["step"] <= step] if step else []
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
            part.replace(path)
            self._file: IO[str] = path.open("a", encoding="utf-8")

    def write(self, step: int, **values: JSON) -> None:
        with self._writing():
            self._file.write(json.dumps({"step": step, **values}) + "\n")

    def sync(self) -> None:
        """What was written is on the disk afterwards."""
        with self._writing():
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with self._writing():
            self._file.close()

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._path.name, self._path.parent)


class TrainingLog(Log):
    """`log.jsonl`, and TensorBoard's events of the same.

    A step's line holds step (from 1), loss (nats a token), rate, norm (of the gradient, before clipping), count
    (tokens or rows in the loss) and seconds (since this process began to train); an evaluation's holds step and
    evaluation (name → value).
    """

    def __init__(self, path: Path, step: int) -> None:
        super().__init__(path, step)
        self._events = _event_writer(path.with_name("tensorboard"), step)

    def write(self, step: int, **values: JSON) -> None:
        super().write(step, **values)
        if self._events:
            for name, value in _numbers(values):
                self._events.add_scalar(name, value, step)

    def close(self) -> None:
        super().close()
        if self._events:
            self._events.close()


def _event_writer(folder: Path, step: int) -> Any:
    """TensorBoard's writer, told to forget what came after the step; None where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder, purge_step=step + 1)


def _numbers(values: Mapping[str, JSON]) -> Iterator[tuple[str, float]]:
    """Each number with its name; within a mapping, behind that one's."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{inner}", number) for inner, number in _numbers(value))
        elif isinstance(value, (int, float)):
            yield name, value


def read_log(path: Path) -> list[Entry]:
    """The entries in order; a torn last line is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]
