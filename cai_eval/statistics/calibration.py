"""Whether probabilities come true: calibration and what goes with it (Kadavath et al. 2022, glossary and App. A).

Everything takes forecasts p and outcomes c, both (n,): the probability given to an event, and 1 where it happened, 0
where it did not; a tie's shared credit lies between. An event is "the top prediction is right", or, on the chart of
all options, "this option is right". Raises ValueError where lengths differ or values leave [0, 1].

ECE has an upward bias, which falls with the number of items: a perfect forecaster scores .055 at n = 300. Read it
beside `consistency`, and read trends on the Brier and log scores, which are proper and means over items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from cai_eval.statistics.arrays import Array, finite
from cai_eval.statistics.clustered import Clustered
from cai_eval.statistics.estimate import Estimate
from cai_eval.statistics.intervals import LEVEL

BINS = 10
RESAMPLES = 2000

Statistic = Callable[[Array, Array], float]


@dataclass(frozen=True)
class Bins:
    """Items in bins of equal count by forecast, all arrays (bins,): mean forecast, mean outcome, items.

    Items of equal forecast that fall into two bins count in both with their mean outcome, whatever their order.
    """

    forecast: Array
    outcome: Array
    items: Array


@dataclass(frozen=True)
class Decomposition:
    """Brier score = reliability − resolution + uncertainty + within (Murphy 1973; `within`: Stephenson et al. 2008).

    within: what forecasts that share a bin still tell apart; 0 where each bin has one forecast.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float


@dataclass(frozen=True)
class Consistency:
    """An ECE beside those of the same forecasts if they were true (Bröcker & Smith 2007).

    expected: the mean of these. p: the share of them that are as large, uniform under calibration. excess: ece −
    expected, without bias where forecasts are calibrated, and elsewhere too small by at most `expected`.
    """

    ece: float
    expected: float
    p: float

    @property
    def excess(self) -> float:
        return self.ece - self.expected


def bins(p: ArrayLike, c: ArrayLike, count: int = BINS) -> Bins:
    """At most `count` bins; sizes differ by one at most."""
    forecasts, outcomes = pairs(p, c)
    layout = _Layout.of(forecasts, count)
    return Bins(layout.forecast, layout.means(outcomes), layout.sizes)


def ece(p: ArrayLike, c: ArrayLike, count: int = BINS) -> float:
    """Expected calibration error: the mean over bins of |outcome − forecast|."""
    binned = bins(p, c, count)
    return float(np.abs(binned.outcome - binned.forecast).mean())


def rms(p: ArrayLike, c: ArrayLike, count: int = BINS) -> float:
    """Root mean square over bins of outcome − forecast."""
    binned = bins(p, c, count)
    return float(np.sqrt(((binned.outcome - binned.forecast) ** 2).mean()))


def mean_square(p: ArrayLike, c: ArrayLike, count: int = BINS) -> float:
    """The square of `rms` without its bias (Kumar et al. 2019, §5): below 0 for a calibrated forecaster half the time.

    NaN where a bin holds a single item.
    """
    binned = bins(p, c, count)
    if binned.items.min() < 2:
        return float("nan")
    noise = binned.outcome * (1 - binned.outcome) / (binned.items - 1)
    return float(((binned.outcome - binned.forecast) ** 2 - noise).mean())


def brier(p: ArrayLike, c: ArrayLike) -> float:
    """Mean of (p − c)²; .25 for somebody who always says one half."""
    forecasts, outcomes = pairs(p, c)
    return float(((forecasts - outcomes) ** 2).mean())


def decomposition(p: ArrayLike, c: ArrayLike, count: int = BINS) -> Decomposition:
    """The parts of the Brier score, by bins."""
    binned, score = bins(p, c, count), brier(p, c)
    share, base = binned.items / binned.items.sum(), float(finite(c).mean())
    reliability = float(share @ (binned.forecast - binned.outcome) ** 2)
    resolution = float(share @ (binned.outcome - base) ** 2)
    uncertainty = base * (1 - base)
    return Decomposition(reliability, resolution, uncertainty, score - reliability + resolution - uncertainty)


def log_score(p: ArrayLike, c: ArrayLike) -> float:
    """Mean of −log of the probability given to what happened, nats; infinite where that was 0."""
    forecasts, outcomes = pairs(p, c)
    return -float((special.xlogy(outcomes, forecasts) + special.xlog1py(1 - outcomes, -forecasts)).mean())


