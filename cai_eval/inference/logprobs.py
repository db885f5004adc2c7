"""The one place that computes log-probabilities: it alone pads, masks, builds positions and aligns labels.

    engine = Engine(model)
    scores = engine.logprobs(prefix_ids, [Target(ids, start), ...])

Exact, each distinct token sent once: a long common beginning is a stack of segments (`attention`), the rest a trie
packed into rows (`trie`). Where the model's attention does not allow that, `engine.notice` says why and plain
right-padded batches give the same numbers, slower.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cai_eval.contracts import ContextTooLong
from cai_eval.errors import UserError

from .attention import SegmentStack, register
from .forward import Budget, Usage
from .plain import PlainScorer
from .shared import SharedScorer
from .support import unsupported


@dataclass(frozen=True)
class Target:
    """Score the tokens ids[start:], each given the prefix and all ids before it.

    start: at least 1 where the prefix is empty; ids[start:] may be empty.
    """

    ids: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class TokenScores:
    """logprobs: nats, one for each token of ids[start:]. greedy: each was the most probable (first of equals)."""

    logprobs: tuple[float, ...]
    greedy: bool


class Engine:
    """Log-probabilities under one model.

    model: a causal language model of transformers, put in eval mode; `forget` is called where its weights change.
    row_tokens: the longest packed row. max_batch_tokens: padded tokens a batch; None finds it from the memory at hand.
    It is halved on out-of-memory.
    notice: "" or why the shared prefix is not used. context: tokens that the model takes. usage: what was done so far.
    """

    def __init__(self, model: Any, *, row_tokens: int = 256, max_batch_tokens: int | None = None) -> None:
        if model.get_output_embeddings() is None:
            raise UserError(f"{type(model).__name__} predicts no tokens: give a causal language model.")
        register()
        self.model = model.eval()
        self.context = _context(model.config)
        self.notice = unsupported(model, self.context)
        self.usage = Usage()
        budget = Budget(model, max_batch_tokens)
        self._plain = PlainScorer(model, budget, self.usage)
        self._shared = SharedScorer(model, row_tokens, budget, self.usage)

    @torch.no_grad()
    def logprobs(self, prefix: Sequence[int], sequences: Sequence[Target]) -> list[TokenScores]:
        """Scores in the order of the sequences.

        Raises ContextTooLong where prefix and ids, without the last token (which is never sent), exceed the context.
        """
        began = time.perf_counter()
        prefix = tuple(prefix)
        for sequence in sequences:
            self._check(len(prefix), sequence)
        scorer = self._plain if self.notice else self._shared
        values, greedy = scorer.score(prefix, [s.ids for s in sequences], [s.start for s in sequences])
        ends = np.cumsum([len(s.ids) - s.start for s in sequences])[:-1]
        self.usage.seconds += time.perf_counter() - began
        return [
            TokenScores(tuple(v.tolist()), bool(g.all()))
            for v, g in zip(np.split(values, ends), np.split(greedy, ends), strict=True)
        ][: len(sequences)]

    @torch.no_grad()
    def segments(self, prefix: Sequence[int]) -> SegmentStack:
        """The prefix's keys and values, computed once and kept: what `attention.attending` takes.

        `logprobs` itself keeps prefix[:-1] and sends the last token with each row, for the first tokens behind
        the prefix are predicted from it: a caller that does the same shares the work. Only where `notice` is "".
        """
        return self._shared.segments(tuple(prefix))

    def forget(self) -> None:
        """Drop the prefixes that were kept: the weights that made them are others now."""
        self._shared.forget()

    def _check(self, prefix: int, sequence: Target) -> None:
        total = prefix + len(sequence.ids)
        if total - 1 > self.context:
            raise ContextTooLong(
                f"a request of {total} tokens, {prefix} of them the prefix, "
                f"does not fit in the model's context of {self.context}"
            )
        if not (0 if prefix else 1) <= sequence.start <= len(sequence.ids):
            raise ValueError(f"start {sequence.start} is outside a sequence of {len(sequence.ids)} tokens")


def _context(config: Any) -> int:
    """Tokens that the model takes; no limit known: a million."""
    text = config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        if getattr(text, name, None):
            return int(getattr(text, name))
    return 1_000_000
