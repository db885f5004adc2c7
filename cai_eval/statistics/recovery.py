"""How well probabilities that were planted in a corpus come back from what was trained on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cai_eval.statistics.arrays import Array, finite
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL, mean_interval
from cai_eval.statistics.resampling import bootstrap

DIGITS = 6  #: of slope and intercept: on a perfect line rounding would pass for variation


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

    def line(means: Array) -> tuple[Array, Array]:
        stated, planted, product, square = np.moveaxis(means, -1, 0)
        slope = (product - stated * planted) / (square - planted**2)
        return np.round(slope, DIGITS), np.round(stated - slope * (planted + centre), DIGITS)

    return Recovery(
        bootstrap(moments, clusters, lambda means: line(means)[0], level, resamples, seed),
        bootstrap(moments, clusters, lambda means: line(means)[1], level, resamples, seed),
        mean_interval(np.abs(given - true), clusters, level),
    )
