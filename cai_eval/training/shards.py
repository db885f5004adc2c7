"""Data sets made a shard at a time: a kill costs the shard in flight, and the rows are those of an undisturbed run.

A shard is a sealed file under `directory / "shards"`, named by the places of its rows; one that is missing or damaged
is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from cai_eval.contracts import JSON, DatasetSpec

from .sealed import intact, publish, published

SUFFIX = ".jsonl"


def make_dataset(
    directory: Path,
    name: str,
    total: int,
    size: int,
    make: Callable[[range], Sequence[Mapping[str, JSON]]],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetSpec:
    """The rows of places 0 to `total`, made by `make` in shards of `size` places, as JSON lines in one file.

    make: places → their rows, of which there may be more or fewer than places; it must depend on nothing but the
    places. progress: (places done, `total`). Raises UserError where the disk refuses, ValueError for a row that JSON
    cannot hold (NaN).
    """
    folder = directory / "shards"
    there = dict(published(folder))
    shards = []
    for start in range(0, total, size):
        places = range(start, min(start + size, total))
        stem = f"{places.start:08d}-{places.stop:08d}"
        if stem not in there or not intact(there[stem]):
            content = "".join(json.dumps(row, allow_nan=False) + "\n" for row in make(places)).encode()
            made = publish(folder, stem, SUFFIX, _writing(content))
            if stem in there and there[stem] != made:
                there[stem].unlink()
            there[stem] = made
        shards.append(there[stem])
        progress(places.stop, total)
    return _join(directory, name, shards)


def _join(directory: Path, name: str, shards: Sequence[Path]) -> DatasetSpec:
    digest, rows = hashlib.sha256(), 0

    def write(file: IO[bytes]) -> None:
        nonlocal rows
        for shard in shards:
            content = shard.read_bytes()
            digest.update(content)
            rows += content.count(b"\n")
            file.write(content)

    path = publish(directory, name, SUFFIX, write)
    return DatasetSpec(str(path), rows, digest.hexdigest())


def _writing(content: bytes) -> Callable[[IO[bytes]], None]:
    def write(file: IO[bytes]) -> None:
        file.write(content)

    return write
