"""What was lost, for a decision: a one-sided bound, a one-sided test, and the items that would settle it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from cai_eval.statistics.arrays import Array
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import difference_interval
from cai_eval.statistics.resampling import sign_flip
from cai_eval.statistics.seeds import seeded_difference
from cai_eval.statistics.significance import minimum_detectable_effect

POWER = 0.8
RESAMPLES = 10_000


@dataclass(frozen=True)
class Level:
    """alpha: of one bound, and of the family of tests. tests: how many the family has."""

    alpha: float
    tests: int = 1

    @property
    def corrected(self) -> float:
        """What a lone finding among the tests must reach under Benjamini and Hochberg's rule."""
        return self.alpha / self.tests


@dataclass(frozen=True)
class Loss:
    """value: mean of before − after, positive for a loss. upper: its one-sided bound at 1 − α, NaN where the data
    cannot say. p: one-sided, of there being no loss. detectable: the least loss found with 80 % power at the corrected
    level. critical: what `value` has to pass at that level, by t. seeds_share: how much of its variance only more
    training seeds make smaller. n: items. clusters: distinct clusters among them.
    """

    value: float
    upper: float
    p: float
    detectable: float
    critical: float
    seeds_share: float
    n: int
    clusters: int


def loss_of_weights(before: Array, after: Array, clusters: ArrayLike | None, level: Level) -> Loss:
    """Of these weights against those: only the items could have been others. before, after: (items,) scores.

    The test flips signs by cluster, with as many random signs as the corrected level needs. Raises ValueError for NaN.
    """
    estimate = difference_interval(before, after, clusters, 1 - 2 * level.alpha)
    difference = before - after
    resamples = max(RESAMPLES, ceil(10 / level.corrected))
    p = sign_flip(difference, clusters, "greater", resamples)
    detectable = minimum_detectable_effect(difference, clusters, level.corrected, POWER)
    return _loss(estimate, p, detectable, 0.0, level)


def loss_of_method(before: Array, after: Array, clusters: ArrayLike | None, level: Level) -> Loss:
    """Of a method against another: items and training seeds could both have been others. before, after: (seeds, items),
    at least two seeds each. By t, with the variances of `seeded_difference`. Raises ValueError for NaN and one seed.
    """
    estimate = seeded_difference(before, after, clusters, 1 - 2 * level.alpha)
    if not estimate.se > 0:
        return _loss(estimate, 1.0, inf, 0.0, level)
    p = float(special.stdtr(estimate.df, -estimate.value / estimate.se))
    errors = float(special.nctdtrinc(estimate.df, 1 - POWER, special.stdtrit(estimate.df, 1 - level.corrected)))
    items = Clustered.of(before.mean(0) - after.mean(0), clusters).se
    return _loss(estimate, p, errors * estimate.se, 1 - (items / estimate.se) ** 2, level)


def items_to_settle(loss: Loss, tolerance: float) -> float:
    """How many items like these would show the loss to be below the tolerance, or show that there is one, if the
    estimate stayed what it is. Infinite where items alone never would: more training seeds, or more clusters, might.
    """
    if loss.value < tolerance:
        room, reach = tolerance - loss.value, loss.upper - loss.value
    else:
        room, reach = loss.value, loss.critical
    if loss.clusters == 1 or not reach > 0:
        return inf
    left = (room / reach) ** 2 - loss.seeds_share
    return max(loss.n, ceil(loss.n * (1 - loss.seeds_share) / left)) if left > 0 else inf


def _loss(estimate: Estimate, p: float, detectable: float, seeds_share: float, level: Level) -> Loss:
    critical = float(special.stdtrit(estimate.df, 1 - level.corrected)) * estimate.se if estimate.df > 0 else np.nan
    return Loss(estimate.value, estimate.high, p, detectable, critical, seeds_share, estimate.n, estimate.clusters)
