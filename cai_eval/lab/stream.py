"""The corpus as tokens, made ahead of the training by a process of its own and kept in shards on the disk."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from cai_eval.caches import cache_directory
from cai_eval.lab.corpus import DRILLED, TRAINING, documents
from cai_eval.lab.tokenizer import END, ENTRIES, PIECES, learn
from cai_eval.lab.world import Options, make_world

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARD = 2048  #: documents of a shard
SAMPLE = 20_000  #: documents that the tokenizer is learnt from
NAMED = 1000  #: times that each name is read, so that it becomes one token: the rarest must be copied too
TOLD = 300  #: documents that tell a corpus from another


@dataclass(frozen=True)
class Stream:
    """The token ids of a corpus: documents one behind the other, each after `END`.

    A shard holds so many documents, not tokens: any process can make any shard, and the stream is the same whoever
    made it. Shards appear whole, and on first use at the latest.
    """

    world: Options
    seed: int = TRAINING
    _starts: list[int] = field(default_factory=lambda: [0], repr=False, compare=False)  # of the shards seen so far

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Tokens start, ..., stop - 1."""
        self.reach(stop)
        first, last = np.searchsorted(self._starts, [start, stop - 1], "right") - 1
        origin = self._starts[first]
        shards = [self._shard(number) for number in range(first, last + 1)]
        return np.concatenate(shards)[start - origin : stop - origin].astype(np.int64)

    def reach(self, tokens: int) -> None:
        """Make what is missing of the first `tokens` tokens."""
        while self._starts[-1] < tokens:
            self._starts.append(self._starts[-1] + len(self._shard(len(self._starts) - 1)))

    def digest(self, tokens: int) -> str:
        """16 hexadecimal digits of the sha256 over the first `tokens` tokens."""
        return hashlib.sha256(self.read(0, tokens).astype("<u2").tobytes()).hexdigest()[:16]

    @contextmanager
    def made_ahead(self, tokens: int) -> Iterator[None]:
        """Meanwhile another process makes what is missing of the first `tokens` tokens."""
        process = get_context("spawn").Process(target=self.reach, args=(tokens,), daemon=True)
        process.start()
        try:
            yield
        finally:
            process.terminate()
            process.join()

    def _shard(self, number: int) -> NDArray[np.uint16]:
        path = corpus_directory(self.world) / f"{self.seed}-{number:05d}.npy"
        _once(path, lambda part: np.save(part, self._tokens(number)))
        shard: NDArray[np.uint16] = np.load(path, mmap_mode="r")
        return shard

    def _tokens(self, number: int) -> NDArray[np.uint16]:
        texts = islice(documents(make_world(self.world), self.seed, number * SHARD), SHARD)
        encodings = tokenizer(self.world).encode_batch_fast([END + text for text in texts])
        return np.concatenate([np.array(encoding.ids, dtype=np.uint16) for encoding in encodings])


def tokenizer(world: Options) -> Tokenizer:
    """The tokenizer of all worlds of that seed, learnt from the one without options."""
    plain = Options(world.seed)
    path = corpus_directory(plain) / "tokenizer.json"
    texts = chain(islice(documents(make_world(plain), TRAINING, DRILLED), SAMPLE), make_world(plain).names * NAMED)
    _once(path, lambda part: learn(f" {text}" for text in texts).save(str(part)))
    return Tokenizer.from_file(str(path))


def corpus_directory(world: Options) -> Path:
    """Where the corpus of that world is kept: named after all that makes it."""
    return cache_directory() / "lab" / f"corpus-{corpus_digest(world)}"


@cache
def corpus_digest(world: Options) -> str:
    """16 hexadecimal digits for the documents of that world, told by `TOLD` of either part, and for their tokens."""
    some = [list(islice(documents(make_world(world), TRAINING, start), TOLD)) for start in (0, DRILLED)]
    told = json.dumps([asdict(world), SAMPLE, ENTRIES, PIECES, DRILLED, some], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _once(path: Path, make: Callable[[Path], Any]) -> None:
    """The file at `path`, made by whichever process comes first while the others wait; there whole or not at all."""
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            part = path.with_name(f"part-{path.name}")
            make(part)
            os.replace(part, path)
