"""Cluster bootstrap and cluster sign-flip test, vectorised over resamples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from cai_eval.statistics.arrays import Array
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL

Alternative = Literal["two-sided", "less", "greater"]
ENUMERATED = 14  #: up to 2**14 sign patterns are all visited
BLOCK = 2_000_000  #: random numbers held at once


def sign_flip(
    differences: ArrayLike,
    clusters: ArrayLike | None = None,
    alternative: Alternative = "two-sided",
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """p-value of the hypothesis that each cluster's differences are as likely to have the opposite signs.

    differences: (n,) paired differences; "greater" asks whether their mean is above 0. Exact where the cluster sums
    are whole numbers (right-or-wrong scores; with independent items this is McNemar's exact test) and where at most 14
    of them are not 0; else (1 + count)/(1 + resamples) over random signs. Two-sided: twice the smaller tail, at most 1.
    """
    sample = Clustered.of(differences, clusters)
    sums = sample.sums(sample.values)
    sums = sums[sums != 0]
    if sums.size == 0:
        return 1.0
    if np.array_equal(sums, np.round(sums)):
        greater, less = _whole_tails(sums.astype(int))
    else:
        greater, less = _tails(sums, resamples, seed)
    if alternative == "two-sided":
        return min(1.0, 2 * min(greater, less))
    return greater if alternative == "greater" else less


def bootstrap(
    values: ArrayLike,
    clusters: ArrayLike | None = None,
    statistic: Callable[[Array], Array] | None = None,
    level: float = LEVEL,
    resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """Bias-corrected and accelerated interval (Efron 1987) of a function of column means; whole clusters are drawn.

    values: (n,) or (n, columns). statistic: takes means (..., columns) to (...), smoothly: a ratio of two columns, say;
    by default the first column's mean. Needs some 30 clusters: with few it is too narrow, `mean_interval` is not.
    NaN ends where the statistic does not vary. Raises ValueError for NaN and for no values.
    """
    table = np.asarray(values, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    of = statistic or (lambda means: means[..., 0])
    columns = [Clustered.of(column, clusters) for column in table.T]
    first = columns[0]
    sums = np.stack([column.sums(column.values) for column in columns], axis=1)
    value = float(of(sums.sum(0) / first.n))
    drawn = np.concatenate([of(means) for means in _drawn_means(sums, first.sizes, resamples, seed)])
    low = high = np.nan
    if np.ptp(drawn) > 0:
        left_out = of((sums.sum(0) - sums) / (first.n - first.sizes)[:, None])
        low, high = np.quantile(drawn, _corrected(drawn, value, left_out, level))
    method = f"BCa bootstrap, {resamples:,} resamples" if np.isfinite(low) else "undefined: nothing varies"
    se = float(np.std(drawn, ddof=1))
    return Estimate(value, float(low), float(high), se, first.clusters - 1.0, first.n, first.clusters, method)


def _drawn_means(sums: Array, sizes: Array, resamples: int, seed: int) -> Iterator[Array]:
    """(block, columns) means of resamples of as many clusters as there are."""
    random, count = np.random.default_rng(seed), sizes.size
    for rows in _blocks(resamples, count):
        drawn = random.integers(count, size=(rows, count), dtype=np.int32)
        items = sizes[drawn].sum(1) if np.ptp(sizes) else np.full(rows, sizes[0] * count)
        yield np.stack([column[drawn].sum(1) for column in sums.T], axis=1) / items[:, None]


def _corrected(drawn: Array, value: float, left_out: Array, level: float) -> Array:
    """The two quantiles of `drawn` to read: shifted for median bias, and for skewness found by leaving one out."""
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn <= value)) / (2 * drawn.size)
    bias = special.ndtri(np.clip(below, 0.5 / drawn.size, 1 - 0.5 / drawn.size))  # finite where all lie on one side
    pull = left_out.mean() - left_out
    skew = (pull**3).sum() / (6 * (pull @ pull) ** 1.5) if np.ptp(left_out) > 0 else 0.0
    z = special.ndtri(np.array([(1 - level) / 2, (1 + level) / 2])) + bias
    return np.asarray(special.ndtr(bias + z / (1 - skew * z)))


def _whole_tails(sums: NDArray[np.int_]) -> tuple[float, float]:
    """P(Σ ±|sum| ≥ seen), P(≤ seen): the distribution of the sum, one cluster after the other."""
    steps = np.abs(sums)
    chances = np.ones(1)  # of −total, −total + 2, …, total: each cluster adds its step twice or not at all
    for step in steps:
        wider = np.zeros(chances.size + step)
        wider[:-step] += chances / 2
        wider[step:] += chances / 2
        chances = wider
    seen = int(sums.sum() + steps.sum()) // 2
    return min(1.0, float(chances[seen:].sum())), min(1.0, float(chances[: seen + 1].sum()))


def _tails(sums: Array, resamples: int, seed: int) -> tuple[float, float]:
    """The same for sums of any value, over all sign patterns or random ones; equal within rounding counts as equal."""
    seen, slack = sums.sum(), 1e-9 * np.abs(sums).sum()
    if exact := sums.size <= ENUMERATED:
        kept = (np.arange(2**sums.size)[:, None] >> np.arange(sums.size) & 1) @ sums
    else:
        random = np.random.default_rng(seed)
        kept = np.concatenate([_coins(random, rows, sums.size) @ sums for rows in _blocks(resamples, sums.size)])
    flipped = 2 * kept - seen
    counts = np.count_nonzero(flipped >= seen - slack), np.count_nonzero(flipped <= seen + slack)
    if exact:
        return counts[0] / flipped.size, counts[1] / flipped.size
    return (1 + counts[0]) / (1 + resamples), (1 + counts[1]) / (1 + resamples)


def _coins(random: np.random.Generator, rows: int, columns: int) -> Array:
    """Fair zeros and ones."""
    bits = random.integers(256, size=(rows, -(-columns // 8)), dtype=np.uint8)
    return np.unpackbits(bits, axis=1, count=columns).astype(float)


def _blocks(rows: int, columns: int) -> Iterator[int]:
    """Row counts of blocks of at most BLOCK numbers, adding up to `rows`."""
    size = max(1, BLOCK // columns)
    for start in range(0, rows, size):
        yield min(size, rows - start)
