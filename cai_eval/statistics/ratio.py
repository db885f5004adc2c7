"""How much of what there was to lose was lost."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike

from cai_eval.statistics.arrays import Array, finite
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL, difference_interval, is_credit, mean_interval, student


def above_chance(base_values: ArrayLike, chance: ArrayLike, clusters: ArrayLike | None = None) -> bool:
    """Whether the mean score lies above the mean of `chance` (one value, or one an item), one-sided at 5 %."""
    base = finite(base_values)
    return _room(base, _per_item(chance, base), clusters, level=0.9).low > 0


def relative_loss(
    base: ArrayLike,
    changed: ArrayLike,
    chance: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = LEVEL,
) -> Estimate:
    """1 − (changed − chance)/(base − chance): the share of the base's score above chance that was lost.

    base, changed: (n,) scores of the same items, higher is better (negate them where lower is).
    chance: a guesser's score, one value or one an item. Where the base is not above chance (`above_chance`) there is
    nothing to lose: the value is NaN and the method "at floor". The ends combine the intervals of loss and room by
    Donner & Zou (2012, MOVER for ratios), which is Fieller's interval where both are t intervals; an end is infinite
    where the room may be nil at this level. Raises ValueError as `difference_interval`.
    """
    before, after = finite(base), finite(changed)
    guess = _per_item(chance, before)
    loss = difference_interval(before, after, clusters, level)
    room = _room(before, guess, clusters, level)
    if not above_chance(before, guess, clusters):
        return Estimate(nan, nan, nan, nan, room.df, room.n, room.clusters, "at floor")
    value = loss.value / room.value
    residual = Clustered.of(before - after - value * (before - guess), clusters)
    low, high = ratio_ends(loss, room, _correlation(before - after, before - guess, clusters))
    method = f"ratio of {loss.method} and {room.method}"
    return Estimate(value, low, high, residual.se / room.value, residual.df, room.n, room.clusters, method)


def ratio_ends(top: Estimate, bottom: Estimate, correlation: float) -> tuple[float, float]:
    """Ends of the interval of top/bottom, bottom > 0, from their own intervals and the correlation of the two means."""
    below, above = bottom.value - bottom.low, bottom.high - bottom.value
    low = _end(top.value, bottom.value, top.low - top.value, above if top.low > 0 else below, correlation, -1)
    high = _end(top.value, bottom.value, top.high - top.value, below if top.high > 0 else above, correlation, 1)
    return low, high


def _end(top: float, bottom: float, reach: float, spread: float, correlation: float, side: int) -> float:
    """The θ at which top − θ·bottom lies one margin from 0. reach: signed margin of top; spread: margin of bottom."""
    if not spread < bottom:
        return side * inf
    a = bottom**2 - spread**2
    b = top * bottom - side * correlation * reach * spread
    return (b + side * sqrt(max(0.0, b * b - a * (top**2 - reach**2)))) / a


def _room(values: Array, chance: Array, clusters: ArrayLike | None, level: float) -> Estimate:
    """base − chance. Where chance is the same for all, the interval is that of the score itself, moved."""
    if np.ptp(chance) > 0 or not is_credit(values):
        return student(Clustered.of(values - chance, clusters), level)
    score, guess = mean_interval(values, clusters, level), float(chance[0])
    moved = (score.value - guess, score.low - guess, score.high - guess)
    return Estimate(*moved, score.se, score.df, score.n, score.clusters, score.method)


def _per_item(chance: ArrayLike, values: Array) -> Array:
    return finite(np.broadcast_to(chance, values.shape))


def _correlation(a: Array, b: Array, clusters: ArrayLike | None) -> float:
    """Of the two means, from the cluster totals; 0 where either does not vary."""
    one, other = Clustered.of(a, clusters).totals, Clustered.of(b, clusters).totals
    scale = sqrt((one @ one) * (other @ other))
    return float(np.clip(one @ other / scale, -1, 1)) if scale > 0 else 0.0
