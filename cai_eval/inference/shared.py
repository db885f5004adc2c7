"""Scoring with every distinct token sent once: segments for what is long and shared, packed rows for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attention import Segment, SegmentStack, attending
from .forward import Budget, Ints, Usage, predicting_at, score
from .segments import SegmentBuffer, SegmentCache
from .trie import SEGMENT_TOKENS, Branch, Plan, Row, plan

#: Tokens of a segment that go through the model at once.
CHUNK = 512


class _Answers:
    """The targets of a plan, looked up by unit, and what has been found for them."""

    def __init__(self, layout: Plan) -> None:
        self._order = np.argsort(layout.targets[:, 0], kind="stable")
        self._table = layout.targets[self._order]
        self._bounds = np.searchsorted(self._table[:, 0], np.arange(layout.units + 1))
        self.values = np.full(len(self._table), np.nan)
        self.greedy = np.zeros(len(self._table), np.bool_)

    def wanted(self, unit: int) -> Ints:
        """[targets of the unit, 3]: number of the target, offset that predicts it, its id."""
        here = slice(self._bounds[unit], self._bounds[unit + 1])
        return np.column_stack([self._order[here], self._table[here, 1:]])

    def fill(self, numbers: Ints, found: tuple[NDArray[np.float64], NDArray[np.bool_]]) -> None:
        """Note log-probabilities and greedy flags of the targets with these numbers."""
        self.values[numbers], self.greedy[numbers] = found


@dataclass(frozen=True)
class _Job:
    """A row and its targets."""

    row: Row
    wanted: Ints


class SharedScorer:
    """Exact log-probabilities behind shared segments, for models whose attention allows it (see `support`)."""

    def __init__(self, model: Any, row_tokens: int, budget: Budget, usage: Usage) -> None:
        self.model = model
        self.row_tokens = row_tokens
        self.budget = budget
        self.usage = usage
        self._cache = SegmentCache()

    def segments(self, prefix: tuple[int, ...]) -> SegmentStack:
        """The prefix as a stack of one segment (none where it is empty), kept for the next call."""
        return self._behind(SegmentStack(), Branch(0, prefix), _Answers(plan((), ()))) if prefix else SegmentStack()

    def forget(self) -> None:
        """Keep nothing for the next call."""
        self._cache = SegmentCache()

    def score(
        self, prefix: tuple[int, ...], sequences: Sequence[tuple[int, ...]], starts: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Log-probabilities (nats) and greedy flags of sequences[i][starts[i]:] behind the prefix, concatenated."""
        # The last token of the prefix goes along with the rows: first targets are predicted from it.
        cut = len(prefix) - 1 if len(prefix) > SEGMENT_TOKENS else 0
        head = prefix[cut:]
        layout = plan([head + s for s in sequences], [len(head) + s for s in starts], self.row_tokens)
        self.usage.unique += cut + layout.unique
        answers = _Answers(layout)
        left = [(layout.root, self.segments(prefix[:cut]))]
        while left:
            branch, stack = left.pop()
            if branch.ids:
                stack = self._behind(stack, branch, answers)
            jobs = [_Job(row, answers.wanted(row.unit)) for row in branch.rows]
            self.budget.run(jobs, _tokens, _points, partial(self._rows, stack, answers))
            left.extend((child, stack) for child in reversed(branch.branches))
        return answers.values, answers.greedy

    def _behind(self, stack: SegmentStack, branch: Branch, answers: _Answers) -> SegmentStack:
        """`stack` with the branch's segment, kept for the next call unless targets are predicted inside it."""
        fill = partial(self._segment, stack, branch, answers)
        stack = stack.push(fill() if len(answers.wanted(branch.unit)) else self._cache.get(stack, branch.ids, fill))
        self.usage.cache_bytes = max(self.usage.cache_bytes, stack.bytes, self._cache.bytes)
        return stack

    def _segment(self, stack: SegmentStack, branch: Branch, answers: _Answers) -> Segment:
        """Keys and values of the branch's tokens, a chunk at a time so that memory stays bounded."""
        wanted = answers.wanted(branch.unit)
        buffer = SegmentBuffer(branch.ids)
        step = max(1, min(CHUNK, self.budget.tokens, self.budget.points))
        for start in range(0, len(branch.ids), step):
            ids = np.asarray(branch.ids[start : start + step])
            here = wanted[(wanted[:, 1] >= start) & (wanted[:, 1] < start + step)]
            points, which = np.unique(here[:, 1] - start, return_inverse=True)
            behind = stack.push(buffer.segment()) if start else stack
            positions = behind.length + np.arange(len(ids))
            mask = torch.ones(1, len(ids), len(ids), dtype=torch.bool, device=self.model.device).tril_()
            kept: dict[int, tuple[Tensor, Tensor]] = {}
            logits = self._forward(ids[None], positions[None], mask, points, behind, kept)
            buffer.append(kept)
            answers.fill(here[:, 0], score(logits, which, here[:, 2]))
        return buffer.segment()

    def _rows(self, stack: SegmentStack, answers: _Answers, batch: Sequence[_Job]) -> None:
        """One batch of rows behind `stack`."""
        ids, depths, mask = packed([job.row for job in batch], self.model.device)
        longest = ids.shape[1]
        wanted = np.concatenate([job.wanted + np.array([0, i * longest, 0]) for i, job in enumerate(batch)])
        points, which = np.unique(wanted[:, 1], return_inverse=True)
        logits = self._forward(ids, stack.length + depths, mask, points, stack)
        answers.fill(wanted[:, 0], score(logits, which, wanted[:, 2]))

    def _forward(
        self,
        ids: Ints,
        positions: Ints,
        mask: Tensor,
        points: Ints,
        stack: SegmentStack,
        kept: dict[int, tuple[Tensor, Tensor]] | None = None,
    ) -> Tensor:
        """Logits [points, vocabulary] at flat indices of [rows, tokens] ids."""
        device = self.model.device
        with attending(self.model, stack, mask, kept), predicting_at(self.model, torch.from_numpy(points).to(device)):
            output = self.model(
                input_ids=torch.from_numpy(ids).to(device),
                position_ids=torch.from_numpy(positions).to(device),
                use_cache=False,
            )
        self.usage.sent += ids.size
        logits: Tensor = output.logits[0]
        return logits


def packed(rows: Sequence[Row], device: torch.device) -> tuple[Ints, Ints, Tensor]:
    """ids and depths [rows, longest], and the mask [rows, longest, longest] of what each token sees."""
    longest = max(len(row.ids) for row in rows)
    ids, depths, ends = np.stack([_padded(row, longest) for row in rows], 1)
    order = torch.arange(longest, device=device)
    until = torch.from_numpy(ends).to(device)
    return ids, depths, (order <= order[:, None]) & (order[:, None] < until[:, None, :])


def _padded(row: Row, length: int) -> Ints:
    """ids, depths and ends [3, length]. Pads see themselves alone and nobody sees them.

    They repeat the last token, for a weight of nought does not hide the NaN that a stranger might bring.
    """
    pads = length - len(row.ids)
    ends = np.concatenate([row.ends, np.arange(len(row.ids), length) + 1])
    return np.stack([np.pad(row.ids, (0, pads), "edge"), np.pad(row.depths, (0, pads), "edge"), ends])


def _tokens(job: _Job) -> int:
    return len(job.row.ids)


def _points(job: _Job) -> int:
    return len(np.unique(job.wanted[:, 1]))
