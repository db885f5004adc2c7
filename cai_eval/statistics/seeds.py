"""Training seeds as a source of variance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cai_eval.statistics.arrays import Array
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL, quantile


def seeded_difference(a: ArrayLike, b: ArrayLike, clusters: ArrayLike | None = None, level: float = LEVEL) -> Estimate:
    """mean(a) − mean(b) for methods trained with several seeds: both items and seeds could have been others.

    a, b: (seeds, items) scores of the same items, at least two seeds each; (items,) for fixed weights, such as
    a base model. Variance: clustered, of the item-wise difference of the seeds' means, plus that between the
    seeds' means of each side over their number; degrees of freedom after Satterthwaite (1946).
    Raises ValueError for NaN, one seed, unequal items.
    """
    one, other = _scores(a), _scores(b)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"pairs need equal items, not {one.shape[1]} and {other.shape[1]}")
    sample = Clustered.of(one.mean(0) - other.mean(0), clusters)
    parts = [(sample.se**2, sample.df)]
    for side, given in ((one, a), (other, b)):
        if np.ndim(given) == 2:
            parts.append((float(side.mean(1).var(ddof=1)) / len(side), len(side) - 1.0))
    variance = sum(v for v, _ in parts)
    if sample.clusters == 1 or variance == 0:
        ends, df, method = (np.nan, np.nan), 0.0, "undefined: one cluster, or nothing varies"
    else:
        df = variance**2 / sum(v**2 / d for v, d in parts)
        half = quantile(level, df) * variance**0.5
        ends, method = (sample.mean - half, sample.mean + half), "t over items and seeds"
    return Estimate(sample.mean, *ends, variance**0.5, df, sample.n, sample.clusters, method)


def _scores(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim == 1:
        array = array[None, :]
    elif array.ndim != 2 or len(array) < 2:
        raise ValueError("needs at least two seeds: (seeds, items), or (items,) for fixed weights")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite: drop items without a score first")
    return array
