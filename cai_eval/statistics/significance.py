"""Exact McNemar, Benjamini–Hochberg, and the least effect that a comparison could have found."""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from cai_eval.statistics.arrays import Array
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.intervals import design_effect, is_credit
from cai_eval.statistics.resampling import Alternative


def mcnemar(b: int, c: int, alternative: Alternative = "two-sided") -> float:
    """Exact p-value for b items that only the first got right and c that only the second did; items independent.

    "greater" asks whether the first is better.
    """
    greater, less = _at_least(b, b + c), _at_least(c, b + c)
    if alternative == "two-sided":
        return min(1.0, 2 * min(greater, less))
    return greater if alternative == "greater" else less


def _at_least(count: int, of: int) -> float:
    """P(X ≥ count) for X binomial(of, ½)."""
    return float(special.bdtrc(count - 1, of, 0.5)) if count > 0 else 1.0


def benjamini_hochberg(p: ArrayLike) -> Array:
    """Adjusted p-values of one family: those ≤ q keep the false discovery rate at q (Benjamini & Hochberg 1995).

    p: (tests,), may be empty. Raises ValueError outside [0, 1].
    """
    values = np.asarray(p, dtype=float)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values must be a one-dimensional array within [0, 1]")
    order = np.argsort(values)[::-1]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(values[order] * (values.size / np.arange(values.size, 0, -1)))
    return adjusted


def minimum_detectable_effect(
    differences: ArrayLike, clusters: ArrayLike | None = None, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The mean difference that a one-sided test at `alpha` would find with probability `power`, given this noise.

    From the non-central t with the clustered standard error and its degrees of freedom. An effect on right-or-wrong
    scores makes discordant items of its own, so it is at least what those would need where few were seen (Connor 1987
    with all discordance in one direction); with partial credit they are as large as those seen, else whole. Infinite
    where no effect could be found: one cluster, no variation, fewer clusters than a sign-flip test needs to reach
    `alpha`, or a need beyond the range of the score.
    """
    sample = Clustered.of(differences, clusters)
    credit = is_credit(np.abs(sample.values))
    if 0.5**sample.clusters > alpha or (sample.squares == 0 and not credit):
        return inf
    errors = float(special.nctdtrinc(sample.df, 1 - power, special.stdtrit(sample.df, 1 - alpha)))
    if not credit:
        return errors * sample.se
    events = float(special.ndtri(1 - alpha) + special.ndtri(power)) ** 2 * design_effect(sample)
    effect = max(errors * sample.se, events * _size(sample.values) / sample.n)
    return effect if effect <= 1 else inf


def _size(differences: Array) -> float:
    """What a discordant item counts: Σd²/Σ|d|, for k that all lose are Σ|d| = k·size above a noise of √(Σd²)."""
    total = np.abs(differences).sum()
    return float(differences @ differences / total) if total else 1.0
