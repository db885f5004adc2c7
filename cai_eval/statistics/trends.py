"""Change of a score with model size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cai_eval.statistics.arrays import finite
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL, student


def trend(
    x: ArrayLike, values: ArrayLike, items: ArrayLike, clusters: ArrayLike | None = None, level: float = LEVEL
) -> Estimate:
    """Least-squares slope of the score a decade of size: the mean over items of each item's own slope.

    x: (rows,) sizes in parameters. values: (rows,) scores. items, clusters: (rows,) labels; every item appears once at
    every size, so the slope's error is that of the items, shared by all sizes: other models of the same sizes could
    give another slope. Raises ValueError for sizes that are not positive, fewer than two of them, or a missing row.
    """
    sizes, scores = finite(x), finite(values)
    if (sizes <= 0).any():
        raise ValueError("sizes must be positive")
    rungs, column = np.unique(sizes, return_inverse=True)
    names, first, row = np.unique(np.asarray(items), return_index=True, return_inverse=True)
    table = np.full((names.size, rungs.size), np.nan)
    table[row, column] = scores
    if rungs.size < 2:
        raise ValueError("a trend needs two sizes")
    if np.isnan(table).any() or scores.size != table.size:
        raise ValueError("every item needs one score at every size")
    decades = np.log10(rungs) - np.log10(rungs).mean()
    slopes = table @ decades / (decades @ decades)
    return student(Clustered.of(slopes, None if clusters is None else np.asarray(clusters)[first]), level)
