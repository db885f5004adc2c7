"""Scoring in plain right-padded batches: right for any causal model, and slower behind a long prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .forward import Budget, Ints, Usage, predicting_at, score
from .trie import unique_tokens


@dataclass(frozen=True)
class _Job:
    """A sequence without its last token, [tokens], and its targets: where they go, what predicts them, their ids."""

    ids: Ints
    numbers: Ints
    offsets: Ints
    targets: Ints


class PlainScorer:
    """Each sequence is sent whole, with its prefix, through the model's own attention."""

    def __init__(self, model: Any, budget: Budget, usage: Usage) -> None:
        self.model = model
        self.budget = budget
        self.usage = usage

    def score(
        self, prefix: tuple[int, ...], sequences: Sequence[tuple[int, ...]], starts: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """As `shared.SharedScorer.score`."""
        jobs, total = [], 0
        whole = [np.asarray(prefix + s, np.int64) for s in sequences]
        for ids, start in zip(whole, starts, strict=True):
            first = len(prefix) + start
            count = len(ids) - first
            if count:
                numbers = np.arange(total, total + count)
                jobs.append(_Job(ids[:-1], numbers, np.arange(first - 1, len(ids) - 1), ids[first:]))
            total += count
        self.usage.unique += unique_tokens(whole)
        values, greedy = np.full(total, np.nan), np.zeros(total, np.bool_)

        def work(batch: list[_Job]) -> None:
            numbers = np.concatenate([job.numbers for job in batch])
            values[numbers], greedy[numbers] = self._batch(batch)

        self.budget.run(jobs, lambda job: len(job.ids), lambda job: len(job.offsets), work)
        return values, greedy

    def _batch(self, batch: Sequence[_Job]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Causal and padded on the right, so neither a mask nor position ids are needed: pads come after all else."""
        longest = max(len(job.ids) for job in batch)
        ids = np.stack([np.pad(job.ids, (0, longest - len(job.ids)), "edge") for job in batch])
        points = np.concatenate([i * longest + job.offsets for i, job in enumerate(batch)])
        targets = np.concatenate([job.targets for job in batch])
        device = self.model.device
        with predicting_at(self.model, torch.from_numpy(points).to(device)):
            logits = self.model(input_ids=torch.from_numpy(ids).to(device), use_cache=False).logits[0]
        self.usage.sent += ids.size
        return score(logits, np.arange(len(points)), targets)
