"""Elo ratings of policies from pairwise results (Bai et al. 2022a, §2.2; Bradley and Terry 1952).

A result is a share: how often i was preferred to j on a prompt, a tie counting one half to each side. Ratings are the
maximum of the Bradley–Terry likelihood, P(i beats j) = 1/(1 + 10^((E_j − E_i)/400)): a nat is 400/ln 10 ≈ 174 points.
Only differences have a meaning, and only differences are given.

A policy that always wins has no finite maximum. Half a win is therefore added to each side of every pair that met, as
if each had met once more and tied: with n prompts no pair can stand further apart than a record of n + ½ to ½.

Prompts are what could have been others: whole clusters of them are drawn again, the same for all policies, so that a
prompt that is easy for everyone does not pass for a difference. A cluster counts once, however many prompts it holds;
a prompt that is there twice in one cluster changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from cai_eval.statistics.arrays import Array
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL, quantile

POINTS = 400 / np.log(10)  #: Elo points in a nat
PRIOR = 0.5  #: wins added to each side of a pair that met
RESAMPLES = 1000
_TIE = 1e-9  #: between utilities that differ by rounding alone
_STEP, _ROUNDS = 2.0, 100  #: nats that Newton's method may move at a time, and how often at most


@dataclass(frozen=True)
class Elo:
    """Ratings of policies that played each other.

    names: (policies,), one for each training seed. ratings: (policies,) points; their mean means nothing. drawn:
    (resamples, policies) the same from prompts drawn again, jointly for all. prompts: those played on. clusters: how
    many distinct ones they come from.
    """

    names: tuple[str, ...]
    ratings: Array
    drawn: Array
    prompts: int
    clusters: int

    def difference(self, first: Sequence[str], second: Sequence[str], level: float = LEVEL) -> Estimate:
        """By how many points the first policy stands above the second.

        Each is given by the names of its training seeds, which play as policies of their own. With one seed each, a
        percentile interval; else the variances over prompts and between seeds are added, as `seeded_difference` does.
        NaN ends where there is one cluster, or nothing to compare.
        """
        sides = [np.array([self.names.index(name) for name in side]) for side in (first, second)]
        value = self.ratings[sides[0]].mean() - self.ratings[sides[1]].mean()
        drawn = self.drawn[:, sides[0]].mean(axis=1) - self.drawn[:, sides[1]].mean(axis=1)
        parts = [(float(drawn.var(ddof=1)), self.clusters - 1.0)]
        for side in sides:
            if side.size > 1:
                parts.append((float(self.ratings[side].var(ddof=1)) / side.size, side.size - 1.0))
        variance = sum(v for v, _ in parts)
        if self.clusters == 1 or variance == 0:
            low, high, df, method = np.nan, np.nan, 0.0, "undefined: one cluster, or nothing varies"
        elif len(parts) == 1:
            low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
            df, method = parts[0][1], f"bootstrap over prompts, {len(drawn):,} resamples"
        else:
            df = variance**2 / sum(v**2 / d for v, d in parts)
            half = quantile(level, df) * variance**0.5
            low, high, method = value - half, value + half, "t over prompts and seeds"
        return Estimate(float(value), float(low), float(high), variance**0.5, df, self.prompts, self.clusters, method)


def elo(
    shares: ArrayLike,
    names: Sequence[str],
    clusters: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Elo:
    """Ratings from the results on every prompt.

    shares: (prompts, policies, policies), [p, i, j] how often i was preferred to j on prompt p, so that [p, i, j] +
    [p, j, i] = 1; NaN where the two did not meet on it. clusters: (prompts,) labels; None: prompts are independent.
    Raises ValueError for other shapes or sums, and where the policies fall into groups that never met.
    """
    given = np.asarray(shares, dtype=float)
    labels = np.arange(len(given)) if clusters is None else np.asarray(clusters)
    if given.ndim != 3 or given.shape[1:] != (len(names), len(names)) or labels.shape != given.shape[:1]:
        raise ValueError(f"needs (prompts, {len(names)}, {len(names)}) results with one label each, not {given.shape}")
    wins, codes = np.nan_to_num(given), np.unique(labels, return_inverse=True)[1]
    met = ~np.isnan(given)
    met[:, np.arange(len(names)), np.arange(len(names))] = False
    if not np.allclose((wins + wins.transpose(0, 2, 1))[met], 1):
        raise ValueError("the shares of a pair must add up to 1")
    won, games = _by_cluster(np.where(met, wins, 0.0), codes), _by_cluster(met.astype(float), codes)
    won = np.divide(won, games, out=np.zeros_like(won), where=games > 0)
    seen = np.asarray(games.any(axis=0))
    if not joined(given):
        raise ValueError("the policies fall into groups that never met: compare some across the groups")
    counts = np.random.default_rng(seed).multinomial(len(won), np.full(len(won), 1 / len(won)), resamples)
    again = np.tensordot(counts.astype(float), won, 1)
    prior = PRIOR * seen
    return Elo(
        tuple(names),
        POINTS * bradley_terry(won.sum(axis=0) + prior),
        POINTS * bradley_terry(again + prior),
        len(given),
        len(won),
    )


def bradley_terry(wins: ArrayLike) -> Array:
    """(…, policies) strengths in nats, with mean 0, that make (…, policies, policies) wins of i over j likeliest.

    Newton's method. Every policy must have won and lost against the others taken together.
    """
    won = np.asarray(wins, dtype=float)
    count = won.shape[-1]
    games, level = won + np.swapaxes(won, -1, -2), np.full((count, count), 1 / count)
    strengths = np.zeros(won.shape[:-1])
    for _ in range(_ROUNDS):
        chances = special.expit(strengths[..., :, None] - strengths[..., None, :])
        gradient = (won - games * chances).sum(axis=-1)
        information = -games * chances * (1 - chances)
        diagonal = np.einsum("...ii->...i", information)  # a view
        diagonal[...] = 0.0
        diagonal -= information.sum(axis=-1)
        step = np.linalg.solve(information + level, gradient[..., None])[..., 0]
        strengths += np.clip(step, -_STEP, _STEP)
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return np.asarray(strengths - strengths.mean(axis=-1, keepdims=True))


def preferred(utilities: ArrayLike) -> Array:
    """(prompts, policies, policies) shares of results from what a judge thinks of each answer.

    utilities: (prompts, policies, samples), higher is better; every answer of i meets every answer of j. Differences of
    rounding alone are ties. NaN: no answer of that policy to that prompt could be judged.
    """
    values = np.asarray(utilities, dtype=float)
    if values.ndim != 3:
        raise ValueError(f"needs (prompts, policies, samples), not shape {values.shape}")
    shares = np.empty((len(values), values.shape[1], values.shape[1]))
    for prompt, row in enumerate(values):  # one prompt at a time: samples² numbers a pair are many
        gap = row[:, None, :, None] - row[None, :, None, :]
        unjudged = np.where(np.isnan(gap), np.nan, 0)
        shares[prompt] = ((gap > _TIE) + 0.5 * (np.abs(gap) <= _TIE) + unjudged).mean((2, 3))
    return shares


def joined(shares: ArrayLike) -> bool:
    """Whether all policies of (prompts, policies, policies) results met, directly or through others."""
    met = ~np.isnan(np.asarray(shares, dtype=float)).all(axis=0)
    groups = np.arange(len(met))
    for _ in groups:
        groups = np.minimum(groups, np.where(met, groups[None, :], len(met)).min(axis=1))
    return not np.ptp(groups)


def _by_cluster(values: Array, codes: NDArray[np.intp]) -> Array:
    """(clusters, …) sums of (prompts, …)."""
    sums = np.zeros((codes.max() + 1, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums
