"""A teacher's predictions on disk: computed once, memory-mapped, and safe from kills and flipped bits.

A shard holds the targets of `PASSAGES` passages, one record a token: the k likeliest tokens, their log-probabilities
in half precision, and the log of the rest's mass. That is 204 bytes for k = 50, 304 where a vocabulary has more than
65,536 tokens. Shards are sealed files; one that is missing or damaged is computed anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cai_eval.errors import UserError

from .data import pad
from .sealed import intact, publish, published
from .teacher import BATCH_TOKENS, Distribution, Passage

if TYPE_CHECKING:
    from numpy.typing import NDArray

PASSAGES = 256  #: in a shard


class Targets:
    """The targets of passages, in shards under `directory / key`, where the key names all that makes them.

    made_by: the teacher and its prefix, by fingerprint and ids. compute: the predictions of some passages.
    """

    def __init__(
        self,
        directory: Path,
        passages: Sequence[Passage],
        made_by: str,
        k: int,
        vocabulary: int,
        compute: Callable[[Sequence[Passage], int], Distribution],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Compute what is not there yet; progress: (shards done, shards).

        Raises UserError where the disk refuses, and where the teacher computes NaN.
        """
        k = min(k, vocabulary)
        self._passages = passages
        self._record = record(k, vocabulary)
        folder = directory / _key(passages, made_by, k)
        there = dict(published(folder))
        total = -(-len(passages) // PASSAGES)
        self._shards: list[NDArray[Any]] = []
        for number in range(total):
            stem = f"{number:06d}"
            if stem not in there or not intact(there[stem]):
                some = passages[number * PASSAGES : (number + 1) * PASSAGES]
                filled = _filled(self._record, some, k, compute)
                fresh = publish(folder, stem, ".npy", lambda file: np.save(file, filled, allow_pickle=False))  # noqa: B023
                if stem in there and there[stem] != fresh:
                    there[stem].unlink()
                there[stem] = fresh
            self._shards.append(np.load(there[stem], mmap_mode="r", allow_pickle=False))
            progress(number + 1, total)
        self._ends = np.cumsum([passage.shared for passage in passages])

    def batch(self, chosen: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these passages, as `objectives.context_distillation` takes it."""
        records = np.concatenate([self._of(i) for i in chosen])
        logprobs = torch.from_numpy(records["logprobs"].astype(np.float32))
        tail = torch.from_numpy(records["tail"])
        # half precision moved the masses a little: make them sum to one again
        total = torch.logaddexp(logprobs.logsumexp(-1), tail)
        return {
            **passage_batch([self._passages[i] for i in chosen]),
            "teacher_indices": torch.from_numpy(records["indices"].astype(np.int64)),
            "teacher_logprobs": logprobs - total[:, None],
            "teacher_tail": tail - total,
        }

    def _of(self, index: int) -> NDArray[Any]:
        first = index - index % PASSAGES
        before = self._ends[first - 1] if first else 0
        end = self._ends[index] - before
        return self._shards[index // PASSAGES][end - self._passages[index].shared : end]


def record(k: int, vocabulary: int) -> np.dtype[Any]:
    """What is stored of one token."""
    index = np.uint16 if vocabulary <= 1 << 16 else np.uint32
    return np.dtype([("indices", index, (k,)), ("logprobs", np.float16, (k,)), ("tail", np.float32)])


def passage_batch(passages: Sequence[Passage]) -> dict[str, Tensor]:
    """What the student reads, and which of it are targets."""
    rows = [np.array(passage.student) for passage in passages]
    targets = [np.arange(len(row)) >= len(row) - p.shared for row, p in zip(rows, passages, strict=True)]
    return {"input_ids": pad(rows), "targets": pad(targets)}


def _filled(
    kind: np.dtype[Any],
    passages: Sequence[Passage],
    k: int,
    compute: Callable[[Sequence[Passage], int], Distribution],
) -> NDArray[Any]:
    """The records of a shard, the passages sent to the teacher in batches of similar length."""
    starts = np.cumsum([0, *(passage.shared for passage in passages)])
    records = np.empty(starts[-1], kind)
    left = sorted(range(len(passages)), key=lambda i: len(passages[i].teacher), reverse=True)
    while left:
        most = max(1, BATCH_TOKENS // len(passages[left[0]].teacher))
        batch, left = left[:most], left[most:]
        found = compute([passages[i] for i in batch], k)
        if found.logprobs.isnan().any():
            raise UserError(
                "the teacher's predictions are not numbers: its weights are damaged; choose another teacher."
            )
        places = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in batch])
        for field, values in (("indices", found.indices), ("logprobs", found.logprobs), ("tail", found.tail)):
            records[field][places] = values.numpy()
    return records


def _key(passages: Sequence[Passage], made_by: str, k: int) -> str:
    digest = hashlib.sha256(f"{made_by}/{k}/{PASSAGES}".encode())
    for passage in passages:
        digest.update(repr((passage.teacher, passage.shared)).encode())
    return digest.hexdigest()[:24]
