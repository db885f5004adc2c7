"""Updates of PPO as what the one training loop takes: batches, an objective, and what to log.

An update samples answers, scores them, and goes over them in `epochs` × `minibatches` optimiser steps. All of it is a
function of the seed, the update and the weights it begins with, so that a training resumed at an update's first step
ends in the bits of an undisturbed one. Several processes share the drawing and the steps; each scores and reads all
answers, so that all have the same.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cai_eval.contracts import ContextTooLong, Scorer
from cai_eval.errors import UserError
from cai_eval.training.data import MICRO_TOKENS
from cai_eval.training.heads import sliced
from cai_eval.training.objectives import predicted
from cai_eval.training.optimisation import order
from cai_eval.training.ranks import Ranks

from . import algorithm
from .rollouts import ActorCritic, Answer, Precision, Rollouts, by_answer, collate, read, token_logprobs

FILLED = 0.6  #: of a row at least is text, what a pass through the model costs weighed against what padding costs
COLLAPSED = 0.1  #: share of distinct answers in an update at which a policy says the same to everybody


@dataclass(frozen=True)
class Settings:
    """rate: of learning, constant behind `warmup` steps of rising. epochs, minibatches: of an update, which has
    epochs × minibatches optimiser steps. coefficient: of the KL penalty, at first. kl_target: nats an answer that it
    adapts to; None leaves it as it is. clip: of ratios. value_clip: of values, in units of the reward. value_weight: of
    the value loss. max_tokens: of an answer, what ends it included. cut_penalty: taken off the score of an answer that
    did not end within them; it is scored as it stands. precision: of reading and learning; answers are drawn in the
    weights' own.
    """

    rate: float
    warmup: int
    epochs: int
    minibatches: int
    max_tokens: int
    coefficient: float
    kl_target: float | None = None
    clip: float = 0.2
    value_clip: float = 1.0
    value_weight: float = 0.1
    gamma: float = 1.0
    lam: float = 0.95
    cut_penalty: float = 0.0
    precision: Precision = "fp32"

    @property
    def steps(self) -> int:
        """Optimiser steps of an update."""
        return self.epochs * self.minibatches


@dataclass(frozen=True)
class Experience:
    """An update's answers and all that its steps need; tensors [answers, tokens], see `algorithm`.

    scores, held_out: [answers]. groups: for each step of the update its micro-batches, as numbers of answers.
    advantages: whitened.
    """

    answers: Sequence[Answer]
    scores: Tensor
    held_out: Tensor | None
    groups: Sequence[Sequence[Sequence[int]]]
    mask: Tensor
    logprobs: Tensor
    log_ratio: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor

    def batch(self, group: Sequence[int]) -> dict[str, Tensor]:
        """What `Updates.objective` takes: beside the texts one number for each of their answers' tokens."""
        rows = torch.tensor(list(group))
        mask = self.mask[rows]
        columns = {
            "logprobs": self.logprobs,
            "values": self.values,
            "advantages": self.advantages,
            "returns": self.returns,
        }
        return collate([self.answers[i] for i in group]) | {k: v[rows][mask] for k, v in columns.items()}


@dataclass
class _Sums:
    """Over the tokens of an update's steps, as far as this process took them (which may be nought); they stay on their
    device until they are asked for.
    """

    tokens: int = 0
    clipped: Tensor | float = 0.0
    value_loss: Tensor | float = 0.0


@dataclass
class Updates:
    """turns: update → the human's turns to be answered. logged: what `evaluate` has said of earlier updates, asked for
    where a training goes on. coefficient: of the KL penalty in the present update. experience: of that update.
    """

    actor: ActorCritic
    reference: Any
    rollouts: Rollouts
    reward: Scorer
    held_out: Scorer | None
    turns: Callable[[int], Sequence[str]]
    settings: Settings
    seed: int
    logged: Callable[[], Sequence[Mapping[str, float]]]
    coefficient: float = field(init=False)
    experience: Experience = field(init=False)
    _begun: bool = field(init=False, default=False)
    _warned: bool = field(init=False, default=False)
    _sums: _Sums = field(init=False, default_factory=_Sums)

    def batches(self, step: int) -> list[dict[str, Tensor]]:
        """The micro-batches of an optimiser step; the first of an update draws its answers. Raises UserError for a
        score that is no number.
        """
        update, place = divmod(step, self.settings.steps)
        if place == 0:
            if not self._begun:
                self._begin(self.logged() if update else [])
            self.experience = self._experience(update)
            self._sums = _Sums()
        return [self.experience.batch(group) for group in self.experience.groups[place]]

    def objective(self, actor: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        """The clipped policy loss and the weighted clipped value loss, summed over the batch's answer tokens."""
        settings = self.settings
        hidden, ids = predicted(actor.model, batch)
        old, advantages = batch["logprobs"], batch["advantages"]

        def loss(logits: Tensor, ids: Tensor, old: Tensor, advantages: Tensor) -> Tensor:
            logprobs = token_logprobs(logits, ids)
            with torch.no_grad():
                self._sums.clipped += algorithm.clipped(logprobs, old, advantages, settings.clip).sum()
            return algorithm.policy_loss(logprobs, old, advantages, settings.clip).sum()

        policy = sliced(loss, actor.model.get_output_embeddings(), hidden, ids, old, advantages)
        losses = algorithm.value_loss(actor.values(hidden), batch["values"], batch["returns"], settings.value_clip)
        value = losses.sum()
        self._sums.tokens += len(ids)
        self._sums.value_loss += value.detach()
        return policy + settings.value_weight * value, len(ids)

    def evaluate(self, actor: Any, step: int) -> dict[str, float]:
        """What is logged of the update that ends at `step`, all of it of the policy before the update.

        reward, held_out: mean scores. kl: to the reference, nats an answer (k3). entropy: nats a token, by −log π of
        what was drawn. length: tokens. cut: share of answers that did not end. distinct: share of different answers.
        collapsed: 1 where these are so few that all prompts get the same. coefficient: of the KL penalty. clipped:
        share of tokens whose ratio was clipped. value_loss: a token. explained: share of the returns' variance that
        the values foretold.
        """
        told, sums = self.experience, self._sums
        tokens, clipped, value_loss = Ranks().sum(sums.tokens, float(sums.clipped), float(sums.value_loss))
        kl = algorithm.sum_masked(algorithm.k3(told.log_ratio), told.mask).mean().item()
        texts = [answer.text for answer in told.answers]
        distinct = len(set(texts)) / len(texts)
        held_out = {} if told.held_out is None else {"held_out": told.held_out.mean().item()}
        values = {
            "reward": told.scores.mean().item(),
            **held_out,
            "kl": kl,
            "sqrt_kl": math.sqrt(kl),
            "entropy": -told.logprobs[told.mask].mean().item(),
            "length": told.mask.sum().item() / len(texts),
            "cut": sum(answer.finish == "length" for answer in told.answers) / len(texts),
            "distinct": distinct,
            "collapsed": float(has_collapsed(distinct, len(texts))),
            "coefficient": self.coefficient,
            "clipped": clipped / tokens,
            "value_loss": value_loss / tokens,
            "explained": algorithm.explained(told.values[told.mask], told.returns[told.mask]),
        }
        self._adapt(kl)
        if values["collapsed"] and not self._warned:
            self._warned = True
            warnings.warn(
                f"the policy has collapsed to {len(set(texts))} different answers to {len(texts)} prompts in update "
                f"{step // self.settings.steps}: raise the KL coefficient or lower the learning rate.",
                stacklevel=2,
            )
        return values

    def _begin(self, logged: Sequence[Mapping[str, float]]) -> None:
        """Take up what earlier updates left."""
        self._begun = True
        self.coefficient = self.settings.coefficient
        for values in logged[-1:]:
            self.coefficient = values["coefficient"]
            self._adapt(values["kl"])
        self._warned = any(values.get("collapsed") for values in logged)

    def _adapt(self, kl: float) -> None:
        if self.settings.kl_target is not None:
            self.coefficient = algorithm.adapted(self.coefficient, kl, self.settings.kl_target)

    def _experience(self, update: int) -> Experience:
        settings, model = self.settings, self.actor.model
        answers = [answer for (answer,) in self.rollouts.draw(self.turns(update), f"update {update}")]
        groups = _groups(answers, settings, self.seed, update)
        # Read as the first epoch reads, batch by batch: rounding is then the same, and the first ratio exactly 1.
        first = [group for step in groups[: settings.minibatches] for group in step]
        with torch.autocast(model.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            logprobs, values = by_answer(answers, first, self._read)
            (reference,) = by_answer(answers, first, lambda batch: read(self.reference, batch)[:1])
        when = f"in update {update + 1}"
        scores = scored(self.reward, answers, when)
        held_out = None if self.held_out is None else scored(self.held_out, answers, when)
        cut = torch.tensor([answer.finish == "length" for answer in answers])
        mask = torch.arange(logprobs.shape[1]) < torch.tensor([answer.length for answer in answers])[:, None]
        log_ratio = logprobs - reference
        rewards = algorithm.token_rewards(scores - settings.cut_penalty * cut, log_ratio, mask, self.coefficient)
        advantages = algorithm.advantages(rewards, values, mask, settings.gamma, settings.lam)
        return Experience(
            answers,
            scores,
            held_out,
            groups,
            mask,
            logprobs,
            log_ratio,
            values,
            advantages=algorithm.whiten(advantages, mask),
            returns=advantages + values,
        )

    def _read(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        logprobs, hidden = read(self.actor.model, batch)
        with torch.no_grad():
            return logprobs, self.actor.values(hidden)


def scored(scorer: Scorer, answers: Sequence[Answer], when: str) -> Tensor:
    """A score for each answer. Raises UserError, saying when, for one that is no number or too long for the scorer."""
    try:
        scores = scorer.score_texts([answer.prompt for answer in answers], [answer.text for answer in answers])
    except ContextTooLong as error:
        raise UserError(f"{when} {error}: lower 'max_tokens', or take a preference model that reads more.") from error
    for answer, score in zip(answers, scores, strict=True):
        if not math.isfinite(score):
            raise UserError(
                f"{when} the answer {answer.text[:60]!r} scores {score}: mend the preference model. The last good "
                "checkpoint stays."
            )
    return torch.tensor(scores)


def has_collapsed(distinct: float, answers: int) -> bool:
    """Whether so small a share of distinct answers means that all prompts get the same few."""
    return answers > 1 and distinct <= max(COLLAPSED, 1 / answers)


def _groups(answers: Sequence[Answer], settings: Settings, seed: int, update: int) -> list[list[list[int]]]:
    """For each step of an update the micro-batches of its minibatch, answers of similar length together.

    Every epoch goes over all answers once, in a new order; minibatches differ by one answer at most.
    """
    steps = []
    for epoch in range(settings.epochs):
        mixed = torch.from_numpy(order(seed, update * settings.epochs + epoch, len(answers)))
        for part in mixed.tensor_split(settings.minibatches):
            steps.append(micro_batches(part.tolist(), [len(answer.ids) for answer in answers]))
    return steps


def micro_batches(rows: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Rows in batches that hold `MICRO_TOKENS` padded tokens at most and no row below `FILLED` of the longest."""
    batches: list[list[int]] = []
    longest = 0
    for row in sorted(rows, key=lambda row: lengths[row], reverse=True):
        full = batches and (len(batches[-1]) + 1) * longest > MICRO_TOKENS
        if not batches or full or lengths[row] < FILLED * longest:
            batches.append([])
            longest = lengths[row]
        batches[-1].append(row)
    return batches
