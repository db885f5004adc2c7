"""Effective degrees of freedom of a mean over few, unequal clusters.

With (1'T)² the squared error of the sum and Σ w·e² its estimated variance, both quadratic in normal cluster sums T,
the chance that |1'T| > q·√(Σ w·e²) is that of one quadratic form being positive, and can be had exactly. The degrees
of freedom are those of the t distribution with the same chance at its 97.5 % quantile. Satterthwaite's match of two
moments (Bell & McCaffrey 2002) goes wrong here: where one cluster holds a quarter of the items, and these agree, it
asks for intervals half as wide again.
"""

from __future__ import annotations

from math import exp, log

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cai_eval.statistics.arrays import Array

TAIL = 0.975
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_SINE_SQUARED = np.sin((_NODES + 1) * np.pi / 4) ** 2  #: over (0, π/2)


def effective_df(sizes: Array, spread: Array, weights: Array) -> float:
    """sizes, spread, weights: (clusters,) items, variance of the sum up to a factor, and weight of its squared error.

    At most clusters − 1, which it is where all clusters have one size.
    """
    most = sizes.size - 1.0
    (size, first, count) = np.unique(sizes, return_index=True, return_counts=True)
    form = _Form(size / sizes.sum(), spread[first] / spread.sum(), weights[first], count)
    if size.size == 1 or form.beyond(special.stdtrit(most, TAIL)) <= 2 * (1 - TAIL):
        return most
    low, high = log(0.1), log(most)
    for _ in range(14):  # to 0.05 %
        middle = (low + high) / 2
        enough = form.beyond(special.stdtrit(exp(middle), TAIL)) <= 2 * (1 - TAIL)
        low, high = (middle, high) if enough else (low, middle)
    return exp(low)


class _Form:
    """The quadratic form. (sizes,) share, spread and weight of a cluster of each size, and how many there are."""

    def __init__(self, share: Array, spread: Array, weight: Array, count: NDArray[np.intp]) -> None:
        many = np.sqrt(count)
        residual = np.eye(share.size) - np.outer(many * share, many)
        factor = np.sqrt(weight)[:, None] * residual * np.sqrt(spread)
        self.total = np.outer(many * np.sqrt(spread), many * np.sqrt(spread))
        self.squares = factor.T @ factor
        self.alone = weight * spread  # contrasts between clusters of one size
        self.powers = np.concatenate([np.ones(share.size - 1), count - 1])

    def beyond(self, q: float) -> float:
        """P(|1'T| > q·√(Σ w·e²)).

        The form has one positive eigenvalue, so this is P(χ²₁ > Σ r·χ²), by Craig's integral (1991) of erfc
        (2/π) ∫ Π (1 + r/sin²φ)^(−power/2) dφ over (0, π/2).
        """
        *negative, positive = np.linalg.eigvalsh(self.total - q**2 * self.squares)
        if positive <= 0:
            return 0.0
        ratios = np.concatenate([np.maximum(0, -np.array(negative)), q**2 * self.alone]) / positive
        logs = np.log1p(ratios / _SINE_SQUARED[:, None]) @ (self.powers / 2)
        return float(_WEIGHTS @ np.exp(-logs)) / 2
