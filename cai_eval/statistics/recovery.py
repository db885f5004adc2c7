"""How well probabilities that were planted in a corpus come back from what was trained on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cai_eval.statistics.arrays import Array, finite
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL, mean_interval
from cai_eval.statistics.resampling import bootstrap


@dataclass(frozen=True)
class Recovery:
    """stated = intercept + slope · planted by least squares, and the mean of |stated − planted|: 0, 1 and 0 at best."""

    slope: Estimate
    intercept: Estimate
    error: Estimate


def recovery(
    stated: ArrayLike,
    planted: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = LEVEL,
    resamples: int = 2000,
    seed: int = 0,
) -> Recovery:
    """stated, planted: (n,) probabilities. clusters: (n,) labels; whole ones are drawn by the bootstrap.

    Raises ValueError for NaN, for no values, and where all planted ones are equal.
    """
    given, true = finite(stated), finite(planted)
    if given.shape != true.shape:
        raise ValueError(f"{given.size} stated but {true.size} planted probabilities")
    if np.ptp(true) == 0:
        raise ValueError("a slope needs planted probabilities that differ")
    centre = true.mean()
    moments = np.column_stack([given, true - centre, given * (true - centre), (true - centre) ** 2])

    def slope(means: Array) -> Array:
        stated, planted, product, square = np.moveaxis(means, -1, 0)
        ratio: Array = (product - stated * planted) / (square - planted**2)
        return ratio

    def intercept(means: Array) -> Array:
        line: Array = means[..., 0] - slope(means) * (means[..., 1] + centre)
        return line

    return Recovery(
        bootstrap(moments, clusters, slope, level, resamples, seed),
        bootstrap(moments, clusters, intercept, level, resamples, seed),
        mean_interval(np.abs(given - true), clusters, level),
    )
