"""Live scorers: one number for an answer to a prompt, read at the end-of-text token behind it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cai_eval.contracts import ContextTooLong, ScorerSpec
from cai_eval.dialogue import continuation
from cai_eval.errors import UserError
from cai_eval.inference.encoding import Encoder, Ids
from cai_eval.inference.forward import Budget, Usage
from cai_eval.inference.last_block import feeding_at
from cai_eval.inference.trie import unique_tokens
from cai_eval.models.scorers import MEAN


class LanguageModelScorer:
    """A model with a scalar head (contracts.Scorer); its mean on held-out answers is taken off."""

    def __init__(self, spec: ScorerSpec, model: Any, tokenizer: Any) -> None:
        self._spec = spec
        self._model = model
        self._tokenizer = tokenizer
        self._mean = float(getattr(model.config, MEAN, 0.0))
        self._budget = Budget(model, None)
        self.usage = Usage()

    @property
    def spec(self) -> ScorerSpec:
        return self._spec

    def score_texts(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        """One score for each (prompt, answer); equal texts are computed once.

        prompts: conversations that await their reply (`dialogue.awaiting_reply`). Raises ContextTooLong before anything
        is computed.
        """
        started = time.perf_counter()
        ids = answer_ids(self._tokenizer, prompts, answers)
        longest = max(map(len, ids), default=0)
        if longest > self._spec.context:
            raise ContextTooLong(
                f"an answer of {longest} tokens does not fit in the scorer's context of {self._spec.context}"
            )
        scores: dict[Ids, float] = {}

        def work(batch: list[Ids]) -> None:
            scores.update(zip(batch, self._scores(batch), strict=True))

        distinct = list(dict.fromkeys(ids))
        self.usage.unique += unique_tokens([np.asarray(one, np.int64) for one in distinct])
        self._budget.run(distinct, len, lambda _: 1, work)
        self.usage.seconds += time.perf_counter() - started
        return [scores[one] for one in ids]

    @torch.no_grad()
    def _scores(self, batch: Sequence[Ids]) -> list[float]:
        """Causal and padded on the right, so neither a mask nor position ids are needed: pads come after all else."""
        input_ids = torch.zeros(len(batch), max(map(len, batch)), dtype=torch.long)
        for row, ids in zip(input_ids, batch, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        last = torch.tensor([len(ids) - 1 for ids in batch])
        device = self._model.device
        points = torch.arange(len(batch)) * input_ids.shape[1] + last
        with feeding_at(self._model, points.to(device)):
            hidden = self._model.base_model(input_ids=input_ids.to(device), use_cache=False).last_hidden_state
        self.usage.sent += input_ids.numel()
        scores = scores_at(hidden, last.to(device), self._model.score.weight[0]) - self._mean
        return [float(score) for score in scores.tolist()]


def answer_ids(tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> list[Ids]:
    """What scorers read, in training as in use: the prompt, the answer behind one blank, the end-of-text token.

    Raises UserError where the tokenizer has no such token.
    """
    if tokenizer.eos_token_id is None:
        raise UserError("the tokenizer has no end-of-text token to read scores at: set eos_token.")
    texts = [prompt + continuation(answer).rstrip() for prompt, answer in zip(prompts, answers, strict=True)]
    return [(*ids, tokenizer.eos_token_id) for ids in Encoder(tokenizer).prompts(texts)]


def scores_at(hidden: Tensor, last: Tensor, head: Tensor) -> Tensor:
    """hidden [rows, length, width] at each row's token `last` [rows], times head [width]; fp32 under autocast too."""
    rows = torch.arange(len(last), device=hidden.device)
    return (hidden[rows, last].float() * head.float()).sum(-1)


class DryScorer:
    """Stands in for a scorer while planning: gives 0 for everything, and counts what it is asked.

    longest: tokens of the longest text. total: tokens of all.
    """

    def __init__(self, spec: ScorerSpec, tokenizer: Any) -> None:
        self._spec = spec
        self._tokenizer = tokenizer
        self.reset()

    @property
    def spec(self) -> ScorerSpec:
        return self._spec

    def reset(self) -> None:
        """Forget what was counted: the next numbers are those of the next item."""
        self.longest = self.total = 0

    def score_texts(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        lengths = [len(ids) for ids in answer_ids(self._tokenizer, prompts, answers)]
        self.longest = max([self.longest, *lengths])
        self.total += sum(lengths)
        return [0.0] * len(lengths)
