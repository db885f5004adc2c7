"""Sampled answers: drawn by the batched generation, then read once by the policy and once by its reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from cai_eval.contracts import Sampling
from cai_eval.dialogue import STOPS, exchange
from cai_eval.inference.encoding import Encoder
from cai_eval.inference.generation import Prompt, generate
from cai_eval.inference.logprobs import Engine
from cai_eval.training.data import pad
from cai_eval.training.heads import SLICE
from cai_eval.training.objectives import predicted
from cai_eval.training.ranks import Ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Precision = Literal["fp32", "bf16"]
VALUE_SPEED = 10.0  #: how many times faster than the rest the value function moves: it begins with nothing


@dataclass(frozen=True)
class Answer:
    """prompt: a conversation that awaits its reply. text: the reply, without blanks around it. ids: all that the policy
    reads, its prefix too. length: how many of the last ids are the answer, what ended it included. finish: see Sample.
    """

    prompt: str
    text: str
    ids: NDArray[np.int64]
    length: int
    finish: Literal["stop", "end", "length"]


class ActorCritic(nn.Module):
    """A policy and, on the hidden states that its output head sees, one linear function: the value of a text so far.

    A shared trunk: the pass that gives log-probabilities gives the values too, at no cost, and there is one set of
    weights in memory. Dropout stays off, for π and π_old must differ by nothing but training.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        head = model.get_output_embeddings().weight
        self.weight = nn.Parameter(torch.zeros(head.shape[1], device=head.device))
        self.bias = nn.Parameter(torch.zeros((), device=head.device))
        self.train()

    def values(self, hidden: Tensor) -> Tensor:
        """[tokens] of hidden states [tokens, width], in float32 whatever these are."""
        return VALUE_SPEED * ((hidden.float() * self.weight).sum(-1) + self.bias)

    def train(self, mode: bool = True) -> ActorCritic:
        return super().train(False)


class Rollouts:
    """Draws answers of one live policy, whose weights may have changed since the last call.

    max_tokens: of an answer, what ends it included. seed: of the random streams.
    """

    def __init__(self, model: Any, tokenizer: Any, encoder: Encoder, max_tokens: int, seed: int) -> None:
        self._engine = Engine(model)
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._max_tokens = max_tokens
        self._seed = seed

    def draw(self, turns: Sequence[str], key: str, samples: int = 1) -> list[list[Answer]]:
        """Answers to each human's turn at temperature 1, from the whole distribution. key: names the streams.

        For all ranks to call, which share the work.
        """
        ranks = Ranks()
        places = ranks.share(range(len(turns)))
        prompts = [exchange(turns[place], "dialogue") for place in places]
        ids = self._encoder.prompts(prompts)
        asked = [Prompt(one, f"{key}/{place}") for place, one in zip(places, ids, strict=True)]
        sampling = Sampling(self._max_tokens, samples, temperature=1.0, stop=STOPS)
        self._engine.forget()
        drawn = generate(self._engine, self._tokenizer, self._encoder.head, asked, sampling, self._seed)
        return ranks.gather(
            [
                [
                    Answer(
                        prompt,
                        sample.text.strip(),
                        np.array((*self._encoder.head, *before, *sample.tokens)),
                        len(sample.tokens),
                        sample.finish,
                    )
                    for sample in group
                ]
                for prompt, before, group in zip(prompts, ids, drawn, strict=True)
            ]
        )


def collate(answers: Sequence[Answer]) -> dict[str, Tensor]:
    """The batch as `objectives.predicted` takes it: the answers' tokens are the targets."""
    targets = [np.arange(len(answer.ids)) >= len(answer.ids) - answer.length for answer in answers]
    return {"input_ids": pad([answer.ids for answer in answers]), "targets": pad(targets)}


@torch.no_grad()
def read(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the batch's targets, row after row [tokens], and the hidden states that predict them."""
    device = model.device
    hidden, ids = predicted(model, {name: tensor.to(device) for name, tensor in batch.items()})
    head = model.get_output_embeddings()
    slices = zip(torch.split(hidden, SLICE), torch.split(ids, SLICE), strict=True)
    return torch.cat([token_logprobs(head(part), some) for part, some in slices]), hidden


def token_logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """log π(id), of ids [tokens] under logits [tokens, vocabulary]; the softmax is taken in float32 at least."""
    accurate = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return accurate.log_softmax(-1).gather(-1, ids[:, None])[:, 0]


def by_answer(
    answers: Sequence[Answer],
    groups: Sequence[Sequence[int]],
    tokens: Callable[[Mapping[str, Tensor]], tuple[Tensor, ...]],
) -> list[Tensor]:
    """What `tokens` says of the answers' tokens, each [tokens] of a batch, as [answers, longest]; 0 under pads.

    groups: the answers, by number, that make a batch; each is in one.
    """
    longest = max(answer.length for answer in answers)
    found: list[Tensor] = []
    for group in groups:
        lengths = torch.tensor([answers[i].length for i in group])
        mask = torch.arange(longest) < lengths[:, None]
        columns = tokens(collate([answers[i] for i in group]))
        if not found:
            found = [torch.zeros(len(answers), longest) for _ in columns]
        for whole, column in zip(found, columns, strict=True):
            part = torch.zeros(len(group), longest)
            part[mask] = column.float().cpu()
            whole[torch.tensor(list(group))] = part
    return found
