"""Items in clusters, and the variance of their mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cai_eval.statistics.arrays import Array, finite
from cai_eval.statistics.freedom import effective_df


@dataclass(frozen=True)
class Clustered:
    """Values of items and the cluster of each.

    values: (n,). codes: (n,) cluster numbers from 0. sizes: (clusters,) items in each.
    """

    values: Array
    codes: NDArray[np.intp]
    sizes: Array

    @classmethod
    def of(cls, values: ArrayLike, clusters: ArrayLike | None = None) -> Clustered:
        """`clusters` are labels of any type; None: items are independent. Raises ValueError (empty, NaN, lengths)."""
        array = finite(values)
        if clusters is None:
            return cls(array, np.arange(array.size), np.ones(array.size))
        labels = np.asarray(clusters)
        if labels.shape != array.shape:
            raise ValueError(f"{array.size} values but {labels.size} cluster labels")
        _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        return cls(array, codes, sizes.astype(float))

    def sums(self, values: Array) -> Array:
        """(clusters,) sums of (n,) values of the same items."""
        return np.bincount(self.codes, values, self.clusters).astype(float)

    @property
    def n(self) -> int:
        return self.values.size

    @property
    def clusters(self) -> int:
        return self.sizes.size

    @cached_property
    def mean(self) -> float:
        """Mean over items (not over clusters)."""
        return float(self.values.mean())

    @cached_property
    def deviations(self) -> Array:
        """(n,) value − mean; exactly zero where all values are equal."""
        return np.zeros(self.n) if np.ptp(self.values) == 0 else self.values - self.mean

    @cached_property
    def totals(self) -> Array:
        """(clusters,) sums of the deviations."""
        return self.sums(self.deviations)

    @cached_property
    def squares(self) -> float:
        """Sum of squared deviations."""
        return float(self.deviations @ self.deviations)

    @property
    def kish(self) -> float:
        """Design effect if the items of each cluster always agreed: Σ size² / n (Kish 1965, §8.2)."""
        return float(self.sizes @ self.sizes) / self.n

    @cached_property
    def correlation(self) -> float:
        """Intraclass correlation: one-way analysis of variance, cut to [0, 1]; 1 where nothing varies."""
        if self.squares == 0 or self.clusters in (1, self.n):
            return 1.0
        between = float(self.totals**2 @ (1 / self.sizes))
        mean_between = between / (self.clusters - 1)
        mean_within = (self.squares - between) / (self.n - self.clusters)
        usual_size = (self.n - self.kish) / (self.clusters - 1)
        total = mean_between + (usual_size - 1) * mean_within
        return float(np.clip((mean_between - mean_within) / total, 0, 1)) if total > 0 else 1.0

    @cached_property
    def weights(self) -> Array:
        """(clusters,) Σ weight·total² estimates the variance of the sum without bias when items correlate as found.

        With a correlation of 0 this is the CR2 correction of Bell & McCaffrey (2002), 1/(1 − size/n).
        """
        share, spread = self.sizes / self.n, self._spread
        weights: Array = spread / (spread * (1 - 2 * share) + share**2 * spread.sum())
        return weights

    @cached_property
    def _spread(self) -> Array:
        """(clusters,) variance of each cluster's sum, up to a factor, at the correlation found."""
        return self.sizes * (1 + (self.sizes - 1) * self.correlation)

    @cached_property
    def se(self) -> float:
        """Standard error of the mean; NaN with one cluster."""
        if self.clusters == 1:
            return float("nan")
        return float(np.sqrt(self.weights @ self.totals**2)) / self.n

    @cached_property
    def df(self) -> float:
        """Effective degrees of freedom of `se`; n − 1 for independent items, 0 with one cluster."""
        if self.clusters == 1:
            return 0.0
        return effective_df(self.sizes, self._spread, self.weights)
