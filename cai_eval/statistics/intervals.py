"""Confidence intervals for means of items and for paired differences, items in clusters.

Two methods, chosen by the values alone:

- *t*: mean ± t·se with the clustered standard error and effective degrees of freedom of `clustered`.
- *score*: for right-or-wrong scores (0 or 1, shared credit between). The sample size is divided by a design effect, and
  a score interval at that size is used: it holds its level for rare outcomes and is never empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from cai_eval.statistics.arrays import Array, finite
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.score import tango, wilson

LEVEL = 0.95
EVENT = 0.5  #: squared deviation, in whole right-or-wrong items, that is assumed where few are seen


def mean_interval(values: ArrayLike, clusters: ArrayLike | None = None, level: float = LEVEL) -> Estimate:
    """The mean over items. values: (n,). clusters: (n,) labels, or None for independent items.

    Values that are differences belong in `difference_interval`, which knows that both signs were possible.
    Without variation, or with one cluster, a right-or-wrong score still has an interval; any other has NaN ends.
    Raises ValueError for NaN and for no values.
    """
    sample = Clustered.of(values, clusters)
    if is_credit(sample.values):
        return proportion(sample, level)
    if is_credit(np.abs(sample.values)):
        return paired(sample, level)
    return student(sample, level)


def difference_interval(
    a: ArrayLike, b: ArrayLike, clusters: ArrayLike | None = None, level: float = LEVEL
) -> Estimate:
    """The mean over items of a − b, paired. a, b: (n,) scores of the same items; otherwise as `mean_interval`."""
    first, second = finite(a), finite(b)
    if first.shape != second.shape:
        raise ValueError(f"pairs need equal lengths, not {first.size} and {second.size}")
    sample = Clustered.of(first - second, clusters)
    return paired(sample, level) if is_credit(first) and is_credit(second) else student(sample, level)


def is_credit(values: Array) -> bool:
    """Whether these are right-or-wrong scores: all in [0, 1], and half of them 0 or 1, or none different."""
    if values.min() < 0 or values.max() > 1:
        return False
    return bool(2 * np.count_nonzero((values == 0) | (values == 1)) >= values.size or np.ptp(values) == 0)


def student(sample: Clustered, level: float) -> Estimate:
    """mean ± t·se."""
    if sample.clusters == 1:
        return _estimate(sample, (np.nan, np.nan), "undefined: one cluster")
    if sample.squares == 0:
        return _estimate(sample, (np.nan, np.nan), "undefined: all values are equal")
    half = quantile(level, sample.df) * sample.se
    return _estimate(sample, (sample.mean - half, sample.mean + half), "clustered t" if _shared(sample) else "t")


def proportion(sample: Clustered, level: float) -> Estimate:
    """Wilson's interval at the effective sample size. sample: values in [0, 1]."""
    p = sample.mean
    n, z = effective(sample, p * (1 - p), level)
    ends = wilson(p, n, z) if n > 0 else (0.0, 1.0)
    return _estimate(sample, ends, _named("Wilson score", sample))


def paired(sample: Clustered, level: float) -> Estimate:
    """Tango's interval at the effective sample size. sample: differences of two values in [0, 1]."""
    gained = float(np.maximum(sample.values, 0).mean())
    lost = gained - sample.mean
    n, z = effective(sample, gained + lost - sample.mean**2, level)
    ends = tango(gained, lost, n, z) if n > 0 else (-1.0, 1.0)
    return _estimate(sample, ends, _named("Tango score", sample))


def effective(sample: Clustered, variance: float, level: float) -> tuple[float, float]:
    """Effective sample size, 0 where one cluster holds all, and standard errors between mean and end.

    variance: of one item if its value were all or nothing.
    """
    if sample.clusters == 1 and sample.n > 1:
        return 0.0, np.inf
    shared_credit = (sample.n * variance + EVENT) / (sample.squares + EVENT)
    return sample.n * shared_credit / design_effect(sample, level), float(special.ndtri((1 + level) / 2))


def design_effect(sample: Clustered, level: float = LEVEL) -> float:
    """Squared width of an interval over that with as many independent items, at least 1 (Korn & Graubard 1998).

    Where little varies it cannot be estimated, so half an event in clusters that agree entirely is added.
    """
    if not _shared(sample):
        return 1.0
    found = sample.n**2 * sample.se**2 * (1 - 1 / sample.n)
    variance = (found + EVENT * sample.kish) / (sample.squares + EVENT)
    return max(1.0, variance * (quantile(level, sample.df) / quantile(level, sample.n - 1)) ** 2)


def quantile(level: float, df: float) -> float:
    """Student's t at the upper end of a two-sided interval."""
    return float(special.stdtrit(df, (1 + level) / 2))


def _shared(sample: Clustered) -> bool:
    return sample.clusters < sample.n


def _named(method: str, sample: Clustered) -> str:
    if not _shared(sample):
        return method
    return "whole range: one cluster" if sample.clusters == 1 else f"{method}, effective size by cluster"


def _estimate(sample: Clustered, ends: tuple[float, float], method: str) -> Estimate:
    low, high = ends
    return Estimate(sample.mean, low, high, sample.se, sample.df, sample.n, sample.clusters, method)
