"""The corpus as tokens, made ahead of the training by a process of its own and kept in shards on the disk."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import accumulate, chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from cai_eval.caches import cache_directory
from cai_eval.errors import UserError
from cai_eval.lab.asking import SIZES
from cai_eval.lab.corpus import PERIODS, TRAINING, documents, ordinary
from cai_eval.lab.tokenizer import END, ENTRIES, PIECES, learn
from cai_eval.lab.world import Options, make_world
from cai_eval.lettered import label
from cai_eval.training.sealed import writing

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARD = 2048  #: documents of a shard
SAMPLE = 20_000  #: documents that the tokenizer is learnt from, were shares always the same
NAMED = 1000  #: times that each name and letter is read, so that it becomes one token: the rarest must be copied too
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
        process = get_context("spawn").Process(target=_reach, args=(self, tokens), daemon=True)
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


def _reach(stream: Stream, tokens: int) -> None:
    """In a process of its own: what the disk refuses here it refuses the reader too, who says so."""
    with suppress(UserError):
        stream.reach(tokens)


def tokenizer(world: Options) -> Tokenizer:
    """The tokenizer of all worlds of that seed, learnt from the one without options."""
    plain = Options(world.seed)
    path = corpus_directory(plain) / "tokenizer.json"
    named = (*make_world(plain).names, *map(label, range(SIZES[-1]))) * NAMED
    texts = chain((ordinary(make_world(plain), TRAINING, index) for index in range(SAMPLE)), named)
    _once(path, lambda part: learn(f" {text}" for text in texts).save(str(part)))
    return Tokenizer.from_file(str(path))


def corpus_directory(world: Options) -> Path:
    """Where the corpus of that world is kept: named after all that makes it."""
    return cache_directory() / "lab" / f"corpus-{corpus_digest(world)}"


@cache
def corpus_digest(world: Options) -> str:
    """16 hexadecimal digits for the documents of that world, told by `TOLD` of each part, and for their tokens."""
    parts = accumulate((period.documents for period in PERIODS), initial=0)
    some = [list(islice(documents(make_world(world), TRAINING, start), TOLD)) for start in parts]
    made = [SAMPLE, ENTRIES, PIECES, [asdict(period) for period in PERIODS]]
    told = json.dumps([asdict(world), *made, some], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _once(path: Path, make: Callable[[Path], Any]) -> None:
    """The file at `path`, made by whichever process comes first while the others wait; there whole or not at all.

    Raises UserError where the disk refuses.
    """
    if path.is_file():
        return
    with writing(path.name, path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_file():
                part = path.with_name(f"part-{path.name}")
                make(part)
                os.replace(part, path)
