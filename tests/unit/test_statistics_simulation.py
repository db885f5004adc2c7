"""What the methods promise, measured: intervals cover, tests hold their level, detectable effects are detected.

The cluster sizes are those of the HHH comparisons: 221 pairs of 102 queries, 61 honest ones of 19.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from cai_eval import statistics

Array = NDArray[np.float64]
DRAWS = 2_000
SLOW = pytest.mark.slow
HHH = np.repeat(np.arange(102), [15] + [6] * 8 + [3] * 32 + [2] + [1] * 60)
HONEST = np.repeat(np.arange(19), [15, 6, 6] + [3] * 9 + [1] * 7)
SPREAD = np.repeat(np.arange(19), [1] * 5 + [3] * 9 + [4, 5, 6, 6, 8])


def normal(random: np.random.Generator, clusters: Array, correlation: float, draws: int = DRAWS) -> Array:
    """(draws, items) of mean 0 and variance 1."""
    shared = random.normal(size=(draws, clusters.max() + 1))[:, clusters]
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * random.normal(size=(draws, clusters.size))


def right(random: np.random.Generator, clusters: Array, p: float, correlation: float, draws: int = DRAWS) -> Array:
    """(draws, items) of 0 and 1: each query has its own difficulty, beta distributed."""
    rest = 1 / correlation - 1
    difficulty = random.beta(p * rest, (1 - p) * rest, size=(draws, clusters.max() + 1))[:, clusters]
    return (random.random((draws, clusters.size)) < difficulty).astype(float)


def coverage(truth: float, interval: Callable[[Array], statistics.Estimate], *rows: Array) -> float:
    found = [interval(*row) for row in zip(*rows, strict=True)]
    return float(np.mean([estimate.low <= truth <= estimate.high for estimate in found]))


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20)


def test_independent_normal_items(random: np.random.Generator) -> None:
    rows = random.normal(1, 2, size=(DRAWS, 40))
    assert 0.93 <= coverage(1, statistics.mean_interval, rows) <= 0.97


@pytest.mark.parametrize(("p", "n"), [(0.5, 221), (0.02, 221), (0.02, 1000), (0.1, 61)])
def test_independent_right_or_wrong_items(random: np.random.Generator, p: float, n: int) -> None:
    rows = (random.random((DRAWS, n)) < p).astype(float)
    assert 0.93 <= coverage(p, statistics.mean_interval, rows) <= 0.97


@pytest.mark.parametrize(("gained", "lost"), [(0.02, 0.02), (0.04, 0.02), (0.3, 0.1)])
def test_independent_pairs(random: np.random.Generator, gained: float, lost: float) -> None:
    draws = random.random((DRAWS, 400))
    a, b = (draws < gained).astype(float), (draws > 1 - lost).astype(float)
    assert 0.93 <= coverage(gained - lost, statistics.difference_interval, a, b) <= 0.97


@pytest.mark.parametrize("clusters", [HONEST, SPREAD], ids=["honest", "spread"])
@pytest.mark.parametrize("correlation", [0.3, pytest.param(0.05, marks=SLOW), pytest.param(0.9, marks=SLOW)])
def test_nineteen_unequal_clusters(random: np.random.Generator, clusters: Array, correlation: float) -> None:
    def interval(values: Array) -> statistics.Estimate:
        return statistics.mean_interval(values, clusters)

    assert 0.93 <= coverage(0, interval, normal(random, clusters, correlation)) <= 0.97
    assert 0.93 <= coverage(0.5, interval, right(random, clusters, 0.5, correlation)) <= 0.975


@pytest.mark.parametrize("correlation", [0.3, pytest.param(0.05, marks=SLOW), pytest.param(0.9, marks=SLOW)])
def test_rare_outcomes_in_clusters(random: np.random.Generator, correlation: float) -> None:
    """Some 4 events: a score interval of so few cannot miss upwards, so it covers more than it says, never less."""
    rows = right(random, HHH, 0.02, correlation)
    assert 0.94 <= coverage(0.02, lambda values: statistics.mean_interval(values, HHH), rows) <= 0.985


@pytest.mark.parametrize("correlation", [0.3, pytest.param(0.9, marks=SLOW)])
def test_pairs_in_clusters(random: np.random.Generator, correlation: float) -> None:
    a, b = right(random, HHH, 0.6, correlation), right(random, HHH, 0.5, correlation)
    found = coverage(0.1, lambda one, other: statistics.difference_interval(one, other, HHH), a, b)
    assert 0.93 <= found <= 0.97


def test_relative_loss_in_clusters(random: np.random.Generator) -> None:
    base, changed = right(random, HHH, 0.8, 0.2, draws=1_000), right(random, HHH, 0.7, 0.2, draws=1_000)
    found = coverage(1 / 3, lambda one, other: statistics.relative_loss(one, other, 0.5, HHH), base, changed)
    assert 0.93 <= found <= 0.97


@SLOW
def test_bootstrap_of_fifty_clusters(random: np.random.Generator) -> None:
    clusters = np.repeat(np.arange(50), 3)
    rows = normal(random, clusters, 0.3)
    found = coverage(0, lambda values: statistics.bootstrap(values, clusters, resamples=2_000), rows)
    assert 0.925 <= found <= 0.97


def test_seeds_and_items_both_vary(random: np.random.Generator) -> None:
    """A method's true mean is over seeds that could have been drawn and items that could have been asked."""
    items = random.normal(size=(DRAWS, 1, 100))
    a = items + 0.1 * random.normal(size=(DRAWS, 4, 1)) + 0.5 * random.normal(size=(DRAWS, 4, 100))
    b = items + 0.1 * random.normal(size=(DRAWS, 4, 1)) + 0.5 * random.normal(size=(DRAWS, 4, 100))
    assert 0.93 <= coverage(0, statistics.seeded_difference, a, b) <= 0.975


