"""Preference models: Bradley–Terry on soft labels (Askell et al. 2021, §3; Bai et al. 2022b, §4).

A label q is the chance that the first of two answers is better; the model gives each a score r, and the loss is
−[q log σ(r₁ − r₂) + (1 − q) log σ(r₂ − r₁)]. Its gradient in r₁ is σ(r₁ − r₂) − q, so that a pair labelled ½ draws its
scores together; a margin, which is taken off the difference, would push them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from cai_eval.inference.encoding import Encoder, Ids
from cai_eval.inference.scorer import answer_ids, scores_at

from .comparisons import Comparison
from .data import make_batches, pad
from .heads import hidden_states, sliced
from .loop import Batch, Objective

INITIAL = 0.02  #: standard deviation of a new head's weights; from zero, a single epoch on few pairs would not get far


class PreferenceModel(nn.Module):
    """A causal language model (with adapters or without) and beside its output head one of a single number.

    That begins small: answers are nearly as good as each other, and the loss is about ln 2. seed: of its weights.
    """

    def __init__(self, body: Any, seed: int = 0) -> None:
        super().__init__()
        self.body = body
        output = body.get_output_embeddings().weight
        self.score = nn.Linear(output.shape[1], 1, bias=False)
        nn.init.normal_(self.score.weight, std=INITIAL, generator=torch.Generator().manual_seed(seed))
        self.score.to(output)

    def forward(self, input_ids: Tensor) -> Tensor:
        """The hidden states that both heads read, [rows, length, width]."""
        return hidden_states(self.body, input_ids)


# ---------------------------------------------------------------------------------------------------
# Losses
# ---------------------------------------------------------------------------------------------------


def bradley_terry(difference: Tensor, label: Tensor) -> Tensor:
    """Σ −[q log σ(Δ) + (1 − q) log σ(−Δ)], nats, of score differences and soft labels [pairs]."""
    return binary_cross_entropy_with_logits(difference, label, reduction="sum")


def agreement(difference: Tensor, label: Tensor) -> Tensor:
    """[pairs]: 1 where the better answer has the higher score, 0 where the worse has it, ½ where nothing is decided."""
    return (1 + torch.sign(difference) * torch.sign(label - 0.5)) / 2


def preference_objective(lm_weight: float) -> Objective:
    """Bradley–Terry, plus `lm_weight` times the mean −log p (nats a token) of the better answer and its end.

    A batch holds both answers of n pairs, the first ones first: `input_ids` [2n, length], `last` [2n], `label` [n], and
    `share` [2n, length], each token's share in that mean.
    """

    def objective(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        hidden = model(batch["input_ids"])
        loss = bradley_terry(differences(model, hidden, batch["last"]), batch["label"])
        if lm_weight:
            share = batch["share"][:, 1:]
            chosen = share > 0
            tokens = hidden[:, :-1][chosen], batch["input_ids"][:, 1:][chosen], share[chosen]
            loss = loss + lm_weight * sliced(_shared_loss, model.body.get_output_embeddings(), *tokens)
        return loss, len(batch["label"])

    return objective


def differences(model: PreferenceModel, hidden: Tensor, last: Tensor) -> Tensor:
    """How far the first answer of each pair leads, [pairs]."""
    first, second = scores_at(hidden, last, model.score.weight[0]).chunk(2)
    return first - second


def _shared_loss(logits: Tensor, ids: Tensor, share: Tensor) -> Tensor:
    return (cross_entropy(logits, ids, reduction="none") * share).sum()


# ---------------------------------------------------------------------------------------------------
# Batches
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Both answers behind their prompt, as token ids with the end-of-text token. start: where the answers begin."""

    first: Ids
    second: Ids
    start: int
    label: float

    def __len__(self) -> int:
        """Tokens that the pair takes in a batch."""
        return 2 * max(len(self.first), len(self.second))


def make_pairs(tokenizer: Any, comparisons: Sequence[Comparison], context: int) -> list[Pair]:
    """One for each comparison of which both answers fit in `context` tokens."""
    prompts = [each.prompt for each in comparisons]
    firsts = answer_ids(tokenizer, prompts, [each.first for each in comparisons])
    seconds = answer_ids(tokenizer, prompts, [each.second for each in comparisons])
    starts = [len(ids) for ids in Encoder(tokenizer).prompts(prompts)]
    pairs = [
        Pair(first, second, start, each.label)
        for first, second, start, each in zip(firsts, seconds, starts, comparisons, strict=True)
    ]
    return [pair for pair in pairs if len(pair) <= 2 * context]


def collate_pairs(pairs: Sequence[Pair]) -> dict[str, Tensor]:
    """A batch as `preference_objective` takes it."""
    rows = [pair.first for pair in pairs] + [pair.second for pair in pairs]
    shares = [_share(pair.first, pair.start, pair.label >= 0.5) for pair in pairs]
    shares += [_share(pair.second, pair.start, pair.label < 0.5) for pair in pairs]
    return {
        "input_ids": pad([np.array(ids) for ids in rows]),
        "last": torch.tensor([len(ids) - 1 for ids in rows]),
        "label": torch.tensor([pair.label for pair in pairs]),
        "share": pad(shares),
    }


def pair_batches(pairs: Sequence[Pair], rows: int, seed: int) -> Callable[[int], list[Batch]]:
    """Step → micro-batches of `rows` pairs together, in a new order each epoch."""
    return make_batches(
        [len(pair) for pair in pairs], rows, seed, lambda chosen: collate_pairs([pairs[i] for i in chosen])
    )


def _share(ids: Ids, start: int, better: bool) -> np.ndarray[Any, np.dtype[np.float32]]:
    share = np.zeros(len(ids), dtype=np.float32)
    if better:
        share[start:] = 1 / (len(ids) - start)
    return share