def auroc(p: ArrayLike, c: ArrayLike) -> float:
    """The chance that an event that happened was given more than one that did not, ties by half; NaN where none did
    or all did. Outcomes are 0 or 1."""
    forecasts, outcomes = pairs(p, c)
    _, group, sizes = np.unique(forecasts, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    yes = outcomes.sum()
    no = outcomes.size - yes
    return float((ranks @ outcomes - yes * (yes + 1) / 2) / (yes * no)) if yes * no else float("nan")


def selective_accuracy(p: ArrayLike, c: ArrayLike, threshold: float = 0.5) -> float:
    """Mean outcome where the forecast is above the threshold; NaN where it never is."""
    forecasts, outcomes = pairs(p, c)
    kept = outcomes[forecasts > threshold]
    return float(kept.mean()) if kept.size else float("nan")


def consistency(
    p: ArrayLike,
    c: ArrayLike,
    clusters: ArrayLike | None = None,
    count: int = BINS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Consistency:
    """The ECE against outcomes that are drawn from the forecasts.

    Items of one cluster share their luck, as if they asked the same thing in other words: with clusters the p is at
    least what it should be.
    """
    forecasts, _ = pairs(p, c)
    sample, layout = Clustered.of(forecasts, clusters), _Layout.of(forecasts, count)
    luck = np.random.default_rng(seed).random((resamples, sample.clusters))[:, sample.codes]
    null = np.abs(layout.means((luck < forecasts).astype(float)) - layout.forecast).mean(axis=-1)
    found = ece(p, c, count)
    as_large = np.count_nonzero(null >= found - 1e-12)
    return Consistency(found, float(null.mean()), (1 + as_large) / (1 + resamples))


def interval(
    statistic: Statistic,
    p: ArrayLike,
    c: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A statistic of this module with its basic bootstrap interval (Davison & Hinkley 1997, §5.2).

    Whole clusters are drawn. The interval mirrors the resamples at the value found, and so takes off a bias that
    resampling adds again, as with ECE. Resamples in which the statistic is NaN are left out.
    """
    forecasts, outcomes = pairs(p, c)
    sample = Clustered.of(forecasts, clusters)
    members = np.split(np.argsort(sample.codes, kind="stable"), np.cumsum(sample.sizes.astype(int))[:-1])
    random, drawn = np.random.default_rng(seed), np.empty(resamples)
    for number in range(resamples):
        chosen = np.concatenate([members[k] for k in random.integers(sample.clusters, size=sample.clusters)])
        drawn[number] = statistic(forecasts[chosen], outcomes[chosen])
    value, drawn = statistic(forecasts, outcomes), drawn[np.isfinite(drawn)]
    if sample.clusters == 1 or drawn.size < 2:
        low = high = se = float("nan")
    else:
        low, high = 2 * value - np.quantile(drawn, [(1 + level) / 2, (1 - level) / 2])
        se = float(np.std(drawn, ddof=1))
    method = f"basic bootstrap, {resamples:,} resamples" if np.isfinite(low) else "undefined: nothing to resample"
    return Estimate(value, float(low), float(high), se, sample.clusters - 1.0, sample.n, sample.clusters, method)


def log_chances(logprobs: ArrayLike, temperature: float = 1.0) -> Array:
    """(n,) log-probabilities of n options, nats, divided by the temperature and normalised again."""
    logits = finite(logprobs) / temperature
    normalised: Array = logits - special.logsumexp(logits)
    return normalised


def fit_temperature(logprobs: Sequence[ArrayLike], right: ArrayLike) -> float:
    """The one temperature, from .01 to 100, at which the right options are likeliest (Guo et al. 2017).

    logprobs: of the options of each question, which may differ in number. right: the number of the right one.
    Bisection: the loss is convex in 1/temperature.
    """
    questions = [finite(each) for each in logprobs]
    logits = np.full((len(questions), max(each.size for each in questions)), -np.inf)
    for row, each in zip(logits, questions, strict=True):
        row[: each.size] = each
    given, chosen = np.where(np.isfinite(logits), logits, 0.0), logits[np.arange(len(questions)), np.asarray(right)]

    def slope(inverse: float) -> float:
        """Of the mean loss in 1/temperature."""
        return float(((special.softmax(logits * inverse, axis=1) * given).sum(axis=1) - chosen).mean())

    low, high = np.log(0.01), np.log(100.0)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if slope(np.exp(middle)) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def pairs(p: ArrayLike, c: ArrayLike) -> tuple[Array, Array]:
    """Forecasts and outcomes as arrays of equal length, in [0, 1]."""
    forecasts, outcomes = finite(p), finite(c)
    if forecasts.shape != outcomes.shape:
        raise ValueError(f"{forecasts.size} forecasts but {outcomes.size} outcomes")
    if min(forecasts.min(), outcomes.min()) < 0 or max(forecasts.max(), outcomes.max()) > 1:
        raise ValueError("forecasts and outcomes must lie in [0, 1]")
    return forecasts, outcomes


@dataclass(frozen=True)
class _Layout:
    """Which item falls into which bin.

    order: (n,) items by forecast. tie_starts, tie_sizes: the runs of equal forecasts in it. starts, sizes: the bins.
    """

    order: NDArray[np.intp]
    tie_starts: NDArray[np.intp]
    tie_sizes: NDArray[np.intp]
    starts: NDArray[np.intp]
    sizes: Array
    forecast: Array

    @classmethod
    def of(cls, forecasts: Array, count: int) -> _Layout:
        n = forecasts.size
        count = min(count, n)
        order = np.argsort(forecasts, kind="stable")
        ordered = forecasts[order]
        tie_starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        sizes = np.full(count, n // count) + (np.arange(count) < n % count)
        starts = np.r_[0, np.cumsum(sizes)[:-1]]
        return cls(
            order,
            tie_starts,
            np.diff(np.r_[tie_starts, n]),
            starts,
            sizes.astype(float),
            np.add.reduceat(ordered, starts) / sizes,
        )

    def means(self, outcomes: Array) -> Array:
        """(..., bins) means of (..., n) outcomes."""
        runs = np.add.reduceat(outcomes[..., self.order], self.tie_starts, axis=-1) / self.tie_sizes
        shared = np.repeat(runs, self.tie_sizes, axis=-1)
        means: Array = np.add.reduceat(shared, self.starts, axis=-1) / self.sizes
        return means