def test_sign_flips_hold_their_level_and_find_effects(random: np.random.Generator) -> None:
    noise = normal(random, HONEST, 0.5, draws=500)
    false = [statistics.sign_flip(row, HONEST, "greater", resamples=999) for row in noise]
    true = [statistics.sign_flip(row + 0.6, HONEST, "greater", resamples=999) for row in noise]
    assert np.mean(np.array(false) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(true) <= 0.05) > 0.8


@pytest.mark.parametrize("clusters", [np.arange(60), HHH], ids=["independent", "HHH"])
def test_detectable_effects_are_detected(random: np.random.Generator, clusters: Array) -> None:
    """The effect that one sample calls detectable at 80 % is found in 80 % of others with the same noise."""
    noise = normal(random, clusters, 0.3, draws=600)
    effect = np.median([statistics.minimum_detectable_effect(row, clusters, alpha=0.01) for row in noise[:50]])
    found = [statistics.sign_flip(row + effect, clusters, "greater", resamples=1999) <= 0.01 for row in noise]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_detectable_effects_on_rare_outcomes_are_detected(random: np.random.Generator) -> None:
    effect = statistics.minimum_detectable_effect(np.zeros(400))
    losses = random.random((1_000, 400)) < effect
    assert 0.7 < np.mean([statistics.sign_flip(row, None, "greater") <= 0.05 for row in losses]) < 0.9


def test_detectable_effects_on_partial_credit_are_detected(random: np.random.Generator) -> None:
    """Half of the items that differ do so by 0.1, the others by 0.3."""
    seen = np.zeros(400)
    seen[:4] = 0.1, -0.1, 0.3, -0.3
    effect = statistics.minimum_detectable_effect(seen)
    losses = (random.random((1_000, 400)) < effect / 0.2) * random.choice([0.1, 0.3], (1_000, 400))
    assert 0.7 < np.mean([statistics.sign_flip(row, None, "greater") <= 0.05 for row in losses]) < 0.9
