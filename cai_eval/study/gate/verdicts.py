"""Three verdicts on what a run lost against its baseline. Pure: arrays in, dataclasses out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cai_eval import statistics
from cai_eval.contracts import Metric
from cai_eval.statistics import Level, Loss

Array = NDArray[np.float64]
Verdict = Literal["regressed", "passed", "inconclusive"]
Scope = Literal["these weights", "this method"]

FLIP = 0.5  #: least change of an item's score, of a metric that is a share of right answers, that counts as a flip


@dataclass(frozen=True)
class Place:
    """What is compared: the same size, intervention and benchmark on both sides."""

    rung: str
    intervention: str
    benchmark: str

    def __str__(self) -> str:
        return f"{self.rung}, {self.intervention}, {self.benchmark}"


@dataclass(frozen=True)
class Pair:
    """One place on both sides, on the items that have a score there.

    before, after: (seeds, items). clusters: (items,). same_weights: the seeds of both sides are the same policies.
    alpha: one-sided level. tolerance: in the metric's unit, the loss that is put up with.
    """

    place: Place
    metric: Metric
    items: Sequence[str]
    clusters: NDArray[np.intp]
    before: Array
    after: Array
    same_weights: bool
    alpha: float
    tolerance: float

    @property
    def scope(self) -> Scope:
        """A method is judged where both sides were trained more than once; else only the weights at hand are."""
        several = min(len(self.before), len(self.after)) > 1
        return "this method" if several and not self.same_weights else "these weights"


@dataclass(frozen=True)
class Flip:
    """An item that changed sides; scores are means over the seeds."""

    item: str
    before: float
    after: float


@dataclass(frozen=True)
class Judgement:
    """The verdict on one pair, and all that it rests on.

    before, after: mean scores. p_adjusted: Benjamini–Hochberg over the gate. settled_by: items that would settle it,
    infinite where items alone would not.
    """

    pair: Pair
    verdict: Verdict
    before: float
    after: float
    loss: Loss
    p_adjusted: float
    settled_by: float
    lost: tuple[Flip, ...]
    won: tuple[Flip, ...]


def judge(pairs: Sequence[Pair]) -> list[Judgement]:
    """All pairs of one gate, which are one family of tests."""
    losses = [_loss(pair, len(pairs)) for pair in pairs]
    adjusted = statistics.benjamini_hochberg([loss.p for loss in losses])
    return [_judgement(*each) for each in zip(pairs, losses, adjusted.tolist(), strict=True)]


def verdict(loss: Loss, p_adjusted: float, alpha: float, tolerance: float) -> Verdict:
    """regressed: a loss beyond doubt and beyond the tolerance. passed: no loss of the tolerance's size can be."""
    if p_adjusted < alpha and loss.value > tolerance:
        return "regressed"
    return "passed" if loss.upper < tolerance else "inconclusive"


def failed(judgements: Sequence[Judgement], strict: bool) -> bool:
    """Whether the gate stays shut. strict: what is inconclusive does not pass."""
    shut = {"regressed", "inconclusive"} if strict else {"regressed"}
    return any(judgement.verdict in shut for judgement in judgements)


def _loss(pair: Pair, tests: int) -> Loss:
    level = Level(pair.alpha, tests)
    sign = 1 if pair.metric.higher_is_better else -1
    before, after = sign * pair.before, sign * pair.after
    if pair.scope == "this method":
        return statistics.loss_of_method(before, after, pair.clusters, level)
    loss = statistics.loss_of_weights(before.mean(0), after.mean(0), pair.clusters, level)
    if pair.same_weights and np.array_equal(before.mean(0), after.mean(0)):
        return Loss(0.0, 0.0, 1.0, loss.detectable, loss.critical, 0.0, loss.n, loss.clusters)
    return loss


def _judgement(pair: Pair, loss: Loss, p_adjusted: float) -> Judgement:
    found = verdict(loss, p_adjusted, pair.alpha, pair.tolerance)
    settled_by = statistics.items_to_settle(loss, pair.tolerance) if found == "inconclusive" else loss.n
    lost, won = flips(pair)
    return Judgement(
        pair, found, float(pair.before.mean()), float(pair.after.mean()), loss, p_adjusted, settled_by, lost, won
    )


def flips(pair: Pair) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """Items lost and items won; none where the metric is no share of right answers."""
    if pair.metric.unit != "fraction":
        return (), ()
    before, after = pair.before.mean(0), pair.after.mean(0)
    sign = 1 if pair.metric.higher_is_better else -1
    every = [Flip(*each) for each in zip(pair.items, before.tolist(), after.tolist(), strict=True)]
    changed = [flip for flip in every if abs(flip.after - flip.before) >= FLIP]
    return (
        tuple(flip for flip in changed if sign * (flip.after - flip.before) < 0),
        tuple(flip for flip in changed if sign * (flip.after - flip.before) > 0),
    )
